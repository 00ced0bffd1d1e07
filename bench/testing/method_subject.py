"""A method under check: fitted once here on the toy photographs, and as often as wanted elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.execution import Quiet
from bench.contracts.request import Request
from bench.engine import planning
from bench.engine.plan import Fit, Plan
from bench.errors import BenchError
from bench.specs import MethodSpec
from bench.testing.children import Job
from bench.testing.fitting import ROWS, SEEDS, Recipe, isolated
from bench.testing.results import Broken, NotApplicable, describe, one_line
from bench.testing.rules.spec_rules import SpecSubject
from bench.testing.session import with_specs
from bench.testing.state import random_states, settings
from bench.testing.toy import SPEC

from . import answers as asked
from .answers import Manner

if TYPE_CHECKING:
    from torch import Tensor

    from bench.contracts import ColorDistribution, Method

SEED, OTHER = 5, 6
"""Of fits."""


@dataclass(frozen=True)
class Fitted:
    """A fitted method, and which of the process' states and settings the fit changed."""

    method: Method
    states: tuple[dict[str, Any], dict[str, Any]]
    settings: tuple[dict[str, Any], dict[str, Any]]


@dataclass
class MethodSubject(SpecSubject):
    """Everything is asked of the method with its spec's test parameters, and those that were given
    over them."""

    spec: MethodSpec

    def surroundings(self) -> AbstractContextManager[None]:
        """As `isolated`."""
        return isolated()

    @property
    def manner(self) -> Manner:
        """How it is asked."""
        return Manner.of(self.spec)

    @cached_property
    def plan(self) -> Plan:
        """The harness' own plan of a fit on the toy photographs."""
        if "identity" in self.spec.sees:
            raise NotApplicable(
                "it answers for photographs that it knows by name, and the toy ones are not among "
                "them"
            )
        registry = with_specs(self.spec, SPEC)
        request = Request(methods=(self._written(),), datasets=(SPEC.name,))
        made = planning.make(request, registry, self.session.ground.store, Quiet())
        found = (
            planning.unfit(part, made.data[SPEC.name], made.protocol)
            for part in made.cells[0].fit.chain()
        )
        if reason := next(filter(None, found), ""):
            raise Broken(
                f"{reason} ({len(self.session.ground.train)} toy photographs, {self._written()})",
                "declare test_parameters with which a fit on so few photographs is possible",
            )
        return made

    @property
    def fit(self) -> Fit:
        """Its place in the plan."""
        return self.plan.cells[0].fit

    @cached_property
    def recipe(self) -> Recipe:
        """How another process makes it. BenchError where a part can't be fitted; the parts are in
        the store afterwards."""
        from bench.engine.work import Work

        work = Work(self.plan, self.session.ground.store, Quiet())
        for part in self.fit.requires.values():
            work.method(part)
        return _recipe(self.fit)

    @cached_property
    def fitted(self) -> Fitted:
        """Fitted here, with `SEED`."""
        return self.fit_again(SEED)

    def new(self) -> Method:
        """Unfitted."""
        method: Method = self.spec.load()(**self.parameters())
        return method

    def parameters(self) -> dict[str, Any]:
        """All of them: the test parameters, those given, and the defaults. NotApplicable where one
        is lacking."""
        try:
            return self.spec.resolve({**self.spec.test_parameters, **self.given})
        except BenchError as error:
            raise NotApplicable(
                f"{one_line(error)}: give it in brackets behind the name"
            ) from error

    def fit_again(self, seed: int) -> Fitted:
        """Fitted here, once more."""
        ground = self.session.ground
        context = ground.context(self.recipe, seed, SEED)
        method = self.recipe.new()
        before = random_states(), settings()
        method.fit(ground.train, context)
        after = random_states(), settings()
        return Fitted(method, (before[0], after[0]), (before[1], after[1]))

    def distribution(self, rows: Sequence[int], seeds: Sequence[int]) -> ColorDistribution:
        """P(C | G) of some test photographs, made afresh."""
        return asked.distribution(
            self.fitted.method, self.manner, self.session.ground.shown(rows), seeds
        )

    def answers(
        self, rows: Sequence[int] = ROWS, seeds: Sequence[int] = SEEDS, method: Method | None = None
    ) -> dict[str, Tensor]:
        """All that it promises, for some test photographs."""
        return asked.answers(
            method or self.fitted.method, self.manner, self.session.ground.shown(rows), seeds
        )

    @cached_property
    def first(self) -> dict[str, Tensor]:
        """The answers with which others are compared."""
        return self.answers()

    @cached_property
    def saved(self) -> Path:
        """The folder to which the fitted method is saved."""
        folder = Path(tempfile.mkdtemp(prefix="saved-", dir=self.session.folder))
        self.fitted.method.save(folder)
        return folder

    @cached_property
    def elsewhere(self) -> tuple[Path, dict[str, Any]]:
        """A fit with `SEED` in another process: its folder, where the answers are, and the report."""
        folder, report = self.session.warm.run("fit", self.job(), self.session.limit)
        if report is None:
            mend = "declare test_parameters with which a fit takes seconds; `bench check --timeout` gives it longer"
            raise Broken(
                f"in a fresh process it was still fitting after {self.session.limit:g} s", mend
            )
        if "error" in report:
            raise Broken(
                f"in a fresh process: {report['error']}",
                "mend fit; `bench run --debug` shows the traceback",
            )
        return folder, report

    def begin_fit(self) -> Job:
        """A fit in another process, to be killed."""
        return self.session.warm.begin("fit", self.job())

    def job(self, **more: Any) -> dict[str, Any]:
        """What another process is told."""
        ground, manner = self.session.ground, self.manner
        return self.session.describe(
            {
                "store": str(ground.store.folder),
                "prepared": [ground.train.key, ground.test.key],
                "recipe": asdict(self.recipe),
                "seed": SEED,
                "role": manner.role,
                "sees": sorted(manner.sees),
                "capabilities": sorted(manner.capabilities),
                **more,
            }
        )

    def _written(self) -> str:
        from bench.plugins import notation

        return notation.write(
            self.spec.name, {n: v for n, v in self.parameters().items() if v is not None}
        )


def read_answers(folder: Path) -> dict[str, Tensor]:
    """What a job answered."""
    from safetensors.torch import load_file

    found: dict[str, Tensor] = load_file(folder / "answers.safetensors")
    return found


def needs_draws(subject: MethodSubject) -> None:
    """NotApplicable where there are no independent draws."""
    if not subject.manner.draws:
        raise NotApplicable("it offers no independent draws")


def whether(action: Any, *arguments: Any) -> str:
    """The error that calling something raises, in one line, or nothing."""
    try:
        action(*arguments)
    except Exception as error:  # noqa: BLE001 - what a plugin raises is the finding
        return describe(error)
    return ""


def _recipe(fit: Fit) -> Recipe:
    parts: Mapping[str, Recipe] = {name: _recipe(part) for name, part in fit.requires.items()}
    return Recipe(fit.spec.factory, dict(fit.parameters), fit.key, parts)
