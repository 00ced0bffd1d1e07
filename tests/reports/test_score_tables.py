"""The tables of all other scores: values, values of sets, flatness, and what has no value."""

import numpy as np
import pandas as pd
import pytest

from bench.output import Output
from bench.plugins.loader import registry
from bench.reports.score_groups import GROUPS
from bench.reports.score_tables import flatness_of, write
from bench.reports.scores import gather
from bench.results.series import Measure

N = 220
RANKS = ("rank-pixel-a", "rank-pixel-b", "rank-mean-a", "rank-mean-b", "rank-distance")


def uniform(n=N, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 0.9, n)


def written(make, folder, rows, *others, **more):
    paths = write([make.results(folder / "run", rows, **more), *others], Output(folder))
    return {p.stem: p.read_text() for p in paths if p.suffix == ".md"}


def calibration(make, name, ranks, *, ratio=(1.0, 0.9, 1.1), **more):
    values = {("coverage", v): uniform() for v in ("a-82", "b-82", "a-45", "b-45")}
    values |= {("rank-histogram", v): np.asarray(ranks) for v in RANKS}
    seeds = {k: v for k, v in more.items() if k in ("seed", "role")}
    return make.draws(name, values, **more), [
        make.set(name, "spread-skill", "ratio", *ratio, images=N, **seeds)
    ]


def test_every_declared_column_is_a_variant_that_its_metric_names():
    specs = registry().specs["metrics"]
    for column in (c for group in GROUPS for part in group.parts for c in part.columns):
        spec = specs[column.metric]
        named = " ".join(spec.variants)
        assert column.variant == "*" or column.variant in named, column
        assert not column.truth or column.truth in spec.variants, column
        arrow = {"up": "↑", "down": "↓", "target": "→"}.get(spec.direction, "")
        assert not set("↑↓→") & set(column.title) or arrow in column.title, column


def test_no_table_is_wide():
    widest = {
        g.name: max(len(p.columns) for p in g.parts) + 3 * (g.ask == "present") for g in GROUPS
    }
    assert max(widest.values()) <= 9, widest


def test_a_value_and_its_interval_agree_with_an_independent_computation(make, tmp_path, table):
    values = uniform()
    text = written(make, tmp_path, make.draws("mdn", {("psnr", "mean-of-n"): values}))["accuracy"]
    cell = table(text)[1]["mdn"]["PSNR, dB ↑"]
    line = (
        pd.read_csv(tmp_path / "tables/accuracy.csv")
        .set_index(["metric", "variant"])
        .loc[("psnr", "mean-of-n")]
    )
    resampled = np.random.default_rng(9).choice(values, (4000, N)).mean(axis=1)
    assert [line.value, line.low, line.high] == pytest.approx(
        [values.mean(), *np.quantile(resampled, [0.025, 0.975])], rel=0.01
    )
    assert cell == f"{line.value:.3f} [{line.low:.3f}, {line.high:.3f}]"
    assert [line.images, line.seeds, line.k, line["ask"]] == [N, 1, 10, "draws"]


def test_values_of_the_set_come_from_their_own_table(make, tmp_path, table):
    rows, sets = calibration(make, "mdn", np.arange(N) % 11, ratio=(0.751, 0.70, 0.80))
    text = written(make, tmp_path, rows, sets=sets)["calibration"]
    header, cells = table(text)
    assert cells["mdn"]["Spread–skill ratio → 1"] == "0.751 [0.700, 0.800]"
    assert header[2:] == ["Coverage, a 82", "Coverage, b 82", "Coverage, a 45", "Coverage, b 45"]


def test_values_of_the_set_are_averaged_over_seeds_and_the_longer_of_two_runs_counts(
    make, tmp_path, table
):
    rows, sets = calibration(make, "mdn", np.arange(N) % 11, ratio=(0.6, 0.5, 0.7))
    more = calibration(make, "mdn", np.arange(N) % 11, ratio=(0.8, 0.7, 0.9), seed=1)
    short = make.results(
        tmp_path / "two", rows, sets=[make.set("mdn", "spread-skill", "ratio", 9, 9, 9, images=3)]
    )
    text = written(make, tmp_path, rows + more[0], short, sets=sets + more[1])["calibration"]
    assert table(text)[1]["mdn"]["Spread–skill ratio → 1"] == "0.700 [0.600, 0.800]"
    assert "means over them" in text


def test_a_value_of_the_set_is_its_own_method_s(make, tmp_path, table):
    rows = [
        r
        for name in ("mdn", "mdn[k=2]", "cvae")
        for r in calibration(make, name, np.arange(N) % 11)[0]
    ]
    sets = [
        make.set("mdn[k=2]", "spread-skill", "ratio", 0.751, 0.70, 0.80, images=N),
        make.set("cvae", "spread-skill", "ratio", 0.851, 0.80, 0.90, images=N),
    ]
    cells = table(written(make, tmp_path, rows, sets=sets)["calibration"])[1]
    shown = {name: row["Spread–skill ratio → 1"] for name, row in cells.items()}
    assert shown == {
        "mdn": "– (1)",
        "mdn[k=2]": "0.751 [0.700, 0.800]",
        "cvae": "0.851 [0.800, 0.900]",
    }


