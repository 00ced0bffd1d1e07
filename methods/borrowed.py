"""Methods that fit nothing of their own: they make another law of what one part has learned."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from bench.contracts import FitContext, Method, PreparedSet
from bench.errors import BenchError


class Borrowed(Method):
    """A method of one part, which is the attribute `name`. kind: what the part must be, because
    another one `lacks` what is drawn from."""

    name: ClassVar[str]
    kind: ClassVar[type[Method]]
    lacks: ClassVar[str]

    def fit(self, train: PreparedSet, context: FitContext) -> None:
        self._attach(context)

    def save(self, folder: Path) -> None:
        pass

    def load(self, folder: Path, context: FitContext) -> None:
        self._attach(context)

    def _attach(self, context: FitContext) -> None:
        part = context.parts[self.name]
        if not isinstance(part, self.kind):
            raise BenchError(
                f"parameter {self.name}: {type(part).__name__} has no {self.lacks}; take {self.name}"
            )
        setattr(self, self.name, part)
