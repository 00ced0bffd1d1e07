"""The headline: colourizers ranked by the fair energy score of their draws, the fair variogram
score beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.extend.markup import Caption, Table
from bench.extend.tables import NOTHING, columns, decimals, write_csv, write_tables
from bench.hookspecs import hookimpl
from bench.output import Output
from bench.results.series import Measure
from bench.specs import ReportSpec
from bench.text import markdown as escape

from .headlines import meaning
from .score_ranks import ScoreRanks, ranks_of, unfit
from .scores import Entry, gather
from .tables import Notes, describe_dataset, describe_protocol, describe_samples

if TYPE_CHECKING:
    from bench.results.run_folder import Results
    from bench.scores.intervals import SeedSplit

ENERGY = Measure("fair-energy-score", "field")
VARIOGRAM = Measure("fair-variogram-score", "grid")
CRPS = Measure("fair-crps", "ab")
MEASURES = {"energy": ENERGY, "variogram": VARIOGRAM, "crps": CRPS}
RANKED = {"energy": "energy score", "variogram": "variogram score"}
HEADER = (
    "Rank",
    "Method",
    "Fair energy score ↓",
    "Standard error: photographs, trainings",
    "Rank, variogram",
    "Fair variogram score ↓",
    "Fair CRPS ↓",
)
SCORES = {"energy": HEADER[2], "variogram": HEADER[5], "crps": HEADER[6]}
RULE = (
    "**How colourizers are ranked.** By the fair energy score of independent draws, whatever the "
    "method would show: it is strictly "
    "proper for whole colour fields (in expectation nothing but the right distribution is best) "
    "and does not depend on the number "
    "of draws. It hardly sees how pixels hang together, speckle for example; so the fair variogram "
    "score, which does, has its own "
    "ranks beside it, and where the two disagree the table doesn't choose. The CRPS knows single "
    "pixels only, and doesn't rank."
)
SETS = (
    "**Ranks are sets.** `1–2` can be first or second: every pair of colourizers is compared "
    "photograph by photograph (permutation "
    "test), and a difference counts if its p, corrected for the number of pairs (Holm), is at most "
    "5 %. Ranks in parentheses are "
    "where a control would stand, by tests corrected for all pairs, controls included. Tests and "
    "intervals take the trained "
    "networks as given and photographs as drawn at random; what another training would change is "
    "the second standard error."
)
ONE_SEED = "?: one training seed; its part of the uncertainty is unknown."


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The ranking."""
    yield ReportSpec(
        name="ranking",
        summary="the ranking: fair energy score of independent draws, the fair variogram score "
        "beside it",
        factory="bench.reports.ranking:write",
        order=0,
        citation="Gneiting & Raftery 2007; Ferro 2014; Scheuerer & Hamill 2015; Holm 1979",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`tables/ranking.md`, its numbers as CSV, and every pair's difference as
    `ranking-differences.csv`."""
    contests = [
        Contest(d, entries)
        for d, entries in gather(results, None, ["colourizer", "control"], draws=True).items()
    ]
    if not contests:
        return []
    parts: list[object] = ["### The ranking", RULE, SETS, describe_protocol(results, draws=True)]
    for contest in contests:
        parts += [
            f"#### {escape(contest.dataset)}",
            Caption(f"{describe_dataset(results, contest.dataset)}. {contest.samples()}"),
            *contest.parts(),
        ]
    paths = write_tables(out, "ranking", parts)
    paths += write_csv(out, "ranking", [c.record(e) for c in contests for e in c.ordered])
    differences = [
        {"dataset": c.dataset, **d}
        for c in contests
        for s in c.ranks.values()
        for d in s.differences()
    ]
    return [*paths, *write_csv(out, "ranking-differences", differences)] if differences else paths


@dataclass(frozen=True)
class Contest:
    """One data set's entries."""

    dataset: str
    entries: Sequence[Entry]
    notes: Notes = field(default_factory=Notes)

    @cached_property
    def ranks(self) -> Mapping[str, ScoreRanks]:
        """By name of the two scores that rank."""
        return {name: ranks_of(self.entries, MEASURES[name]) for name in RANKED}

    @cached_property
    def ordered(self) -> Sequence[Entry]:
        """Colourizers, then controls; the best first, and what is not ranked last."""
        found = self.ranks["energy"].all
        position = {label: i for i, label in enumerate(found.order if found else ())}
        return sorted(self.entries, key=lambda e: (e.control, position.get(e.label, len(position))))

    def samples(self) -> str:
        """How many draws, photographs and trainings."""
        return describe_samples([e for e in self.entries if e.scores.count(ENERGY)])

    def parts(self) -> list[object]:
        """The table, what it says in words, and its footnotes."""
        return [self._table(), self._remarks(), self.notes]

    def record(self, entry: Entry) -> dict[str, Any]:
        """All numbers of an entry."""
        failed = entry.failed(*(m.metric for m in MEASURES.values()))
        count = entry.estimate(ENERGY).n
        found: dict[str, Any] = {"dataset": self.dataset, "method": entry.label, "role": entry.role}
        for name, measure in MEASURES.items():
            if name in RANKED:
                low, high = self.ranks[name].place(entry.label) or ("", "")
                found |= {f"{name}_rank_low": low, f"{name}_rank_high": high}
            split = _split(entry, measure)
            found |= columns(name, entry.estimate(measure))
            found |= {
                f"{name}_error_photographs": split.image_error if split else "",
                f"{name}_error_trainings": split.seed_error if split else "",
                f"{name}_low_with_trainings": split.mean.low if split and split.seeds > 1 else "",
                f"{name}_high_with_trainings": split.mean.high if split and split.seeds > 1 else "",
            }
        return {
            **found,
            "draws": entry.scores.count(ENERGY),
            "images": count,
            "seeds": len(entry.seeds),
            "status": "done" if count else failed[0].status if failed else "not measured",
            "reason": "; ".join(dict.fromkeys(f.reason for f in failed)),
        }

    def _table(self) -> Table:
        table = Table(
            HEADER,
            words=2,
            hints={title: meaning(MEASURES[name].metric) for name, title in SCORES.items()},
        )
        digits = {
            n: decimals([e.estimate(m).mean for e in self.entries]) for n, m in MEASURES.items()
        }
        first_control = next((e for e in self.ordered if e.control), None)
        for entry in self.ordered:
            if entry is first_control:
                table.rows.append(["", "*controls*", *[""] * (len(HEADER) - 2)])
            energy, variogram, crps = (
                self.notes.value(entry, m, digits[n]) for n, m in MEASURES.items()
            )
            table.rows.append(
                [
                    self._rank("energy", entry),
                    escape(entry.label),
                    energy,
                    _errors(entry, digits["energy"]),
                    self._rank("variogram", entry),
                    variogram,
                    crps,
                ]
            )
        return table

    def _rank(self, name: str, entry: Entry) -> str:
        place = self.ranks[name].place(entry.label)
        if place is None:
            why = unfit(entry, MEASURES[name])
            return (
                f"{NOTHING} {self.notes.mark(f'{escape(entry.label)}: {escape(why)}')}"
                if why
                else NOTHING
            )
        text = f"{place[0]}" if place[0] == place[1] else f"{place[0]}–{place[1]}"
        return f"({text})" if entry.control else f"**{text}**" if place[0] == 1 else text

    def _remarks(self) -> str:
        lines = [
            line for name in RANKED for line in _about_controls(self.ranks[name], RANKED[name])
        ]
        lines += _disagreements(self.ranks)
        if all(e.control for e in self.entries):
            lines.append("There are only controls: nothing is ranked.")
        if any(len(e.seeds) == 1 for e in self.entries):
            lines.append(ONE_SEED)
        return "\n".join(f"- {line}" for line in lines)


def _about_controls(ranks: ScoreRanks, score: str) -> list[str]:
    """Which controls no colourizer reaches, and which colourizers don't rise above one: said
    plainly."""
    others = ranks.colourizers.order if ranks.colourizers else ()
    if not others:
        return []
    above = [c for c in ranks.controls if all(ranks.shown_better(c, other) for other in others)]
    lines = (
        [f"By the {score}, better than every colourizer: control {', '.join(map(escape, above))}."]
        if above
        else []
    )
    for told, words in (
        ("worse", "shown to be worse than a control"),
        ("", "not shown to beat a control, nor to be worse"),
    ):
        found = {
            other: [
                escape(c)
                for c in ranks.controls
                if c not in above and ranks.told_from(other, c) == told
            ]
            for other in others
        }
        if failing := "; ".join(
            f"{escape(other)} ({', '.join(names)})" for other, names in found.items() if names
        ):
            lines.append(f"By the {score}, **{words}**: {failing}.")
    return lines


def _disagreements(ranks: Mapping[str, ScoreRanks]) -> list[str]:
    """Pairs of colourizers that the two scores order in opposite ways, both times beyond chance."""
    energy, variogram = ranks["energy"], ranks["variogram"]
    pairs = energy.colourizers.p_values if energy.colourizers else {}
    ranked = set(variogram.colourizers.order if variogram.colourizers else ())
    found = [
        f"{escape(first)} before {escape(second)}"
        for first, second in pairs
        if {first, second} <= ranked
        and energy.shown_better(first, second)
        and variogram.shown_better(second, first)
    ]
    return (
        [
            f"**The two scores disagree**: the energy score has {'; '.join(found)}; the variogram "
            "score the other way round."
        ]
        if found
        else []
    )


def _split(entry: Entry, measure: Measure) -> SeedSplit | None:
    """The uncertainty in parts, over the photographs that every seed has."""
    import pandas as pd

    from bench.scores.intervals import seed_split

    seeds = entry.scores.by_seed(measure)
    return seed_split(pd.DataFrame(seeds).dropna().to_numpy(float).T) if seeds else None


def _errors(entry: Entry, digits: int) -> str:
    """`0.0021, 0.0004`: of photographs, of trainings."""
    split = _split(entry, ENERGY)
    return (
        ", ".join(
            "?" if e != e else f"{e:.{digits}f}" for e in (split.image_error, split.seed_error)
        )
        if split
        else NOTHING
    )
