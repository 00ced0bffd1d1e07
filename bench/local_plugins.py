"""Plugins in local files: imported by path, under a name of their own; `sys.path` stays as it is.

What may be given: a Python file, a package (a folder with `__init__.py`), or a project (a folder with `pyproject.toml` whose
entry points of the group `huebench` name modules in it or in its `src`).
"""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from bench import keys
from bench.errors import BenchError
from bench.hookspecs import GROUP

_NOT_CODE = {"tests", "build", "dist", "node_modules", "__pycache__"}


@dataclass(frozen=True)
class LocalPlugin:
    """One module to load, or an attribute of it. distribution and version: the project's, if it is one. root: what was given."""

    name: str
    module: Path
    distribution: str
    version: str
    root: Path
    attribute: str = ""

    def load(self) -> object:
        """Import it; again only where its code has changed. Raises whatever it raises."""
        module = self._module()
        return getattr(module, self.attribute) if self.attribute else module

    def _module(self) -> ModuleType:
        name = f"_bench_local_{_identifier(self.module)}_{keys.digest_of([str(self.module), content(self.root)])[:12]}"
        if name in sys.modules:
            return sys.modules[name]
        package = self.module.name == "__init__.py"
        places = [str(self.module.parent)] if package else None
        spec = importlib.util.spec_from_file_location(name, self.module, submodule_search_locations=places)
        if spec is None or spec.loader is None:
            raise BenchError(f"{self.module} is no Python file")
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
            raise BenchError(f"plugin {path} is no Python file (.py): give one, or the folder of a plugin")
        return [LocalPlugin(path.stem, path, "local file", "-", path)]
    if (path / "pyproject.toml").is_file():
        return list(_project(path))
    if (path / "__init__.py").is_file():
        return [LocalPlugin(path.name, path / "__init__.py", "local folder", "-", path)]
    raise BenchError(f"plugin {path} has neither __init__.py nor pyproject.toml: give a Python file, a package or a project")


def content(root: Path) -> str:
    """Twelve digits that stand for the Python code of a file or folder, tests left out."""
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*.py") if _is_code(p.relative_to(root)))
    base = root.parent if root.is_file() else root
    return keys.digest_of(part for file in files for part in (str(file.relative_to(base)), keys.sha256(file.read_bytes())))[:12]


def _is_code(path: Path) -> bool:
    return not any(part.startswith(".") or part in _NOT_CODE or part.endswith(".egg-info") for part in path.parts)


def _project(folder: Path) -> Iterator[LocalPlugin]:
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError) as error:
        raise BenchError(f"{file} can't be read: {error}") from error
    entries = project.get("entry-points", {}).get(GROUP, {})
    if not entries:
        raise BenchError(f"{file} has no entry points of the group {GROUP}: add [project.entry-points.{GROUP}]")
    for name, value in sorted(entries.items()):
        module, _, attribute = value.partition(":")
        place = _locate(folder, module.strip())
        yield LocalPlugin(name, place, project.get("name", folder.name), project.get("version", "?"), folder, attribute.strip())


def _locate(folder: Path, module: str) -> Path:
    parts = module.split(".")
    for root in (folder / "src", folder):
        for place in (root.joinpath(*parts) / "__init__.py", root.joinpath(*parts).with_suffix(".py")):
            if place.is_file():
                return place
    raise BenchError(f"{folder / 'pyproject.toml'} names the module {module}, which is neither in {folder} nor in its src")


def _identifier(module: Path) -> str:
    stem = module.parent.name if module.name == "__init__.py" else module.stem
    return "".join(c if c.isalnum() else "_" for c in stem)
