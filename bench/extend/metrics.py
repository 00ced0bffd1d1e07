"""A metric that is one function: `@metric` makes its spec and its class, and registers it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext
from bench.errors import unknown
from bench.plugins.decorated import described, register
from bench.specs import Direction, MetricSpec

if TYPE_CHECKING:
    from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])
GIVEN = ("ab", "truth", "samples", "context")
"""What a function may take by position."""
REGIONS = ("all", "grid")


def metric(
    *,
    unit: str,
    direction: Direction,
    accepts: Collection[str] = KINDS,
    regions: Sequence[str] = ("all",),
    **spec: Any,
) -> Callable[[F], F]:
    """Make a metric of a function of a module, and register it.

    The function is named as the metric, with underscores. It takes, in any order, some of `ab`
    (the samples' fields, `(B, k, 2, h, w)`, CIELAB units), `truth` `(B, 2, h, w)`, `samples` (the
    whole `SampleSet`) and `context` (a `ScoreContext`); what stands behind a `*` are parameters,
    which `parameters` declares.

    It returns values, or a dictionary of variants with values: `(B,)` is one a photograph; of
    `(B, k)`, one a sample, the mean over the samples is taken, by their weights; of `(B, h, w)` and
    `(B, k, h, w)`, one a pixel, the mean over the pixels of each region is taken, too.

    A photograph whose samples have a number that is not finite has no value (NaN), whatever the
    function returns. The function itself stays as it is, so that tests and other metrics can call
    it; its attribute `metric` is the class that the harness uses.

    Parameters
    ----------
    unit, direction
        As in `MetricSpec`.
    accepts
        Kinds of sample sets that it is defined for.
    regions
        `all` pixels, the 8x8 `grid`, or both. For values of pixels.
    spec
        Any other field of `MetricSpec`. Where they are left out, `name` is the function's name with
        hyphens, `summary` the first line of its docstring, `formula` the rest of it, `variants` one
        that is called `value`, `headline` the first variant, and `citation` "own work".

    Raises
    ------
    BenchError, ValueError
        In one line, where the module is imported: an unknown option, kind, region or argument, or
        parameters that are not declared.

    Examples
    --------
    >>> @metric(unit="share", direction="up", accepts={"iid", "modes"})
    ... def grey_share(ab, truth):
    ...     "Share of pixels that are nearly grey."
    ...     return (ab.square().sum(2) < 25).float()  # (B, k, h, w)
    >>> grey_share.spec.name, grey_share.spec.summary
    ('grey-share', 'Share of pixels that are nearly grey')
    """
    options = {field.name for field in fields(MetricSpec)} - {"factory"}
    for what, given, known in (
        ("option of @metric", spec, options),
        ("kind of samples", accepts, KINDS),
        ("region", regions, REGIONS),
    ):
        for name in given:
            if name not in known:
                raise unknown(what, name, known)

    def decorate(function: F) -> F:
        said = described(function, spec, rest="formula")
        said.setdefault("variants", {"value": said["summary"]})
        said.setdefault("headline", next(iter(said["variants"])).partition(",")[0])
        said.setdefault("citation", "own work")
        made = MetricSpec(
            factory=f"{function.__module__}:{function.__qualname__}.metric",
            unit=unit,
            direction=direction,
            accepts=frozenset(accepts),
            **said,
        )
        _check_arguments(function, made)
        names = {
            "__module__": function.__module__,
            "__qualname__": f"{function.__qualname__}.metric",
            "__doc__": function.__doc__,
            "function": staticmethod(function),
            "spec": made,
            "regions": tuple(regions),
        }
        vars(function)["metric"] = type("metric", (FunctionMetric,), names)
        return register(function, made)

    return decorate


class FunctionMetric(Metric):
    """A metric whose values a function gives; `@metric` makes a subclass for each."""

    function: ClassVar[Callable[..., Any]]
    spec: ClassVar[MetricSpec]
    regions: ClassVar[tuple[str, ...]]

    def __init__(self, **parameters: Any) -> None:
        self.parameters = self.spec.resolve(parameters)

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        given = {"ab": samples.ab, "truth": truth, "samples": samples, "context": context}
        wanted = inspect.signature(self.function).parameters
        found = self.function(**{n: given[n] for n in wanted if n in given}, **self.parameters)
        if not isinstance(found, Mapping):
            found = {next(iter(self.spec.variants)): found}
        return [
            Score(variant, region, self._values(samples, values, region))
            for variant, values in found.items()
            for region in self.regions
        ]

    def _values(self, samples: SampleSet, values: Any, region: str) -> Any:
        import torch

        (count, k, *_), values = samples.ab.shape, torch.as_tensor(values)
        if values.ndim > 2 or region != "all":
            if values.ndim not in (3, 4):
                raise ValueError(self._misshapen(values, samples, "(B, h, w) or (B, k, h, w)"))
            values = on(region, values.double()).mean((-1, -2))
        if tuple(values.shape) not in ((count,), (count, k)):
            raise ValueError(self._misshapen(values, samples, "(B,) or (B, k), or such of pixels"))
        if values.ndim == 2:
            values = mean_over(samples, values.double())
        known = samples.ab.flatten(1).isfinite().all(1)
        return torch.where(known, values.double(), torch.nan).numpy()

    def _misshapen(self, values: Tensor, samples: SampleSet, wanted: str) -> str:
        count, k = samples.ab.shape[:2]
        return (
            f"{self.spec.name} gave values {tuple(values.shape)} of {count} photographs with {k} "
            f"samples each: return {wanted}"
        )


def shares(samples: SampleSet) -> Tensor:
    """The probability of each sample `(B, k)`, float64, summing to 1: its weight, or 1/k where
    there are none."""
    import torch

    if samples.weights is None:
        count, k = samples.ab.shape[:2]
        return torch.full((count, k), 1 / k, dtype=torch.float64)
    weights = samples.weights.double()
    return weights / weights.sum(1, keepdim=True)


def mean_over(samples: SampleSet, values: Tensor) -> Tensor:
    """The mean `(B, ...)` of values `(B, k, ...)` over the samples, each counted by its share."""
    import torch

    return torch.einsum("bk,bk...->b...", shares(samples), values)


def on(region: str, values: Tensor) -> Tensor:
    """Values `(..., 64, 64)` on `all` pixels, or on the `grid` of 8x8 points at rows and columns 4,
    12, ..., 60."""
    if region == "all":
        return values
    step = values.shape[-1] // 8
    return values[..., step // 2 :: step, step // 2 :: step]


def _check_arguments(function: Callable[..., Any], spec: MetricSpec) -> None:
    """ValueError where the harness could not call it."""
    arguments = inspect.signature(function).parameters.values()
    own = {a.name for a in arguments if a.kind is a.KEYWORD_ONLY}
    for argument in arguments:
        by_name = argument.kind is argument.POSITIONAL_OR_KEYWORD and argument.name in GIVEN
        if argument.name not in own and not by_name:
            raise ValueError(
                f"{function.__name__} takes {argument}: take some of {', '.join(GIVEN)}, and "
                "parameters behind a *"
            )
    declared = {parameter.name for parameter in spec.parameters}
    if odd := sorted(own ^ declared):
        raise ValueError(
            f"{function.__name__}: {', '.join(odd)} must be both behind the * of the function and "
            "in parameters=(Parameter(...),)"
        )
