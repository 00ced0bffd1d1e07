"""The ranking: rank sets, the controls' places, seeds, and that nothing is left out."""

import numpy as np
import pandas as pd
import pytest

from bench.output import Output
from bench.reports import ranking
from bench.reports.ranking import CRPS, ENERGY, VARIOGRAM
from bench.reports.score_ranks import ranks_of
from bench.reports.scores import gather
from bench.scores.columns import FrameScores

N = 40
E, V = "Fair energy score ↓", "Rank, variogram"


@pytest.fixture
def base():
    return np.random.default_rng(1).gamma(6, 0.01, N)


def scored(make, name, energy, variogram=None, **more):
    energy = np.asarray(energy)
    values = {
        (ENERGY.metric, ENERGY.variant): energy,
        (CRPS.metric, CRPS.variant): energy / 2,
        (VARIOGRAM.metric, VARIOGRAM.variant): energy / 3 if variogram is None else variogram,
    }
    return make.draws(name, values, **more)


def written(make, folder, rows, *others, **more):
    results = [make.results(folder / "run", rows, **more), *others]
    paths = ranking.write(results, Output(folder))
    assert [p.name for p in paths][:4] == [
        "ranking.md",
        "ranking.html",
        "ranking.tex",
        "ranking.csv",
    ]
    return paths[0].read_text()


def tied(base, seed):
    noise = np.random.default_rng(seed).normal(0, 0.004, N)
    return base + noise - noise.mean() + 1e-4


def test_rank_sets_hold_what_cannot_be_told_apart(make, tmp_path, base, table):
    rows = [
        *scored(make, "far", base + 0.02),
        *scored(make, "best", base),
        *scored(make, "tied", tied(base, 2)),
    ]
    _, cells = table(written(make, tmp_path, rows))
    assert {name: row["Rank"] for name, row in cells.items()} == {
        "best": "**1–2**",
        "tied": "**1–2**",
        "far": "3",
    }
    assert list(cells) == ["best", "tied", "far"]
    assert cells["best"][E].startswith(f"{base.mean():.4f} [")


def test_numbers_and_differences_agree_with_an_independent_computation(make, tmp_path, base):
    written(make, tmp_path, [*scored(make, "a", base), *scored(make, "b", tied(base, 3) + 0.02)])
    numbers = pd.read_csv(tmp_path / "tables/ranking.csv").set_index("method")
    assert numbers.loc["a", "energy_mean"] == pytest.approx(base.mean())
    assert numbers.loc["a", "energy_error_photographs"] == pytest.approx(base.std(ddof=1) / N**0.5)
    assert np.isnan(numbers.loc["a", "energy_error_trainings"])
    assert numbers.loc["a", ["draws", "images", "seeds"]].tolist() == [10, N, 1]
    pairs = pd.read_csv(tmp_path / "tables/ranking-differences.csv")
    gap = tied(base, 3) + 0.02 - base
    line = pairs.set_index("metric").loc[ENERGY.metric]
    assert [line["first"], line["second"]] == ["a", "b"]
    assert line.difference_mean == pytest.approx(-gap.mean())
    resampled = np.random.default_rng(5).choice(gap, (4000, N)).mean(axis=1)
    assert [-line.difference_high, -line.difference_low] == pytest.approx(
        np.quantile(resampled, [0.025, 0.975]), rel=0.02
    )
    assert line.p_corrected == pytest.approx(
        1 / 10_001
    )  # all signs agree: only the observed pattern is as extreme


