"""The tables of docs/results.md, from what runs' reports have written: `python
benchmarks/article.py RUN...`.

Every number is read from `tables/*.csv` of a run folder, where `bench report` explains it. Only
means of single trainings of the VAE are taken here, from `scores.parquet`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from measure import table

from bench.reports.paper_tables import TABLES
from bench.text import read_csv

NONE = "–"
PAIRS = (
    *(
        ("mdn", other)
        for other in ("cvae", "cvae[kl=1e-4]", "zhang", "zhang-coherent", "mean", "marginal", "knn")
    ),
    ("mdn[sigma2=fit]", "cvae"),
    ("mdn[vae=vae[loss=l2]]", "cvae"),
    ("mdn[vae=vae[loss=l2]]", "knn"),
)
"""Whose errors-of-best are compared."""
STANDS_FOR = {"photos": "imagenet-val"}
"""Which of the paper's sets a set of another name stands in for."""
PUBLISHED = "as published, not measured here"
LOSSES = {"l2": "L2", "mah": "Mah", "full": "Mah + Colour + Grad"}
SHORT = (
    ("calibration", "spread-skill", "ratio", "Spread–skill → 1", 2),
    ("calibration", "coverage", "a-82", "82 % intervals of a hold", 2),
    ("realism", "chroma-speckle", "ratio", "Speckle → 1", 2),
    ("realism", "colourfulness-distance", "signed", "Colourfulness off by", 1),
)
LAWS = (
    ("known-law", "ged", "field", "GED² ↓", 4),
    ("known-law", "law-distance", "law", "Distance to the law ↓", 2),
    ("known-law", "mode-coverage", "mass", "Modes covered", 2),
    ("known-law", "mode-coverage", "expected", "of", 2),
    ("known-law", "mode-precision", "field", "Mode precision ↑", 2),
)
"""Of which table, which metric and variant, its heading, and its digits."""


def main() -> None:
    """Print all tables for which the runs have numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, with their reports")
    runs = parser.parse_args().runs
    for title, made in (
        ("Ranking", ranking(runs)),
        ("Error-of-best", diversity(runs)),
        ("Differences", differences(runs)),
        ("Calibration and realism of draws", scores(runs, SHORT)),
        ("Known laws", scores(runs, LAWS)),
        *((f"Table {t.number}", reconstructions(runs, t.number)) for t in TABLES),
        *((f"Table {t.number}, differences", gaps(runs, t.number)) for t in TABLES),
    ):
        for caption, text in made:
            print(f"## {title}{caption}\n\n{text}\n")


def read(runs: Sequence[Path], name: str) -> pd.DataFrame:
    """A table of all runs that have it; empty where none has."""
    found = [
        read_csv(path, ("dataset",))
        for path in (r / "tables" / f"{name}.csv" for r in runs)
        if path.is_file()
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame({"dataset": []})


def by_dataset(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each data set that were measured, in the order of the table."""
    yield from ((name, rows[rows["dataset"] == name]) for name in dict.fromkeys(rows["dataset"]))


def interval(
    row: pd.Series, stem: str, digits: int, low: str = "low", high: str = "high", sign: str = ""
) -> str:
    """A mean with its interval; NONE where it was not measured."""
    if pd.isna(row[f"{stem}_mean"]):
        return NONE
    mean, *ends = (f"{row[f'{stem}_{end}']:{sign}.{digits}f}" for end in ("mean", low, high))
    return mean if "nan" in ends else f"{mean} [{', '.join(ends)}]"


