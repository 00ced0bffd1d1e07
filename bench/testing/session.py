"""What all checks share: the registry, a temporary store with the toy photographs, and processes
for jobs."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.plugins.loader import KINDS, Plugin, Registry, registry, switches
from bench.specs import Spec
from bench.store.files import for_tensors
from bench.testing.children import Children

if TYPE_CHECKING:
    from bench.testing.fitting import Ground

WARM = ("torch", "sklearn.cluster", "scipy.spatial", "skimage.color", "bench.testing.fitting")
"""Imported once for all jobs that fit: none of it is a plugin's."""
SLOW = ("lightning.pytorch",)
"""Imported once as well, as soon as this process has it."""


def _folder() -> Path:
    return Path(
        tempfile.mkdtemp(prefix="bench-check-", dir=for_tensors(Path(tempfile.gettempdir())))
    )


@dataclass
class Session:
    """Begin one, check with it as much as you like, and `close` it. limit: seconds that one fit may
    take."""

    limit: float = 120.0
    folder: Path = field(default_factory=_folder)

    @cached_property
    def ground(self) -> Ground:
        """The toy photographs, prepared in a store of their own."""
        from bench.testing.fitting import Ground

        return Ground.prepare(self.folder / "store")

    @cached_property
    def warm(self) -> Children:
        """Processes for jobs that fit."""
        return Children(self.folder, WARM, SLOW)

    @cached_property
    def cold(self) -> Children:
        """Processes that have imported nothing."""
        return Children(self.folder)

    def describe(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """A job's description, with the local plugins of this process."""
        return {"plugins": [str(path) for path in switches().paths], **more}

    def close(self) -> None:
        """End the processes and remove the folder."""
        for name in ("warm", "cold"):
            if name in self.__dict__:
                self.__dict__[name].close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def opened(limit: float) -> Iterator[Session]:
    """A session for the length of a `with` block."""
    made = Session(limit)
    try:
        yield made
    finally:
        made.close()


def kind_of(spec: Spec) -> str:
    """`methods`, `datasets`, ... of a spec."""
    return next(kind for kind, type_ in KINDS.items() if isinstance(spec, type_))


def with_specs(*specs: Spec) -> Registry:
    """This process' registry, and specs that nobody has registered."""
    made = copy.copy(registry())
    made.specs = {kind: dict(known) for kind, known in made.specs.items()}
    made.owners = dict(made.owners)
    for spec in specs:
        kind = kind_of(spec)
        if made.specs[kind].get(spec.name) != spec:
            made.specs[kind][spec.name] = spec
            made.owners[kind, spec.name] = Plugin(spec.name, "", "unregistered", "-")
    return made