def test_controls_stand_apart_with_the_place_that_they_would_have(make, tmp_path, base, table):
    rows = [
        *scored(make, "floor", base + 0.05, role="control"),
        *scored(make, "b", base + 0.02),
        *scored(make, "a", base),
    ]
    rows += [
        *scored(make, "ceiling", base * 0, role="control"),
        *scored(make, "between", tied(base, 4) + 0.02, role="control"),
    ]
    text = written(make, tmp_path, rows)
    _, cells = table(text)
    assert list(cells) == ["a", "b", "*controls*", "ceiling", "between", "floor"]
    places = {name: row["Rank"] for name, row in cells.items()}
    assert places == {
        "a": "**1**",
        "b": "2",
        "*controls*": "",
        "ceiling": "(1)",
        "between": "(2–3)",
        "floor": "(3)",
    }
    assert "By the energy score, better than every colourizer: control ceiling." in text
    assert (
        "By the energy score, **not shown to beat a control, nor to be worse**: b (between)."
        in text
    )
    assert "shown to be worse than a control" not in text


def test_a_colourizer_that_is_worse_than_a_control_is_said_to_be(make, tmp_path, base):
    rows = [
        *scored(make, "a", base),
        *scored(make, "b", base + 0.05),
        *scored(make, "between", base + 0.02, role="control"),
    ]
    text = written(make, tmp_path, rows)
    assert "By the energy score, **shown to be worse than a control**: b (between)." in text
    assert "not shown to beat a control" not in text


def test_a_control_that_beats_everything_is_named_and_takes_no_rank(make, tmp_path, base, table):
    rows = [
        *scored(make, "mean", base * 0.5, role="control"),
        *scored(make, "mdn", base),
        *scored(make, "cvae", base + 0.1),
    ]
    text = written(make, tmp_path, rows)
    assert table(text)[1]["mdn"]["Rank"] == "**1**"
    assert "better than every colourizer: control mean" in text


def test_more_controls_change_no_rank(make, tmp_path, base, table):
    rows = [
        *scored(make, "a", base),
        *scored(make, "b", tied(base, 2) + 0.0015),
        *scored(make, "c", tied(base, 6) + 0.01),
    ]
    alone = table(written(make, tmp_path / "one", rows))[1]
    controls = [
        r
        for i in range(12)
        for r in scored(make, f"control {i}", tied(base, 10 + i), role="control")
    ]
    among = table(written(make, tmp_path / "two", rows + controls))[1]
    assert {n: r["Rank"] for n, r in alone.items()} == {n: among[n]["Rank"] for n in alone}


def test_the_two_scores_may_disagree_and_the_report_says_so(make, tmp_path, base, table):
    rows = [
        *scored(make, "speckled", base, base + 0.05),
        *scored(make, "smooth", base + 0.02, base),
    ]
    text = written(make, tmp_path, rows)
    assert [r["Rank"] for r in table(text)[1].values()] == ["**1**", "2"]
    assert [r[V] for r in table(text)[1].values()] == ["2", "**1**"]
    assert (
        "the energy score has speckled before smooth; the variogram score the other way round"
        in text
    )


def test_refused_failed_and_incompatible_methods_keep_a_row_with_the_reason(
    make, tmp_path, base, table
):
    reason = "oracle can't draw independent samples"
    rows = [
        *scored(make, "a", base),
        make.failed("b|c", "killed | at 3"),
        make.failed("d", "no law", status="incompatible"),
    ]
    rows += [make.refused("e", metric.metric, reason) for metric in (ENERGY, VARIOGRAM, CRPS)]
    text = written(make, tmp_path, rows)
    _, cells = table(text)
    assert cells["b\\|c"]["Rank"] == cells["d"]["Rank"] == cells["e"]["Rank"] == "–"
    assert [cells[n][E] for n in ("b\\|c", "d", "e")] == [
        "failed (1)",
        "incompatible (2)",
        "refused (3)",
    ]
    assert f"(3) refused: {reason}" in text
    assert "(1) b\\|c on lfw, seed 0: failed: killed \\| at 3" in text
    assert pd.read_csv(tmp_path / "tables/ranking.csv").status.tolist() == [
        "done",
        "failed",
        "incompatible",
        "refused",
    ]


