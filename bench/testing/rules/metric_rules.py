"""Rules for metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import numpy as np

from bench.contracts import KINDS, SampleSet
from bench.errors import BenchError
from bench.specs import Direction, Need
from bench.testing.metric_subject import LADDER, ROWS, Column, MetricSubject, Shown, unlike
from bench.testing.results import Broken, NotApplicable, describe, one_line
from bench.testing.state import changed, random_states, settings

Columns = dict[Column, np.ndarray]


def can_be_made(subject: MetricSubject) -> str | None:
    """The metric can be made from its parameters; one that needs a file is optional, and says so in
    a BenchError."""
    try:
        subject.new()
    except BenchError as error:
        if subject.spec.optional:
            raise NotApplicable(
                f"{one_line(error)}: give it in brackets behind the name"
            ) from error
        raise Broken(
            one_line(error),
            "make it work without files, or set optional=True: only where it is named",
        ) from error
    return None


def accepts_what_it_declares(subject: MetricSubject) -> str | None:
    """Every kind of sample set that the spec accepts has scores, with as few samples as `least`;
    kinds, needs and direction are words that the harness knows: it refuses the kinds that are left
    out."""
    spec = subject.spec
    known = {"accepts": KINDS, "needs": get_args(Need), "direction": get_args(Direction)}
    for field, words in known.items():
        value = getattr(spec, field)
        if strange := sorted(
            {value} - set(words) if field == "direction" else set(value) - set(words)
        ):
            raise Broken(f"{field} has {', '.join(strange)}", f"take words from {', '.join(words)}")
    if not spec.accepts:
        raise Broken("it accepts no kind", f"name at least one of {', '.join(KINDS)}")
    for kind in subject.kinds:
        for count in sorted({spec.least, subject.shown(kind).samples.ab.shape[1]}):
            try:
                found = subject.columns(subject.shown(kind, count=count))
            except Exception as error:
                raise Broken(
                    f"{count} sample(s) of kind {kind}: {describe(error)}",
                    f"score them, take {kind} from `accepts`, or raise `least`",
                ) from error
            if not found:
                raise Broken(
                    f"{count} sample(s) of kind {kind} have no score",
                    "return a column, or a value of the set by finish",
                )
    return None


def columns_as_declared(subject: MetricSubject) -> str | None:
    """The columns are those that `variants` declares, `headline` and `main` among them; each has a
    float for every photograph, and region `all` or `grid`."""
    given = subject.columns(subject.first)
    for (variant, region, _), values in given.items():
        if region not in ("all", "grid", "set"):
            raise Broken(f"{variant} has region {region!r}", "regions are 'all' and 'grid'")
        if region != "set" and values.shape != (len(ROWS),):
            raise Broken(
                f"{variant} has shape {values.shape} for {len(ROWS)} photographs",
                "return one value a photograph, (B,)",
            )
    names, patterns = {variant for variant, *_ in given}, _patterns(subject)
    if strange := sorted(n for n in names if not any(re.fullmatch(p, n) for p in patterns)):
        raise Broken(
            f"{', '.join(strange)} is not declared", "describe it in the spec's `variants`"
        )
    unseen = sorted(
        text for p, text in patterns.items() if not any(re.fullmatch(p, n) for n in names)
    )
    if unseen := [text for text in unseen if not _of_another_choice(subject, text)]:
        raise Broken(
            f"{', '.join(unseen)} is declared and not given",
            "take it from `variants`, or return it",
        )
    for field in ("headline", "main"):
        if (value := getattr(subject.spec, field)) and value not in names:
            raise Broken(f"{field}={value} is no column", f"name one of {', '.join(sorted(names))}")
    return None


def same_columns_in_every_batch(subject: MetricSubject) -> str | None:
    """Whatever the photographs of a batch and their number, the columns are the same."""
    wanted = {score.variant for score in subject.score(subject.first)}
    for rows in ((4,), (5, 6, 7)):
        if (
            found := {
                score.variant for score in subject.score(subject.shown(subject.kinds[0], rows=rows))
            }
        ) != wanted:
            names = ", ".join(sorted(found ^ wanted))
            raise Broken(
                f"{names} is in one batch and not in another",
                "return every column always; NaN where it has no value",
            )
    return None


def finite(subject: MetricSubject) -> str | None:
    """Ordinary photographs have finite values, for every kind that is accepted, with as few samples
    as `least`."""
    for kind in subject.kinds:
        for count in sorted({subject.spec.least, subject.shown(kind).samples.ab.shape[1]}):
            for (variant, *_), values in subject.columns(subject.shown(kind, count=count)).items():
                if len(odd := np.ravel(values)[~np.isfinite(np.ravel(values))]):
                    mend = "find the division by zero or the logarithm of 0; raise `least` where so few samples have no value"
                    raise Broken(f"{variant} of {count} sample(s) of kind {kind} is {odd[0]}", mend)
    return None


def direction_is_right(subject: MetricSubject) -> str | None:
    """On the ladder of the truth (where the law is needed: draws of it), the truth with noise, and
    grey, the main column never gets better in the declared direction, and grey is worse than the
    truth: for draws, weighted sets and single fields."""
    spec = subject.spec
    if spec.direction not in ("up", "down"):
        reason = {
            "target": "it is best at a target, which no ladder leads to",
            "none": "neither high nor low is better",
        }
        raise NotApplicable(reason[spec.direction])
    sign = 1 if spec.direction == "down" else -1
    for kind in subject.unlike_kinds:
        values = [subject.value(subject.shown(kind, step, range(6))) for step in LADDER]
        worse = [sign * value for value in values]
        if not (worse[0] <= worse[1] <= worse[2] and worse[0] < worse[2]):
            steps = ", ".join(
                f"{value:.4g} for "
                f"{'draws of the law' if step == 'truth' and 'law' in spec.needs else step}"
                for step, value in zip(LADDER, values)
            )
            raise Broken(
                f"{subject.column} of kind {kind} is {steps}, and direction is {spec.direction}",
                "turn the direction round, or the sign; a value without a better end has direction "
                "none",
            )
    return None


def order_of_samples_changes_nothing(subject: MetricSubject) -> str | None:
    """The samples of a photograph are a set: in another order, with their weights, they have the
    same scores."""
    several = [
        (kind, shown)
        for kind in subject.unlike_kinds
        if (shown := subject.shown(kind)).samples.ab.shape[1] > 1
    ]
    if not several:
        raise NotApplicable("no kind that it accepts has two samples")
    for kind, shown in several:
        order = list(range(shown.samples.ab.shape[1]))[::-1]
        order = [*order[1:], order[0]]
        weights = None if shown.samples.weights is None else shown.samples.weights[:, order]
        other = replace(
            shown, samples=replace(shown.samples, ab=shown.samples.ab[:, order], weights=weights)
        )
        _same(
            subject,
            shown,
            replace(other, context=subject.held.context(ROWS)),
            f"{kind} in another order",
            "let no sample count by its place",
        )
    return None


def batch_size_changes_nothing(subject: MetricSubject) -> str | None:
    """A photograph's scores are the same alone and among others, and values of the set don't depend
    on the batches."""
    for kind in subject.unlike_kinds:
        shown = subject.shown(kind)
        alone = [shown.only([i], subject.held, ROWS) for i in range(len(ROWS))]
        if difference := unlike(subject.columns(shown), subject.gathered(alone)):
            raise Broken(
                f"{kind}, one by one: {difference}",
                "compute nothing over the batch; leave the set to combine or finish",
            )
    return None


def missing_values(subject: MetricSubject) -> str | None:
    """A photograph without any contrast or colour has values or NaN, never an error or infinity.
    One whose samples have a NaN has NaN in every column that looks at them, or a BenchError refuses
    it; the other photographs' values stay."""
    for kind in subject.unlike_kinds:
        shown = subject.shown(kind)
        usual = subject.columns(shown)
        _colourless(subject, shown, usual)
        _with_nan(subject, shown, usual)
    return None