def test_an_undefined_value_of_the_set_is_no_gap(make, tmp_path, table):
    nan = float("nan")
    rows, sets = calibration(
        make, "truth", np.arange(N) % 11, ratio=(nan, nan, nan), role="control"
    )
    others = calibration(make, "mdn", np.arange(N) % 11)
    text = written(make, tmp_path, rows + others[0], sets=sets + others[1])["calibration"]
    assert table(text)[1]["truth"]["Spread–skill ratio → 1"] == "undefined (1)"
    assert "(1) undefined: the whole set has no such value" in text


def test_flat_ranks_pass_and_piled_ones_do_not(make, tmp_path, table):
    rows = (
        calibration(make, "flat", np.arange(N) % 11)[0] + calibration(make, "piled", np.zeros(N))[0]
    )
    cells = table(written(make, tmp_path, rows)["calibration"], "**Flatness")[1]
    assert cells["flat"]["Mean colour, a"] == "1.000"
    assert cells["piled"]["Mean colour, a"] == "< 0.001"


def test_flatness_agrees_with_scipy_and_pays_for_every_seed(make, tmp_path):
    from scipy.stats import chisquare

    ranks = [np.random.default_rng(s).integers(0, 11, N) for s in (2, 3)]
    rows = [r for s, some in enumerate(ranks) for r in calibration(make, "mdn", some, seed=s)[0]]
    (entry,) = gather([make.results(tmp_path, rows)], None, ["colourizer"], draws=True)["lfw"]
    p = min(chisquare(np.bincount(some, minlength=11)).pvalue for some in ranks)
    assert flatness_of(entry, Measure("rank-histogram", "rank-mean-a")).mean == pytest.approx(
        min(1, 2 * p)
    )


def test_too_few_photographs_for_the_test_are_said(make, tmp_path, table):
    rows = make.draws("mdn", {("rank-histogram", "rank-mean-a"): np.arange(20) % 11})
    text = written(make, tmp_path, rows)["calibration"]
    assert table(text, "**Flatness")[1]["mdn"]["Mean colour, a"] == "undefined (1)"
    assert "fewer than 5 photographs a bin" in text


def test_a_refused_metric_shows_its_reason_once_for_all(make, tmp_path, table):
    rows = make.draws("zhang", {("negative-log-likelihood", "photograph"): 100 * uniform()})
    for name in ("cvae", "flow"):
        rows += make.draws(name, {("variance", "ab"): uniform()})
        rows.append(
            make.refused(
                name,
                "negative-log-likelihood",
                "it needs a density, which the method does not have",
            )
        )
    cells = [{"dataset": "lfw", "method": "zhang", "seed": 0, "density": "313 bins", "asks": []}]
    text = written(make, tmp_path, rows, cells=cells)["likelihood"]
    column = "Negative log-likelihood, nats ↓"
    found = table(text)[1]
    assert [found[n][column] for n in ("cvae", "flow")] == ["refused (1)"] * 2
    assert [found[n]["Space"] for n in ("zhang", "cvae")] == ["313 bins", "–"]
    assert text.count("it needs a density") == 1


def test_rows_of_one_density_space_stand_together(make, tmp_path, table):
    values = {("negative-log-likelihood", "photograph"): uniform()}
    rows = [r for n in "abc" for r in make.draws(n, values)]
    spaces = zip("abc", ("codes", "bins", "codes"))
    cells = [
        {"dataset": "lfw", "method": n, "seed": 0, "density": space, "asks": []}
        for n, space in spaces
    ]
    found = table(written(make, tmp_path, rows, cells=cells)["likelihood"])[1]
    assert [row["Space"] for row in found.values()] == ["bins", "codes", "codes"]


def test_an_undefined_photograph_voids_the_mean_and_says_how_many(make, tmp_path, table):
    rows = make.draws(
        "zhang",
        {("negative-log-likelihood", "photograph"): np.where(np.arange(N) < 2, np.nan, 5.0)},
    )
    for row in rows:
        row["status"] = "undefined" if np.isnan(row["value"]) else "done"
    text = written(make, tmp_path, rows)["likelihood"]
    assert table(text)[1]["zhang"]["Negative log-likelihood, nats ↓"] == "undefined (1)"
    assert (
        f"no value for 2 of {N} photographs; the mean over the others is 5.000 [5.000, 5.000]"
        in text
    )


def test_columns_that_no_method_has_are_named_with_the_reason(make, tmp_path, table):
    reason = "it needs a law of finitely many modes: hues are continuous and have none"
    rows = make.draws("mdn", {("ged", "field"): uniform(), ("law-distance", "law"): uniform()})
    rows += [make.refused("mdn", m, reason) for m in ("mode-coverage", "mode-precision")]
    text = written(make, tmp_path, rows)["known-law"]
    assert table(text)[0] == ["Method", "GED² ↓", "Distance to the law ↓"]
    assert f"No method has a value of mode-coverage, mode-precision: refused: {reason}." in text