def test_an_ask_refused_in_the_manifest_alone_is_shown_too(make, tmp_path, base, table):
    rows = [*scored(make, "a", base), *make.rows("e", {("variance", "ab", "all"): base})]
    cell = {
        "dataset": "lfw",
        "method": "e",
        "seed": 0,
        "asks": [{"ask": "draws", "shards": [], "refused": "it can't"}],
    }
    text = written(make, tmp_path, rows, cells=[cell])
    assert table(text)[1]["e"][E] == "refused (1)"
    assert "(1) refused: it can't" in text


def test_presented_scores_never_enter(make, tmp_path, base, table):
    rows = [
        *scored(make, "a", base),
        *make.rows("a", {(ENERGY.metric, ENERGY.variant, "all"): base * 100}),
    ]
    rows.append(
        make.refused("a", ENERGY.metric, "what a method presents is its own choice", ask="present")
    )
    text = written(make, tmp_path, rows)
    assert table(text)[1]["a"][E].startswith(f"{base.mean():.4f} [")
    assert "own choice" not in text


def test_an_older_run_without_draws_says_so(make, tmp_path, base, table):
    text = written(make, tmp_path, make.rows("mdn", {("variance", "ab", "all"): base}))
    assert table(text)[1]["mdn"][E] == "– (1)"
    assert "(1) not measured" in text


def test_a_method_without_a_value_where_it_is_bad_is_not_ranked(make, tmp_path, base, table):
    rows = [
        *scored(make, "a", base),
        *scored(make, "sly", np.where(np.arange(N) < 3, np.nan, base - 0.02)),
    ]
    for row in rows:
        if np.isnan(row["value"]):
            row["status"] = "undefined"
    text = written(make, tmp_path, rows)
    _, cells = table(text)
    assert [cells["a"]["Rank"], cells["sly"]["Rank"]] == ["**1**", "–"]
    assert cells["sly"][E] == "undefined (1)"
    assert (
        f"no value for 3 of {N} photographs; the mean over the others is "
        f"{np.mean(base[3:] - 0.02):.4f}" in text
    )


def test_values_of_a_metric_that_failed_half_way_do_not_count(make, tmp_path, base, table):
    rows = [*scored(make, "a", base), *scored(make, "b", base[:16])]
    rows.append(make.refused("b", ENERGY.metric, "division by zero", status="failed"))
    _, cells = table(written(make, tmp_path, rows))
    assert [cells["b"]["Rank"], cells["b"][E]] == ["–", "failed (1)"]


def test_one_photograph_tells_nothing_apart(make, tmp_path, table):
    rows = [
        *scored(make, "a", [0.1]),
        *scored(make, "b", [0.9]),
        *scored(make, "c", [0.1], role="control"),
    ]
    _, cells = table(written(make, tmp_path, rows))
    assert [cells[n]["Rank"] for n in "abc"] == ["**1–2**", "**1–2**", "(1–3)"]
    assert cells["a"][E] == "0.100 [–, –]"


def test_several_seeds_are_averaged_and_their_part_of_the_error_is_shown(
    make, tmp_path, base, table
):
    shifts = np.array([-0.01, 0.0, 0.01])
    rows = [r for s, shift in enumerate(shifts) for r in scored(make, "a", base + shift, seed=s)]
    text = written(make, tmp_path, rows)
    cell = table(text)[1]["a"]
    assert cell[E].startswith(f"{base.mean():.4f} [")
    errors = f"{base.std(ddof=1) / N**0.5:.4f}, {shifts.std(ddof=1) / 3**0.5:.4f}"
    assert cell["Standard error: photographs, trainings"] == errors
    assert "training seeds: 3" in text
    assert "one training seed" not in text
    line = pd.read_csv(tmp_path / "tables/ranking.csv").iloc[0]
    assert (
        line.energy_high_with_trainings - line.energy_low_with_trainings
        > line.energy_high - line.energy_low
    )