def inputs_untouched(subject: MetricSubject) -> str | None:
    """Samples, weights, truth and lightness are not changed."""
    shown = subject.first
    before = _inputs(shown)
    subject.score(shown)
    for (name, old), (_, new) in zip(before.items(), _inputs(shown).items()):
        if not np.array_equal(old, new):
            raise Broken(f"{name} is changed", "work on a copy: other metrics read the same arrays")
    return None


def states_untouched(subject: MetricSubject) -> str | None:
    """Global random states, number of threads and the other settings of the process are left as
    they were."""
    shown, metric = subject.first, subject.new()
    before, found = random_states(), settings()
    metric.score(shown.samples, shown.truth, shown.context)
    if names := changed(before, random_states()) + changed(found, settings()):
        raise Broken(
            f"it changes {', '.join(names)}",
            "take random numbers from context.seeds, and set settings back",
        )
    return None


def same_again(subject: MetricSubject) -> str | None:
    """Scored again, by a new object with the same seeds, the same samples have the same scores."""
    shown = subject.first
    again = replace(shown, context=subject.held.context(ROWS))
    if difference := unlike(subject.columns(shown), subject.columns(again)):
        raise Broken(
            difference, "take random numbers from context.seeds; keep nothing between objects"
        )
    return None


def shared_work_untouched(subject: MetricSubject) -> str | None:
    """What `context.once` keeps for other metrics is read and not changed: scores with the same
    context are the same again."""
    shown = subject.first
    if difference := unlike(subject.columns(shown), subject.columns(shown)):
        raise Broken(
            difference,
            "don't work in place on what context.once returned; give what you keep a name of its "
            "own",
        )
    return None