def test_a_group_without_any_value_is_named_and_has_no_table(make, tmp_path):
    reason = "it needs a known law, which photographs don't have"
    rows = [*make.draws("mdn", {("variance", "ab"): uniform()}), make.refused("mdn", "ged", reason)]
    found = written(make, tmp_path, rows)
    assert set(found) == {"diversity", "not-measured"}
    assert (
        f"Against the known law: No method has a value of ged: refused: {reason}."
        in found["not-measured"]
    )
    assert "Deep features of draws: No method has a value of lpips" in found["not-measured"]


def test_a_metric_that_an_older_run_lacks_is_a_note(make, tmp_path, table):
    older = make.results(tmp_path / "old", make.draws("old", {("variance", "ab"): uniform()}))
    rows = make.draws(
        "new", {("variance", "ab"): uniform(), ("effective-modes", "field"): uniform()}
    )
    text = written(make, tmp_path, rows, older)["diversity"]
    assert table(text)[1]["old"]["Effective modes"] == "– (1)"
    assert "(1) not measured" in text


def test_failed_methods_keep_their_row_in_every_table(make, tmp_path, table):
    rows = [
        *make.draws("a", {("variance", "ab"): uniform()}),
        make.failed("b", "killed"),
        *make.rows("a", {("energy-score", "field", "all"): uniform()}),
    ]
    found = written(make, tmp_path, rows)
    assert table(found["diversity"])[1]["b"]["Variance"] == "failed (1)"
    assert table(found["presented"])[1]["b"]["Energy score ↓"] == "failed (1)"


def test_what_is_presented_has_kind_and_k_and_draws_stay_apart(make, tmp_path, table):
    rows = make.draws(
        "mdn", {("energy-score", "field"): uniform() + 5, ("psnr", "best-of-n"): uniform()}
    )
    rows += make.rows("mdn", {("energy-score", "field", "all"): uniform()}, kind="modes")
    rows += make.rows(
        "grey", {("energy-score", "field", "all"): uniform()}, kind="point", k=1, role="control"
    )
    header, cells = table(written(make, tmp_path, rows)["presented"])
    assert header[:4] == ["Method", "Kind", "k", "Energy score ↓"]
    assert [cells["mdn"]["Kind"], cells["mdn"]["k"], cells["grey"]["k"]] == ["modes", "5", "1"]
    assert cells["mdn"]["Energy score ↓"].startswith(f"{uniform().mean():.3f} [")


def test_the_photographs_own_values_are_a_row(make, tmp_path, table):
    own = uniform(seed=7) * 40
    values = {("colourfulness", "mean-of-n"): own + 9, ("colourfulness", "truth"): own}
    found = table(written(make, tmp_path, make.draws("mdn", values))["realism"])[1]
    assert found["photographs"]["Colourfulness"].startswith(f"{own.mean():.1f} [")
    assert list(found) == ["mdn", "*the photographs' own*", "photographs"]


def test_large_and_small_values_share_a_column_legibly(make, tmp_path, table):
    sets = [
        make.set(n, "chroma-speckle", "ratio", v, v / 2, v * 2)
        for n, v in (("a", 0.0048), ("b", 661.4608), ("c", 0.0))
    ]
    rows = [r for n in "abc" for r in make.draws(n, {("colourfulness", "mean-of-n"): uniform()})]
    found = table(written(make, tmp_path, rows, sets=sets)["realism"])[1]
    assert found["a"]["Speckle → 1"] == "0.00480 [0.00240, 0.00960]"
    assert found["b"]["Speckle → 1"] == "661.5 [330.7, 1322.9]"


def test_one_photograph_has_values_without_intervals(make, tmp_path, table):
    text = written(make, tmp_path, make.draws("mdn", {("variance", "ab"): [0.5]}))["diversity"]
    assert table(text)[1]["mdn"]["Variance"] == "0.500 [–, –]"


def test_optional_variants_become_columns(make, tmp_path, table):
    values = {("lpips", f"alex-{way}"): uniform() for way in ("mean-of-n", "best-of-n")}
    header, _ = table(written(make, tmp_path, make.draws("mdn", values))["perceptual"])
    assert header == ["Method", "LPIPS, alex mean of n ↓", "LPIPS, alex best of n ↓"]


def test_counts_that_differ_are_said_by_method(make, tmp_path):
    rows = [r for s in (0, 1) for r in make.draws("a", {("variance", "ab"): uniform()}, seed=s)]
    rows += [r for n in "bc" for r in make.draws(n, {("variance", "ab"): uniform(9)})]
    text = written(make, tmp_path, rows)["diversity"]
    assert f"photographs: 9 (a: {N}); training seeds: 1 (a: 2)." in text


def test_codecs_and_nothing_give_no_file(make, tmp_path):
    codec = make.rows(
        "vae", {("psnr", "mean-of-n", "all"): uniform()}, role="codec", kind="reconstruction"
    )
    assert write([make.results(tmp_path / "run", codec)], Output(tmp_path)) == []
    assert write([make.results(tmp_path / "run", [])], Output(tmp_path)) == []