def test_one_seed_leaves_its_part_unknown(make, tmp_path, base, table):
    text = written(make, tmp_path, scored(make, "a", base))
    assert table(text)[1]["a"]["Standard error: photographs, trainings"].endswith(", ?")
    assert "one training seed; its part of the uncertainty is unknown" in text
    line = pd.read_csv(tmp_path / "tables/ranking.csv").iloc[0]
    for name in ("energy", "variogram", "crps"):
        assert (
            line[
                [
                    f"{name}_error_trainings",
                    f"{name}_low_with_trainings",
                    f"{name}_high_with_trainings",
                ]
            ]
            .isna()
            .all()
        )
        assert line[[f"{name}_error_photographs", f"{name}_low", f"{name}_high"]].notna().all()


def test_a_seed_that_failed_is_marked(make, tmp_path, base, table):
    rows = [*scored(make, "a", base), make.failed("a", "killed", seed=1)]
    text = written(make, tmp_path, rows)
    assert table(text)[1]["a"][E].endswith("] (1)")
    assert "a on lfw, seed 1: failed: killed" in text


def test_a_method_does_not_choose_its_trainings_by_letting_the_others_fail(
    make, tmp_path, base, table
):
    rows = [
        *scored(make, "lucky", base - 0.02),
        make.failed("lucky", "killed", seed=1),
        *scored(make, "b", base),
        *scored(make, "b", base + 0.01, seed=1),
    ]
    text = written(make, tmp_path, rows)
    cells = table(text)[1]
    assert cells["b"]["Rank"] == "**1**"
    assert cells["lucky"]["Rank"].startswith("– (")
    assert "lucky: not ranked: training seed 1 has no value" in text


def test_a_score_with_other_parameters_does_not_rank(make, tmp_path, base, table):
    rows = [
        *scored(make, "a", base),
        *({**row, "metric_version": "1[p=1.0]"} for row in scored(make, "b", base / 2)),
    ]
    text = written(make, tmp_path, rows)
    assert table(text)[1]["b"]["Rank"].startswith("– (")
    assert "has other parameters than its own, 1[p=1.0]" in text


def test_two_runs_are_joined(make, tmp_path, base, table):
    second = make.results(
        tmp_path / "two", [*scored(make, "b", base + 0.02), *scored(make, "a", base, seed=1)]
    )
    text = written(make, tmp_path, scored(make, "a", base), second)
    _, cells = table(text)
    assert {n: r["Rank"] for n, r in cells.items()} == {"a": "**1**", "b": "2"}
    assert "training seeds: 2 (b: 1)" in text


def test_runs_read_from_files_are_joined_alike(make, tmp_path, base):
    texts = [
        "run",
        "cell",
        "dataset",
        "method",
        "role",
        "parameters",
        "image",
        "ask",
        "metric",
        "variant",
        "region",
        "kind",
        "status",
        "reason",
    ]
    runs = [make.results(tmp_path / n, scored(make, n, base + i)) for i, n in enumerate("ab")]
    plain = ranking.write(runs, Output(tmp_path / "plain"))[0].read_text()
    for run in runs:
        run.table = FrameScores(run.scores.astype(dict.fromkeys(texts, "category")))
    assert ranking.write(runs, Output(tmp_path / "categories"))[0].read_text() == plain


def test_codecs_alone_and_nothing_give_no_file(make, tmp_path, base):
    codec = make.rows(
        "vae", {("absolute-error", "sum", "all"): base}, role="codec", kind="reconstruction"
    )
    assert ranking.write([make.results(tmp_path / "run", codec)], Output(tmp_path)) == []
    assert ranking.write([make.results(tmp_path / "run", [])], Output(tmp_path)) == []


def test_controls_alone_are_shown_without_ranks(make, tmp_path, base, table):
    text = written(make, tmp_path, scored(make, "grey", base, role="control"))
    assert table(text)[1]["grey"]["Rank"] == "–"


def test_standing_is_of_the_photographs_of_all(make, tmp_path, base):
    rows = [*scored(make, "a", base), *scored(make, "b", base[:30])]
    entries = gather([make.results(tmp_path, rows)], None, ["colourizer"], draws=True)["lfw"]
    assert list(ranks_of(entries, ENERGY).entries) == ["a"]
