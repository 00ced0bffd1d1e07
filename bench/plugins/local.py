"""Plugins in local files: imported by path, under a name of their own; `sys.path` stays as it is.

What may be given: a Python file, a package (a folder with `__init__.py`), or a project (a folder
with `pyproject.toml` whose entry points of the group `huebench` name modules in it or in its
`src`). A package may list its plugins (`bench.plugins.lists`).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import keys
from bench.errors import BenchError
from bench.hookspecs import GROUP
from bench.plugins import lists

PREFIX = "_bench_local_"
"""Of the names under which local modules are imported."""
_NOT_CODE = {"tests", "build", "dist", "node_modules", "__pycache__"}


@dataclass(frozen=True)
class LocalPlugin:
    """One module to load: a file, or the module `inner` of a package; or an attribute of it.
    distribution and version: the project's, if it is one. root: what was given; content: of it,
    when it was found."""

    name: str
    module: Path
    distribution: str
    version: str
    root: Path
    content: str
    attribute: str = ""
    inner: tuple[str, ...] = ()

    def load(self) -> object:
        """Import it; again only where its code has changed. Raises whatever it raises."""
        name = f"{PREFIX}{_identifier(self.module)}_{keys.digest_of([str(self.module), self.content])[:12]}"
        module = _import(name, self.module)
        for part in self.inner:
            module = importlib.import_module(f"{module.__name__}.{part}")
        return getattr(module, self.attribute) if self.attribute else module


def _import(name: str, path: Path) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    places = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=places)
    if spec is None or spec.loader is None:
        raise BenchError(f"{path} is no Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def find(path: Path) -> list[LocalPlugin]:
    """The plugins in a file or folder. BenchError when it has none."""
    if path.is_file():
        if path.suffix != ".py":
            raise BenchError(
                f"plugin {path} is no Python file (.py): give one, or the folder of a plugin"
            )
        return [LocalPlugin(path.stem, path, "local file", "-", path, content(path))]
    if (path / "pyproject.toml").is_file():
        return list(_project(path))
    if (path / "__init__.py").is_file():
        init = path / "__init__.py"
        return _expanded(LocalPlugin(path.name, init, "local folder", "-", path, content(path)))
    raise BenchError(
        f"plugin {path} has neither __init__.py nor pyproject.toml: give a Python file, a package "
        "or a project"
    )


def content(root: Path) -> str:
    """Twelve digits that stand for the Python code of a file or folder, tests left out."""
    environments = [marker.parent for marker in root.rglob("pyvenv.cfg")] if root.is_dir() else []
    found = (
        path
        for path in root.rglob("*.py")
        if path.is_file() and not any(path.is_relative_to(e) for e in environments)
    )
    files = (
        [root]
        if root.is_file()
        else sorted(path for path in found if _is_code(path.relative_to(root)))
    )
    base = root.parent if root.is_file() else root
    return keys.digest_of(
        part
        for file in files
        for part in (str(file.relative_to(base)), keys.sha256(file.read_bytes()))
    )[:12]


def _is_code(path: Path) -> bool:
    return not any(
        part.startswith(".") or part in _NOT_CODE or part.endswith(".egg-info")
        for part in path.parts
    )


def _project(folder: Path) -> Iterator[LocalPlugin]:
    file = folder / "pyproject.toml"
    project = _described(file)
    entries = project.get("entry-points", {}).get(GROUP, {})
    if not entries:
        raise BenchError(
            f"{file} has no entry points of the group {GROUP}: add [project.entry-points.{GROUP}]"
        )
    distribution, version, code = (
        project.get("name", folder.name),
        project.get("version", "?"),
        content(folder),
    )
    for name, value in sorted(entries.items()):
        module, _, attribute = value.partition(":")
        place, inner = _locate(folder, module.strip())
        yield from _expanded(
            LocalPlugin(name, place, distribution, version, folder, code, attribute.strip(), inner)
        )


def _expanded(plugin: LocalPlugin) -> list[LocalPlugin]:
    """The plugins that a package lists, or the one that it is itself."""
    init = plugin.module.parent.joinpath(*plugin.inner, "__init__.py")
    package = plugin.module.name == init.name and not plugin.attribute
    return [
        replace(plugin, name=lists.plugin_name(name), inner=(*plugin.inner, name))
        for name in (lists.listed(init) if package else ())
    ] or [plugin]


def _described(file: Path) -> dict[str, Any]:
    """The table `[project]` of a `pyproject.toml`, as far as it is read."""
    from bench.store import forms, records  # most verbs read none

    found = records.read_toml(file, "give a project's folder")
    return dict(records.checked(found, forms.PyProject, file).get("project", {}))


def _locate(folder: Path, module: str) -> tuple[Path, tuple[str, ...]]:
    """The file of a module's outermost package, or its own, and the way from there."""
    first, *inner = module.split(".")
    for root in (folder / "src", folder):
        way = root.joinpath(first, *inner)
        if (way / "__init__.py").is_file() or way.with_suffix(".py").is_file():
            package = root / first / "__init__.py"
            if package.is_file():
                return package, tuple(inner)
            if not inner:
                return way.with_suffix(".py"), ()
    raise BenchError(
        f"{folder / 'pyproject.toml'} names the module {module}, which is neither in {folder} nor "
        "in its src"
    )


def _identifier(module: Path) -> str:
    stem = module.parent.name if module.name == "__init__.py" else module.stem
    return "".join(c if c.isalnum() else "_" for c in stem)
