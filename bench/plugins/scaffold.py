"""`bench new`: a complete plugin package from the templates, which runs, tests itself and is to be
changed."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from bench.errors import BenchError
from bench.plugins.loader import Registry
from bench.store import drafts
from bench.store.files import write_text

LICENCES = ("Apache-2.0", "MIT", "BSD-3-Clause")
"""Those whose text comes along. A package may have any other: its README says what to change."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 30
"""Characters of a name."""


@dataclass(frozen=True)
class Kind:
    """What packages of a kind of plugin have in common. file: of the class, where the registering
    module has not all of it. use: a command that uses the plugin `$name`. dev: what its tests
    need."""

    summary: str
    file: str
    dependencies: tuple[str, ...]
    use: str
    dev: tuple[str, ...] = ("mypy>=1.10", "pytest>=8", "ruff>=0.5")


KINDS = {
    "method": Kind(
        "one colour for the whole photograph, drawn around the training photographs' mean colour",
        "model.py",
        ("safetensors>=0.4", "torch>=2.4"),
        "bench run --methods $name,marginal,grey",
    ),
    "dataset": Kind(
        "drawn gradients between two random colours",
        "data.py",
        ("numpy>=1.26",),
        "bench run --dataset $name --methods marginal,grey",
    ),
    "metric": Kind(
        "root mean square over pixels of the error of a field",
        "",
        ("torch>=2.4",),
        "bench run --metrics $name,absolute-error --methods marginal,grey",
    ),
    "report": Kind(
        "the mean absolute error of each method",
        "",
        ("matplotlib>=3.8", "pandas>=2.2"),
        "bench run --methods marginal,grey",
        ("mypy>=1.10", "pandas-stubs>=2.2", "pytest>=8", "ruff>=0.5"),
    ),
    "protocol": Kind(
        "centre square, antialiased; ten colourizations and twenty draws of each photograph",
        "",
        (),
        "bench run --protocol $name --methods marginal,grey",
    ),
    "executor": Kind(
        "one task after the other, in a thread of its own",
        "",
        (),
        "bench run --executor $name --methods marginal,grey",
    ),
}

NETWORK = Kind(
    "a small network's mean colours, moved by one random tint for the whole photograph",
    "model.py",
    ("numpy>=1.26", "torch>=2.4"),
    "bench run --methods $name,marginal,grey --limit-train 60 --limit-test 6",
)
"""What `bench new method NAME --network` writes."""


@dataclass(frozen=True)
class Package:
    """A package to be written: the kind and the name of its plugin, its licence, one of `LICENCES`,
    and whether it is a method that trains a network."""

    kind: str
    name: str
    licence: str = LICENCES[0]
    network: bool = False

    @property
    def distribution(self) -> str:
        """`huebench-my-method`."""
        return f"huebench-{self.name}"

    @property
    def words(self) -> dict[str, str]:
        """What templates are filled with.

        >>> words = Package("metric", "hue-loss").words
        >>> words["module"], words["class_name"]
        ('huebench_hue_loss', 'HueLossMetric')
        """
        kind, snake = NETWORK if self.network else KINDS[self.kind], self.name.replace("-", "_")
        dependencies = (f"huebench>={version('huebench')}", *kind.dependencies)
        return {
            "kind": self.kind,
            "command": f"bench new {self.kind} {self.name}{' --network' * self.network}",
            "name": self.name,
            "snake": snake,
            "distribution": self.distribution,
            "module": f"huebench_{snake}",
            "class_name": "".join(part.capitalize() for part in (*self.name.split("-"), self.kind)),
            "licence": self.licence,
            "summary": kind.summary,
            "files": self._files(kind),
            "dependencies": ", ".join(f'"{name}"' for name in dependencies),
            "dev": ", ".join(f'"{name}"' for name in kind.dev),
            "use": Template(kind.use).substitute(name=self.name),
        }

    def _files(self, kind: Kind) -> str:
        """The rows of the README's table that say where the plugin is."""
        folder = f"src/huebench_{self.name.replace('-', '_')}"
        light = "name, parameters, licence, citation. Imports nothing heavy"
        if not kind.file:
            return f"| `{folder}/__init__.py` | the {self.kind}, all of it: {light} |"
        registers = f"| `{folder}/__init__.py` | registers `{self.name}`: {light} |"
        return f"{registers}\n| `{folder}/{kind.file}` | the class |"


