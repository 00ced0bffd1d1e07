"""Rules for what methods answer: shapes and units, seeds, batches, and the kinds of sample sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bench import seeds
from bench.contracts import ColorDistribution, SampleSet
from bench.engine.sampling import WIDEST
from bench.testing import exchange
from bench.testing.answers import PRESENTED, apart, one_by_one, taken
from bench.testing.fitting import ROWS, SEEDS
from bench.testing.method_subject import MethodSubject, needs_draws
from bench.testing.results import Broken, NotApplicable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Ask = Callable[[ColorDistribution], SampleSet]

REPEATS, TOGETHER, CHUNK = 64, 4, 16
"""For the test of independence: repetitions of one photograph, draws of each, and how many are
asked for at a time."""
LEAST = 0.0005
"""Largest p-value of the test of independence that is a finding: no shuffle of 2,000 looks as
dependent."""


def answers(subject: MethodSubject) -> str | None:
    """Asked for what its spec promises, the fitted method answers without an error."""
    _ = subject.first
    return None


def shapes(subject: MethodSubject) -> str | None:
    """Fields are `(B, k, 2, 64, 64)` float32, as many draws as are asked for and at least one, at
    most k, presented; `mean()` is `(B, 2, 64, 64)`."""
    sets = (
        [("reconstruct", _reconstruction(subject), 1)]
        if subject.manner.role == "codec"
        else _sets(subject)
    )
    for what, found, most in sets:
        count, k, *rest = found.ab.shape
        exact = what.startswith("sample") or what == "reconstruct"
        if (
            count != len(ROWS)
            or rest != [2, 64, 64]
            or not (k == most if exact else 1 <= k <= most)
        ):
            wanted = f"{most}" if exact else f"1 to {most}"
            raise Broken(
                f"{what} of {len(ROWS)} photographs is {tuple(found.ab.shape)}",
                f"return ({len(ROWS)}, {wanted}, 2, 64, 64): photographs, fields, a and b, rows, "
                "columns",
            )
        _is_float32(what, found.ab)
    if "mean()" in subject.first:
        mean = subject.first["mean()"]
        if tuple(mean.shape) != (len(ROWS), 2, 64, 64):
            raise Broken(f"mean() is {tuple(mean.shape)}", f"return ({len(ROWS)}, 2, 64, 64)")
        _is_float32("mean()", mean)
    return None


def finite_and_in_range(subject: MethodSubject) -> str | None:
    """Fields are finite and within CIELAB's range, a and b within -128 and 128: unscaled units, no
    L among them."""
    import torch

    for what, found in subject.first.items():
        if found.ndim < 4:
            continue
        if not bool(torch.isfinite(found).all()):
            raise Broken(
                f"{what} has NaN or infinity",
                "find the division by zero, the logarithm or the overflow",
            )
        if float(found.abs().max()) > WIDEST:
            raise Broken(
                f"{what} reaches {float(found.abs().max()):.4g}",
                "return CIELAB units: clamp, and undo your scaling once",
            )
    return None


def weights_sum_to_one(subject: MethodSubject) -> str | None:
    """Where a sample set has weights, they are 0 or more and sum to 1 for each photograph."""
    weights = subject.first.get("weights")
    if weights is None:
        raise NotApplicable("its sample sets have no weights: all fields count alike")
    sums = weights.double().sum(1)
    if bool((weights < 0).any()) or float((sums - 1).abs().max()) > 1e-4:
        raise Broken(
            f"the least weight is {float(weights.min()):.3g}, sums are {float(sums.min()):.5g} to "
            f"{float(sums.max()):.5g}",
            "divide by their sum",
        )
    return None


def inputs_untouched(subject: MethodSubject) -> str | None:
    """The lightness, the truth and the seeds that a method is handed are not changed by it."""
    from bench.testing.answers import answers as ask

    shown, numbers = subject.session.ground.shown(ROWS), list(SEEDS)
    grey, truth = shown.grey.clone(), shown.truth.clone()
    ask(subject.fitted.method, subject.manner, shown, numbers)
    for name, before, after in (
        ("the lightness", grey, shown.grey),
        ("the truth", truth, shown.truth),
    ):
        if not bool((before == after).all()):
            raise Broken(
                f"{name} is changed by up to {float((before - after).abs().max()):.3g}",
                "work on a copy: x = x - 50 makes one, x -= 50 does not",
            )
    if numbers != list(SEEDS):
        raise Broken("the list of seeds is changed", "copy it: list(seeds)")
    return None


def same_seed_same_samples(subject: MethodSubject) -> str | None:
    """Asked again with the same seeds, a method answers the same."""
    _same(
        subject.answers(),
        subject.first,
        "asked twice with the same seeds",
        "take every random number of a prediction from the photographs' seeds: bench.seeds.normal, "
        "uniform",
    )
    return None


def other_seed_other_samples(subject: MethodSubject) -> str | None:
    """With other seeds, draws are other ones, unless the law has no spread."""
    needs_draws(subject)
    draws = subject.distribution(ROWS, SEEDS).sample(4).ab
    others = subject.distribution(ROWS, [seed + 1000 for seed in SEEDS]).sample(4).ab
    if not _spread(draws):
        raise NotApplicable("its draws have no spread")
    if bool((draws == others).flatten(1).all(1).any()):
        raise Broken(
            "a photograph has the same draws with another seed",
            "seed the draws with the photograph's own seed",
        )
    return None


def order_changes_nothing(subject: MethodSubject) -> str | None:
    """Photographs in another order, with their seeds, get the same colours."""
    order = [3, 0, 4, 2, 1]
    other = subject.answers([ROWS[i] for i in order], [SEEDS[i] for i in order])
    _same(
        other,
        taken(subject.first, order),
        "in another order",
        "let nothing depend on a photograph's place in the batch",
    )
    return None


def batch_size_changes_nothing(subject: MethodSubject) -> str | None:
    """A photograph gets the same colours alone and among others, up to float32 rounding."""
    alone = [subject.answers([row], [seed]) for row, seed in zip(ROWS, SEEDS)]
    _same(
        one_by_one(alone),
        subject.first,
        "one by one",
        "compute no statistics over the batch: eval(), no mean over axis 0",
    )
    return None


def first_five_of_ten(subject: MethodSubject) -> str | None:
    """The first five of ten draws are the five draws."""
    needs_draws(subject)
    ten, five = ({"draws": subject.distribution(ROWS, SEEDS).sample(n).ab[:, :5]} for n in (10, 5))
    _same(
        ten,
        five,
        "of ten, the first five",
        "draw one after the other from a photograph's generator, as bench.seeds.normal does",
    )
    return None


def draws_depend_on_their_own_seed(subject: MethodSubject) -> str | None:
    """A draw by `reseeded(seeds).sample(1)` depends on its own seeds only: not on which were made
    before, nor on what they were."""
    needs_draws(subject)
    there, back = subject.distribution(ROWS, SEEDS), subject.distribution(ROWS, SEEDS)
    first = [_draw(there, j) for j in range(4)]
    again = [_draw(back, j) for j in (3, 1)]
    for j, found in zip((3, 1), again):
        _same(
            {"draw": found},
            {"draw": first[j]},
            "drawn in another order",
            "keep nothing between draws; let `reseeded` change the seeds and all that was made "
            "from them",
        )
    return None


def draws_are_independent(subject: MethodSubject) -> str | None:
    """Draws, and what is presented as iid, are independent and of one law: a permutation test over
    64 repetitions of 4 draws finds neither clusters, nor draws that avoid each other, nor a law
    that changes from draw to draw."""
    needs_draws(subject)
    asked: dict[str, Ask] = {"sample(4)": lambda d: d.sample(TOGETHER)}
    if subject.spec.present_kind == "iid":
        asked["present(4)"] = lambda d: d.present(TOGETHER)
    drawn = _repeated(subject, asked)
    if drawn is None:
        raise NotApplicable("its draws have no spread")
    found = {
        what: exchange.surprise(exchange.with_distances(numbers)) for what, numbers in drawn.items()
    }
    for what, p in found.items():
        if p <= LEAST:
            raise Broken(
                f"{what}: p = {p:.4f} that its draws are independent and alike",
                "draw each from the whole law, by its own random numbers; else call them modes or "
                "centroids",
            )
    return ", ".join(f"{what}: p = {p:.2f}" for what, p in found.items())


def kind_is_true(subject: MethodSubject) -> str | None:
    """A sample set is what its kind says. As declared in the spec; `point`: one field, or all the
    same; `modes`: the same with any seed; `centroids`: of more draws than there are centroids;
    draws are called `iid`, reconstructions `reconstruction`."""
    if subject.manner.role == "codec":
        _is_called(_reconstruction(subject), "reconstruction", "reconstruct")
        return None
    wanted = subject.spec.kind(subject.parameters())
    distribution = subject.distribution(ROWS, SEEDS)
    found = distribution.present(PRESENTED)
    _is_called(found, wanted, "present")
    if subject.manner.draws:
        _is_called(distribution.sample(2), "iid", "sample")
    other = subject.distribution(ROWS, [seed + 1000 for seed in SEEDS]).present(PRESENTED)
    k = found.ab.shape[1]
    if wanted == "point" and k > 1 and _spread(found.ab):
        raise Broken(
            f"{k} points of a photograph differ",
            "present one field; several are modes, centroids or draws",
        )
    if wanted == "modes" and apart({"modes": found.ab}, {"modes": other.ab}):
        raise Broken(
            "with another seed the modes are others",
            "modes belong to the law: call what a seed decides iid or centroids",
        )
    if wanted == "centroids" and found.n_drawn <= k:
        raise Broken(
            f"{k} centroids of n_drawn={found.n_drawn} draws",
            "say in n_drawn how many draws were clustered, more than k",
        )
    return None


def _same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], how: str, mend: str) -> None:
    if difference := apart(found, wanted):
        raise Broken(f"{how}, {difference}", mend)


def _draw(distribution: ColorDistribution, j: int) -> Tensor:
    numbers = [seeds.derive(seed, "draw", j) for seed in SEEDS]
    return distribution.reseeded(numbers).sample(1).ab[:, 0].clone()


def _repeated(subject: MethodSubject, asked: Mapping[str, Ask]) -> dict[str, np.ndarray] | None:
    """Numbers of the draws of one photograph, repeated `(R, n, S)`, for each way to ask; None where
    draws have no spread."""
    import numpy as np

    parts: dict[str, list[np.ndarray]] = {what: [] for what in asked}
    spread = False
    for start in range(0, REPEATS, CHUNK):
        numbers = [seeds.derive(start + i, "repetition") for i in range(CHUNK)]
        distribution = subject.distribution([0] * CHUNK, numbers)
        for what, ask in asked.items():
            ab = ask(distribution).ab
            spread = spread or _spread(ab)
            parts[what].append(exchange.projected(ab.detach().cpu().numpy()))
    return {what: np.concatenate(some) for what, some in parts.items()} if spread else None


def _spread(ab: Tensor) -> bool:
    """Whether fields `(B, k, 2, h, w)` of a photograph differ by more than rounding."""
    return float((ab - ab[:, :1]).abs().max()) > 1e-3


def _sets(subject: MethodSubject) -> Sequence[tuple[str, SampleSet, int]]:
    asked = subject.distribution(ROWS, SEEDS)
    found = [(f"present({k})", asked.present(k), k) for k in (1, 2, PRESENTED)]
    if subject.manner.draws:
        found += [(f"sample({n})", asked.sample(n), n) for n in (1, 2, 3)]
    return found


def _reconstruction(subject: MethodSubject) -> SampleSet:
    return subject.fitted.method.reconstruct(subject.session.ground.shown(ROWS).truth, SEEDS)


def _is_called(found: SampleSet, kind: str, what: str) -> None:
    if found.kind != kind:
        raise Broken(
            f"{what} gives kind {found.kind}, {kind} is declared or asked for",
            f"return kind='{kind}', or declare what it is",
        )


def _is_float32(what: str, found: Tensor) -> None:
    import torch

    if found.dtype != torch.float32:
        raise Broken(f"{what} is {found.dtype}", "return float32: x.float()")