def ranking(runs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Ranks and scores; intervals hold the spread of trainings where there are several."""
    for name, rows in by_dataset(read(runs, "ranking")):
        lines = []
        for _, row in rows[rows["status"] == "done"].iterrows():
            cells = []
            for score, digits in (("energy", 4), ("variogram", 4), ("crps", 4)):
                ends = [
                    f"{end}_with_trainings" if row["seeds"] > 1 else end for end in ("low", "high")
                ]
                cells += [] if score == "crps" else [ranks(row, score)]
                cells.append(interval(row, score, digits, *ends))
            parts = (row[f"energy_error_{part}"] for part in ("photographs", "trainings"))
            error = ", ".join("?" if pd.isna(part) else f"{part:.4f}" for part in parts)
            lines.append([named(row), *cells[:2], error, *cells[2:]])
        headings = [
            "Method",
            "Rank",
            "Fair energy score ↓",
            "SE: photographs, trainings",
            "Rank, variogram",
            "Fair variogram score ↓",
            "Fair CRPS ↓",
        ]
        yield f", {name}", table(headings, lines)


def ranks(row: pd.Series, score: str) -> str:
    """A set of ranks; in parentheses for a control; NONE where nothing was ranked."""
    if pd.isna(row[f"{score}_rank_low"]):
        return NONE
    low, high = (int(row[f"{score}_rank_{end}"]) for end in ("low", "high"))
    said = f"{low}" if low == high else f"{low}–{high}"
    return f"({said})" if row["role"] == "control" else said


def named(row: pd.Series) -> str:
    """A method; controls in italics."""
    return f"*{row['method']}*" if row["role"] == "control" else str(row["method"])


def diversity(runs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Error-of-best, the mean error and the variance of what is presented."""
    for name, rows in by_dataset(read(runs, "diversity-table")):
        columns = {"error_of_best": 3, "mean_error": 3, "variance": 4}
        lines = [
            [
                named(row),
                row["kind"],
                *(interval(row, stem, digits) for stem, digits in columns.items()),
            ]
            for _, row in rows[rows["status"] == "done"].iterrows()
        ]
        yield (
            f", {name}",
            table(["Method", "Kind", "Error-of-best ↓", "Mean error ↓", "Variance"], lines),
        )


def seed_means(runs: Sequence[Path], variant: str) -> dict[tuple[str, str], list[float]]:
    """The mean error of reconstructions of every training seed, by data set and method."""
    columns = ["dataset", "method", "seed", "value"]
    where = [
        ("ask", "==", "reconstruct"),
        ("metric", "==", "absolute-error"),
        ("variant", "==", variant),
        ("region", "==", "all"),
    ]
    rows = pd.concat(
        [pd.read_parquet(run / "scores.parquet", columns=columns, filters=where) for run in runs]
    )
    means = (
        rows.astype({"dataset": str, "method": str})
        .groupby(columns[:3], as_index=False)["value"]
        .mean()
    )
    found: dict[tuple[str, str], list[float]] = {}
    for dataset, method, mean in zip(
        means["dataset"], means["method"], means["value"], strict=True
    ):
        found.setdefault((dataset, method), []).append(mean)
    return found


def across(values: Sequence[float], digits: int) -> str:
    """What single trainings give, where there are several."""
    return f"; {min(values):+.{digits}f} .. {max(values):+.{digits}f}" if len(values) > 1 else ""


def differences(runs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Of errors-of-best, a column a data set; after the interval the least and largest of single
    trainings."""
    rows = read(runs, "diversity-differences")
    cells = {}
    for _, row in rows.iterrows():
        for one, two, sign in ((row["first"], row["second"], 1), (row["second"], row["first"], -1)):
            if (one, two) in PAIRS:
                mean, *ends = (
                    sign * row[f"error_of_best_{end}"] for end in ("mean", "low", "high")
                )
                single = [
                    sign * gap
                    for gap in row[["error_of_best_least", "error_of_best_most"]].dropna()
                ]
                cells[one, two, row["dataset"]] = (
                    f"{mean:+.4f} [{min(ends):+.4f}, {max(ends):+.4f}]{across(single, 4)}"
                )
    names = list(dict.fromkeys(rows["dataset"]))
    if cells:
        lines = [
            [f"{one} − {two}", *(cells.get((one, two, name), NONE) for name in names)]
            for one, two in PAIRS
        ]
        yield (
            "",
            table(["Error-of-best", *names], [line for line in lines if set(line[1:]) != {NONE}]),
        )


def scores(
    runs: Sequence[Path], wanted: Sequence[tuple[str, str, str, str, int]]
) -> Iterator[tuple[str, str]]:
    """Scores of independent draws, one column each; nothing for a data set that has none of the
    first one."""
    rows = pd.concat(
        [
            read(runs, name).assign(group=name)
            for name in dict.fromkeys(group for group, *_ in wanted)
        ]
    )
    for name, mine in by_dataset(rows):
        mine = mine[(mine["status"] == "done") & (mine["ask"] == "draws")]
        keyed = {
            (r["method"], r["group"], r["metric"], r["variant"]): r for _, r in mine.iterrows()
        }
        first = wanted[0][:3]
        methods = [r for (_, *key), r in keyed.items() if tuple(key) == first]
        lines = [
            [
                named(row),
                *(valued(keyed.get((row["method"], *key)), digits) for *key, _, digits in wanted),
            ]
            for row in methods
        ]
        if lines:
            yield f", {name}", table(["Method", *(heading for *_, heading, _ in wanted)], lines)


def valued(row: pd.Series | None, digits: int) -> str:
    """A value with its interval."""
    if row is None or pd.isna(row["value"]):
        return NONE
    ends = "" if pd.isna(row["low"]) else f" [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"
    return f"{row['value']:.{digits}f}{ends}"


def reconstructions(runs: Sequence[Path], number: int) -> Iterator[tuple[str, str]]:
    """Table 1 or 2 by the convention of the sum; the published values in a table of their own."""
    rows, digits = read(runs, f"paper-table-{number}"), 3 if number == 1 else 2
    published = next(t.published for t in TABLES if t.number == number)
    columns = [(loss, region) for loss in LOSSES for region in ("all", "grid")]
    lines, literature = [], {}
    for name, mine in by_dataset(rows):
        mine = mine[(mine["convention"] == "sum") & (mine["status"] == "done")]
        for codec in dict.fromkeys(mine["codec"]):
            keyed = {
                (r["loss"], r["region"]): r for _, r in mine[mine["codec"] == codec].iterrows()
            }
            lines.append(
                [
                    f"{name}: {codec}",
                    *(interval(keyed[c], "error", digits) if c in keyed else NONE for c in columns),
                ]
            )
        if (known := STANDS_FOR.get(name, name)) in published:
            literature[known] = [known, *published[known]]
    headings = ["Data set", *(f"{LOSSES[loss]}, {region}" for loss, region in columns)]
    if lines:
        yield "", table(headings, lines)
    if literature:
        yield f", {PUBLISHED}", table(headings, literature.values())


def gaps(runs: Sequence[Path], number: int) -> Iterator[tuple[str, str]]:
    """Differences from the L2 loss in per cent, those of single trainings, and how many photographs
    have a smaller error."""
    rows = read(runs, f"paper-table-{number}-differences")
    if len(rows):
        mine = rows[(rows["convention"] == "sum") & (rows["region"] == "all")]
        means = seed_means(runs, next(t.variants["sum"] for t in TABLES if t.number == number))
        labels = labelled(runs, number)
        lines = []
        for _, row in mine.iterrows():
            one, plain = (
                means[row["dataset"], labels[row["dataset"], row["codec"], loss]]
                for loss in (row["loss"], "l2")
            )
            single = [100 * (a / b - 1) for a, b in zip(one, plain, strict=True)]
            lines.append(
                [
                    row["dataset"],
                    LOSSES[row["loss"]],
                    interval(row, "percent", 0, sign="+") + across(single, 0),
                    f"{row['improve']:.0%}",
                ]
            )
        yield "", table(["Data set", "Loss", "Error − L2's, %", "Images that improve"], lines)


def labelled(runs: Sequence[Path], number: int) -> dict[tuple[str, str, str], str]:
    """What a codec with a loss is called in the run, by data set, codec and loss."""
    return {
        (r["dataset"], r["codec"], r["loss"]): r["method"]
        for _, r in read(runs, f"paper-table-{number}").iterrows()
    }


if __name__ == "__main__":
    main()