def create(package: Package, registry: Registry, folder: Path | None = None) -> Path:
    """Write a package into `folder` (default: named after it, here) and return the folder.

    All of it is there, or nothing. BenchError: a name that can't be one or is taken, a folder that
    isn't empty.
    """
    if package.network and package.kind != "method":
        raise BenchError(f"--network: a {package.kind} trains no network, only a method does")
    check_name(package, registry)
    target = (folder or Path(package.distribution)).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BenchError(f"{target} exists and is not an empty folder: choose another --out")
    if target == Path.cwd():
        raise BenchError(
            f"{target} is the working folder: give --out a folder in it, or leave it out"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(package, target)
    except OSError as error:
        raise BenchError(
            f"{target} can't be written ({error.strerror}): choose another --out"
        ) from error
    return target


def check_name(package: Package, registry: Registry) -> None:
    """BenchError unless the name is lower-case words with hyphens, no word of Python, and not yet
    taken.

    A plugin and its entry point share the name, so no plugin of another kind may have it either.
    """
    name = package.name
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise BenchError(
            f"'{name}' can't be a plugin's name: use lower-case words with hyphens, such as "
            f"'{_proposal(name)}', at most {LONGEST} characters"
        )
    if keyword.iskeyword(name) or keyword.iskeyword(name.capitalize()):
        raise BenchError(
            f"'{name}' is a word of Python and would make a confusing module: choose another name"
        )
    owners = {
        spec: owner for (kind, spec), owner in registry.owners.items() if kind == f"{package.kind}s"
    }
    owners = {plugin.name: plugin for plugin in registry.plugins} | owners
    if name in owners:
        owner = owners[name]
        what = (
            f"{package.kind} '{name}'"
            if (f"{package.kind}s", name) in registry.owners
            else f"a plugin '{name}'"
        )
        raise BenchError(f"{what} is registered already by {owner}: choose another name")


def _proposal(name: str) -> str:
    """A name like the given one that could be one.

    >>> _proposal("My_Method 2"), _proposal("2x"), _proposal("?")
    ('my-method-2', 'x', 'my-method')
    """
    found = NAME.search(re.sub(r"[^a-z0-9]+", "-", name.lower()))
    return found[0][:LONGEST].rstrip("-") if found else "my-method"


def _write(package: Package, target: Path) -> None:
    """An empty target is replaced."""
    with drafts.folder(target) as draft:
        for name, text in _rendered(package):
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            write_text(draft / name, text)


def _rendered(package: Package) -> Iterator[tuple[str, str]]:
    """Path in the package and text of every file."""
    words, root = package.words, files("bench.plugins") / "templates"
    for part in ("common", "network" if package.network else package.kind):
        for name, file in _files(root / part):
            yield _place(name, words), Template(file.read_text("utf-8")).substitute(words)
    yield (
        "LICENSE",
        Template((root / "licences" / package.licence).read_text("utf-8")).substitute(words),
    )


def _place(name: str, words: Mapping[str, str]) -> str:
    """`dot-` stands for the dot of a hidden file, `__module__` and `__snake__` for words."""
    plain = name.removesuffix(".tmpl").replace("dot-", ".")
    return plain.replace("__module__", words["module"]).replace("__snake__", words["snake"])


def _files(folder: Traversable, before: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            yield from _files(entry, f"{before}{entry.name}/")
        elif entry.name.endswith(".tmpl"):
            yield f"{before}{entry.name}", entry