def agrees_with_reference(subject: MetricSubject) -> str | None:
    """An independent implementation gives the same values, up to a relative 1e-4:
    `check_metric(name, reference=function)`, where `function(samples, truth, context)` returns
    values by variant, of region `all` or of the set."""
    if subject.reference is None:
        said = (
            f" (its spec names {subject.spec.checked}: run that comparison in its tests)"
            if subject.spec.checked
            else ""
        )
        raise NotApplicable(f"no reference was given: check_metric(..., reference=function){said}")
    for kind in subject.kinds:
        shown = subject.shown(kind)
        found = subject.columns(shown)
        wanted: Mapping[str, np.ndarray] = subject.reference(
            shown.samples, shown.truth, shown.context
        )
        for variant, values in wanted.items():
            column = next((c for c in found if c[0] == variant and c[1] in ("all", "set")), None)
            if column is None:
                names = ", ".join(sorted({name for name, *_ in found}))
                raise Broken(
                    f"the reference's {variant} is no column", f"let it return some of {names}"
                )
            if difference := unlike(
                {column: np.asarray(values, dtype=np.float64)}, {column: found[column]}, 1e-4
            ):
                raise Broken(
                    f"{kind}: {difference}", "find out which of the two has the formula of the spec"
                )
    return None


def _same(subject: MetricSubject, shown: Shown, other: Shown, how: str, mend: str) -> None:
    if difference := unlike(subject.columns(shown), subject.columns(other)):
        raise Broken(f"{how}: {difference}", mend)


def _colourless(subject: MetricSubject, shown: Shown, usual: Columns) -> None:
    """Photograph 1 becomes a grey card."""
    truth, grey = shown.truth.clone(), shown.context.grey.clone()
    truth[1], grey[1] = 0, 50
    for what, level in (("grey", 0.0), ("coloured", 1.0)):
        ab = shown.samples.ab.clone()
        ab[1] *= level
        card = Shown(
            replace(shown.samples, ab=ab), truth, replace(subject.held.context(ROWS), grey=grey)
        )
        found = _scored(
            subject, card, f"a grey card with {what} samples of kind {shown.samples.kind}"
        )
        for (variant, region, _), values in found.items():
            if np.isinf(values).any():
                raise Broken(
                    f"{variant} ({region}) of a grey card with {what} samples is infinite",
                    "give NaN for no value",
                )
        _others_stay(usual, found, f"a grey card with {what} samples")


def _with_nan(subject: MetricSubject, shown: Shown, usual: Columns) -> None:
    ab = shown.samples.ab.clone()
    ab[1, :, :, 4, 4] = float("nan")
    broken = Shown(replace(shown.samples, ab=ab), shown.truth, subject.held.context(ROWS))
    try:
        found = subject.columns(broken)
    except BenchError:
        return  # refused with a reason
    except Exception as error:
        raise Broken(
            f"samples with NaN: {describe(error)}",
            "give NaN for the photograph, or refuse it by a BenchError",
        ) from error
    for column, values in usual.items():
        value = found[column][1] if column[1] != "set" else np.nan
        if np.isfinite(value) and not np.isclose(value, values[1], rtol=1e-9, atol=0):
            raise Broken(
                f"{column[0]} of samples with NaN is {value:.4g}",
                "let NaN through: a mean that leaves it out flatters",
            )
    _others_stay(usual, found, "samples with NaN")


def _others_stay(usual: Columns, found: Columns, what: str) -> None:
    before, after = (
        {c: np.delete(v, 1) for c, v in columns.items() if c[1] != "set"}
        for columns in (usual, found)
    )
    if difference := unlike(before, after):
        raise Broken(
            f"{what}: another photograph's {difference}", "compute every photograph by itself"
        )


def _scored(subject: MetricSubject, shown: Shown, what: str) -> Columns:
    try:
        return subject.columns(shown)
    except Exception as error:
        raise Broken(
            f"{what}: {describe(error)}", "give NaN where a photograph has no value"
        ) from error


def _inputs(shown: Shown) -> dict[str, np.ndarray]:
    samples: SampleSet = shown.samples
    found = {
        "samples.ab": samples.ab,
        "samples.weights": samples.weights,
        "truth": shown.truth,
        "context.grey": shown.context.grey,
    }
    return {name: value.numpy().copy() for name, value in found.items() if value is not None}


def _patterns(subject: MetricSubject) -> dict[str, str]:
    """Regular expressions of the declared variants, and how they are written. `bin-0, …, bin-M`
    stands for any `bin-…`."""
    found = {}
    for key in subject.spec.variants:
        names = [name.strip() for name in key.split(",")]
        for name in (n for n in names if n != "…"):
            found[
                re.sub(r"[0-9]+|\bM\b", ".+", re.escape(name)) if "…" in names else re.escape(name)
            ] = name
    return found


def _of_another_choice(subject: MetricSubject, variant: str) -> bool:
    """Whether a variant belongs to another choice of a parameter: `vgg-mean-of-n` where net=alex."""
    values = subject.spec.resolve(subject.given)
    words = {c for p in subject.spec.parameters for c in p.choices if c != values[p.name]}
    return any(word in variant.split("-") for word in words)
