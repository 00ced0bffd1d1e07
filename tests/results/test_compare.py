"""Two runs side by side: the numbers, the words, what is listed, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.errors import BenchError, NotComparable, NothingMeasured
from bench.output import Output
from bench.plugins.loader import Registry, registry
from bench.protocol import make_paper
from bench.results import compare as comparing
from bench.results.comparable import check_comparable, differences
from bench.results.compare import compare, headline, said
from bench.results.omissions import Omission
from bench.results.report import write_comparison
from bench.results.run_folder import Results
from bench.scores.intervals import paired_difference
from bench.scores.long_table import COLUMNS, SET_COLUMNS, frame
from bench.specs import ReportSpec

from ..manifests import make_manifest

N = 40
BASE = np.random.default_rng(0).gamma(4, 0.05, N)
SHIFT = 0.02 + 0.01 * np.random.default_rng(1).standard_normal(N)
PAPER = make_paper(antialias=False)
DATA = {
    "digest": "d",
    "train": {"ids_digest": "t", "photographs": 90},
    "test": {"ids_digest": "s", "photographs": N},
}
EMPTY = dict.fromkeys(COLUMNS, "") | {
    "role": "colourizer",
    "direction": "down",
    "metric_version": "1",
    "k": 0,
    "value": np.nan,
}


def rows(
    values,
    method="mdn",
    *,
    dataset="lfw",
    metric="error-of-best",
    variant="sum",
    direction="down",
    seed=0,
    ask="present",
    k=5,
    kind="iid",
    version="1",
    images=None,
    region="all",
):
    """One row a photograph; NaN is undefined."""
    same = {
        "dataset": dataset,
        "method": method,
        "metric": metric,
        "variant": variant,
        "direction": direction,
        "seed": seed,
        "ask": ask,
        "k": k,
        "kind": kind,
        "metric_version": version,
        "region": region,
    }
    names = images or [f"{i:03}" for i in range(len(values))]
    return [
        EMPTY
        | same
        | {"image": image, "value": float(v), "status": "done" if np.isfinite(v) else "undefined"}
        for image, v in zip(names, values)
    ]


def lost(status, reason, method="mdn", *, dataset="lfw", metric="", ask="", seed=0):
    """What was not computed."""
    return [
        EMPTY
        | {
            "dataset": dataset,
            "method": method,
            "metric": metric,
            "ask": ask,
            "seed": seed,
            "status": status,
            "reason": reason,
        }
    ]


def run(name, *parts, datasets=None, protocol=None, sets=(), cells=(), **manifest):
    described = (protocol or PAPER).describe() if not isinstance(protocol, dict) else protocol
    known = {"protocol": described, "preset": "tiny", **manifest}
    made = make_manifest(cells, datasets or {"lfw": DATA}, **known)
    table = frame([row for part in parts for row in part], COLUMNS)
    return Results(name, made, table, frame(list(sets), SET_COLUMNS))


@pytest.fixture
def pair(tmp_path):
    """`pair(rows of A, rows of B)`: two runs."""

    def made(first, second, **more):
        return run(tmp_path / "a", first, **more), run(tmp_path / "b", second, **more)

    return made


@pytest.fixture
def only_row(pair):
    """The row of two runs that have one fact in common."""

    def made(first, second):
        (row,) = compare(*pair(first, second)).rows
        return row

    return made


def test_means_and_the_paired_difference_are_numpy_s(only_row):
    row = only_row(rows(BASE), rows(BASE + SHIFT))
    assert row.means == pytest.approx((BASE.mean(), (BASE + SHIFT).mean()))
    assert row.difference.mean == pytest.approx(SHIFT.mean())
    alone = paired_difference(BASE + SHIFT, BASE)
    assert (row.difference.low, row.difference.high, row.difference.n) == pytest.approx(
        (alone.low, alone.high, N)
    )
    error = SHIFT.std(ddof=1) / np.sqrt(N)
    assert row.difference.low == pytest.approx(SHIFT.mean() - 2.02 * error, abs=0.3 * error)
    assert row.fact == ("lfw", "mdn", "present", "error-of-best", "sum", "all", 5)


def test_the_order_of_photographs_does_not_matter(only_row):
    order = np.random.default_rng(2).permutation(N)
    moved = rows((BASE + SHIFT)[order], images=[f"{i:03}" for i in order])
    assert only_row(rows(BASE), moved).difference.mean == pytest.approx(SHIFT.mean())


@pytest.mark.parametrize(
    ("direction", "more", "less"),
    [
        ("down", "worse", "better"),
        ("up", "better", "worse"),
        ("none", "differs", "differs"),
        ("target", "differs", "differs"),
    ],
)
def test_the_word_follows_the_metric_s_direction(only_row, direction, more, less):
    low, high = rows(BASE, direction=direction), rows(BASE + SHIFT, direction=direction)
    assert only_row(low, high).word == more
    assert only_row(high, low).word == less
    assert only_row(low, low).word == "identical"


def test_noise_shows_no_difference_and_few_photographs_show_nothing(only_row):
    noise = SHIFT - SHIFT.mean()
    assert only_row(rows(BASE), rows(BASE + noise)).word == "no difference shown"
    assert only_row(rows(BASE[:5]), rows(BASE[:5] + 1)).word == "too few images"
    assert only_row(rows(BASE[:6]), rows(BASE[:6] + 1)).word == "worse"


def test_parts_of_a_set_s_value_are_neither_better_nor_worse(only_row):
    row = only_row(rows(BASE, variant="part-x"), rows(BASE + SHIFT, variant="part-x"))
    assert (row.about.direction, row.word) == ("none", "differs")


def test_photographs_that_only_one_run_has_are_left_out_and_counted(pair):
    names = [f"{i:03}" for i in range(10, 10 + N)]
    comparison = compare(*pair(rows(BASE), rows(BASE + 1, images=names)))
    (row,) = comparison.rows
    assert (row.difference.n, row.unpaired) == (N - 10, 20)
    assert row.means[0] == pytest.approx(BASE[10:].mean())
    assert row.difference.mean == pytest.approx((BASE[:-10] + 1 - BASE[10:]).mean())
    assert any("up to 20 photographs" in remark for remark in comparison.remarks)


def test_no_photograph_in_common_is_too_few(only_row):
    row = only_row(rows(BASE), rows(BASE, images=[f"x{i}" for i in range(N)]))
    assert (row.word, row.difference.n) == ("too few images", 0)


def test_seeds_are_averaged_photograph_by_photograph_before_anything_else(pair):
    rng = np.random.default_rng(3)
    first, second = rng.random((2, N)), rng.random((3, N))
    comparison = compare(
        *pair(
            [r for s in range(2) for r in rows(first[s], seed=s)],
            [r for s in range(3) for r in rows(second[s], seed=s + 1)],
        )
    )
    (row,) = comparison.rows
    gap = second.mean(0) - first.mean(0)
    assert row.difference.mean == pytest.approx(gap.mean())
    assert row.difference.low == pytest.approx(paired_difference(second.mean(0), first.mean(0)).low)
    assert comparison.remarks == ("training seeds 0, 1 in A, 1, 2, 3 in B: mdn on lfw",)


def test_an_undefined_value_is_counted_and_enters_no_mean(pair):
    hole = np.where(np.arange(N) < 3, np.nan, BASE)
    comparison = compare(
        *pair(
            rows(BASE) + rows(BASE, metric="other"), rows(hole) + rows(BASE + SHIFT, metric="other")
        )
    )
    row, other = comparison.rows
    assert (row.word, row.undefined, said(row)) == ("undefined", (0, 3), "undefined: 3 in B of 40")
    assert np.isnan([row.means[1], row.difference.mean, row.difference.low]).all()
    assert other.word == "worse"
    assert np.isfinite([image[1:] for image in row.changed(N)]).all()


def test_one_seed_without_a_value_makes_the_photograph_undefined(only_row):
    hole = np.where(np.arange(N) == 7, np.nan, BASE)
    assert only_row(rows(BASE), rows(BASE, seed=0) + rows(hole, seed=1)).undefined == (0, 1)


def test_the_photographs_that_changed_most(only_row):
    later = BASE.copy()
    later[[4, 9, 2]] += [0.5, -0.9, 0.1]
    changed = only_row(rows(BASE), rows(later)).changed(5)
    assert [image for image, _, _ in changed] == ["009", "004", "002"]
    assert changed[0][1:] == pytest.approx((BASE[9], BASE[9] - 0.9))
    assert only_row(rows(BASE), rows(later)).changed(0) == []


def omissions(comparison):
    return {(o.method, o.ask, o.metric, o.part, o.only): o.reason for o in comparison.omissions}


def test_what_only_one_run_has_is_listed_with_the_reason(pair):
    first = (
        rows(BASE) + rows(BASE, metric="crps", ask="draws") + rows(BASE, "cvae") + rows(BASE, "old")
    )
    first += rows(BASE, metric="fid") + rows(BASE, variant="mean")
    second = (
        rows(BASE)
        + lost("refused", "it can't draw", metric="crps", ask="draws")
        + rows(BASE, "new")
    )
    second += lost("failed", "no memory", "cvae")
    comparison = compare(*pair(first, second))
    assert [row.fact.variant for row in comparison.rows] == ["sum"]
    assert omissions(comparison) == {
        ("old", "", "", "", "A"): "B has no such method",
        ("new", "", "", "", "B"): "A has no such method",
        ("mdn", "draws", "crps", "", "A"): "refused: it can't draw (in B)",
        ("mdn", "present", "fid", "", "A"): "not measured in B",
        ("mdn", "present", "error-of-best", "mean (all, k = 5)", "A"): "not measured in B",
        ("cvae", "", "", "", "A"): "failed: no memory (in B)",
    }


def test_what_a_method_refused_itself_is_the_reason(pair, tmp_path):
    cell = {
        "dataset": "lfw",
        "method": "mdn",
        "seed": 0,
        "asks": [{"ask": "draws", "refused": "it has no law"}],
    }
    second = run(tmp_path / "b", rows(BASE), cells=[cell])
    comparison = compare(run(tmp_path / "a", rows(BASE) + rows(BASE, ask="draws")), second)
    assert omissions(comparison) == {
        ("mdn", "draws", "error-of-best", "", "A"): "refused: it has no law (in B)"
    }


def test_the_reason_of_the_metric_itself_is_the_one_that_is_told(pair):
    first = rows(BASE) + rows(BASE, metric="crps", ask="draws")
    second = (
        rows(BASE)
        + lost("failed", "killed", seed=1)
        + lost("refused", "it can't draw", metric="crps", ask="draws")
    )
    assert (
        omissions(compare(*pair(first, second)))["mdn", "draws", "crps", "", "A"]
        == "refused: it can't draw (in B)"
    )


def test_a_seed_that_failed_in_one_run_is_listed_and_the_others_are_compared(pair):
    both = rows(BASE, seed=0) + rows(BASE + 1, seed=1)
    comparison = compare(*pair(both, rows(BASE, seed=0) + lost("failed", "killed", seed=1)))
    assert omissions(comparison) == {("mdn", "", "", "seed 1", "A"): "failed: killed (in B)"}
    assert comparison.rows[0].difference.mean == pytest.approx(-0.5)


def test_a_metric_that_failed_half_way_is_not_a_mean_of_the_rest(pair):
    half = rows(BASE[:16]) + lost("failed", "ValueError", metric="error-of-best", ask="present")
    comparison = compare(
        *pair(rows(BASE) + rows(BASE, metric="other"), half + rows(BASE, metric="other"))
    )
    assert [row.fact.metric for row in comparison.rows] == ["other"]
    assert omissions(comparison) == {
        ("mdn", "present", "error-of-best", "", "A"): "failed: ValueError (in B)"
    }


def test_other_versions_of_a_metric_and_other_kinds_of_samples_are_not_compared(pair):
    first = rows(BASE, version="1") + rows(BASE, metric="x", kind="iid") + rows(BASE, metric="y")
    comparison = compare(
        *pair(
            first,
            rows(BASE, version="2") + rows(BASE, metric="x", kind="modes") + rows(BASE, metric="y"),
        )
    )
    assert [row.fact.metric for row in comparison.rows] == ["y"]
    assert comparison.omissions == (
        Omission(
            "lfw", "mdn", "present", "error-of-best", "", "", "metric version 1 in A and 2 in B"
        ),
        Omission("lfw", "mdn", "present", "x", "", "", "of iid in A and of modes in B"),
    )


def set_row(value, metric="fid", method="mdn", seed=0, kind="iid"):
    row = dict.fromkeys(SET_COLUMNS, "") | {
        "dataset": "lfw",
        "method": method,
        "metric": metric,
        "variant": "v",
        "seed": seed,
    }
    return row | {
        "value": value,
        "low": value - 1,
        "high": value + 1,
        "images": N,
        "k": 10,
        "ask": "draws",
        "kind": kind,
    }


def test_values_of_whole_sets_stand_side_by_side_and_lonely_ones_are_listed(tmp_path):
    first = run(
        tmp_path / "a",
        rows(BASE),
        sets=[set_row(4.0), set_row(6.0, seed=1), set_row(1.0, "ratio"), set_row(2.0, "x")],
    )
    second = run(tmp_path / "b", rows(BASE), sets=[set_row(7.0), set_row(2.0, "x", kind="modes")])
    comparison = compare(first, second)
    (row,) = comparison.sets
    assert (row.first.mean, row.first.low, row.second.mean, row.fact.region) == (
        5.0,
        4.0,
        7.0,
        "set",
    )
    assert omissions(comparison) == {
        ("mdn", "draws", "ratio", "v (set, k = 10)", "A"): "not measured in B",
        ("mdn", "draws", "x", "v (set, k = 10)", ""): "of iid in A and of modes in B",
    }


def test_a_value_of_the_whole_set_is_its_own_method_s(tmp_path):
    both = rows(BASE) + rows(BASE, "mdn[k=2]")
    first = run(tmp_path / "a", both, sets=[set_row(4.0), set_row(5.0, method="mdn[k=2]")])
    second = run(tmp_path / "b", both, sets=[set_row(7.0, method="mdn[k=2]")])
    comparison = compare(first, second)
    assert [(row.fact.method, row.first.mean, row.second.mean) for row in comparison.sets] == [
        ("mdn[k=2]", 5.0, 7.0)
    ]
    assert omissions(comparison) == {
        ("mdn", "draws", "fid", "v (set, k = 10)", "A"): "not measured in B"
    }


def test_metrics_can_be_chosen_and_a_misspelt_one_is_named(pair):
    runs = pair(rows(BASE) + rows(BASE, metric="other"), rows(BASE) + rows(BASE, metric="other"))
    assert [row.fact.metric for row in compare(*runs, ["other"]).rows] == ["other"]
    with pytest.raises(BenchError, match="'othre': did you mean 'other'"):
        compare(*runs, ["othre"])


def test_all_that_differs_is_in_one_refusal(tmp_path):
    moved = DATA | {"train": {"ids_digest": "T"}, "test": {"ids_digest": "S"}}
    second = run(
        tmp_path / "b", rows(BASE), protocol=replace(PAPER, k=3, scale=1.0), datasets={"lfw": moved}
    )
    with pytest.raises(NotComparable, match="are not comparable: ") as caught:
        compare(run(tmp_path / "a", rows(BASE)), second)
    message = str(caught.value)
    for part in (
        "k: 5 and 3",
        "scale: 128.0 and 1.0",
        "test photographs of lfw",
        "training photographs of lfw",
    ):
        assert part in message
    assert "\n" not in message


def test_other_training_photographs_and_changed_files_are_refused_here_but_not_in_reports(tmp_path):
    first = run(tmp_path / "a", rows(BASE))
    for change, says in (
        ({"train": {"ids_digest": "T"}}, "training photographs of lfw"),
        ({"digest": "e"}, "source files of lfw"),
    ):
        second = run(tmp_path / "b", rows(BASE), datasets={"lfw": DATA | change})
        assert differences(first.manifest, second.manifest) == []
        assert differences(first.manifest, second.manifest, strict=True) == [says]
        check_comparable([first, second])
        with pytest.raises(NotComparable, match=says):
            compare(first, second)


def test_a_choice_that_one_protocol_lacks_differs_in_either_order(tmp_path):
    older = {k: v for k, v in PAPER.describe().items() if k != "draws"}
    runs = [
        run(tmp_path / name, rows(BASE), protocol=p).manifest
        for name, p in (("a", PAPER), ("b", older))
    ]
    assert differences(*runs) == ["draws: 10 and None"]
    assert differences(*runs[::-1]) == ["draws: None and 10"]


def test_runs_that_share_nothing_are_nothing_measured(tmp_path, pair):
    other = run(tmp_path / "b", rows(BASE, dataset="church"), datasets={"church": DATA})
    with pytest.raises(
        NothingMeasured,
        match="share no method on a data set: A has mdn on lfw; B has mdn on church",
    ):
        compare(run(tmp_path / "a", rows(BASE)), other)
    with pytest.raises(NothingMeasured, match="B has cvae on lfw"):
        compare(*pair(rows(BASE), rows(BASE, "cvae")))
    with pytest.raises(NothingMeasured, match="failed: no memory"):
        compare(*pair(rows(BASE), lost("failed", "no memory")))


def test_other_presets_versions_and_parameters_are_remarks(tmp_path):
    def cell(version, steps):
        return {
            "dataset": "lfw",
            "method": "mdn",
            "seed": 0,
            "version": version,
            "parameters": {"steps": steps},
        }

    first = run(
        tmp_path / "a",
        rows(BASE),
        cells=[cell("1", 2)],
        environment={"libraries": {"torch": "2.1"}},
    )
    second = run(
        tmp_path / "b",
        rows(BASE),
        cells=[cell("2", 3)],
        preset="small",
        environment={"libraries": {"torch": "2.2"}},
    )
    assert compare(first, second).remarks == (
        "preset tiny in A, small in B",
        "torch 2.1 in A, 2.2 in B",
        "method version 1 in A, 2 in B: mdn on lfw",
        "parameter steps = 2 in A, 3 in B: mdn on lfw",
    )
    assert compare(first, first).remarks == ("A and B are the same run",)


def test_only_libraries_that_both_name_are_compared(tmp_path):
    first = run(
        tmp_path / "a", rows(BASE), environment={"libraries": {"torch": "2.1", "scipy": "1.17"}}
    )
    second = run(
        tmp_path / "b", rows(BASE), environment={"libraries": {"torch": "2.1", "lightning": "2.6"}}
    )
    assert compare(first, second).remarks == compare(second, first).remarks == ()
    assert compare(first, run(tmp_path / "c", rows(BASE), environment={})).remarks == ()


def test_the_headline_shows_draws_where_a_metric_takes_nothing_else(pair):
    energy = {"metric": "fair-energy-score", "variant": "field", "ask": "draws"}
    some = (
        rows(BASE)
        + rows(BASE, ask="draws")
        + rows(BASE, region="grid")
        + rows(BASE, **energy)
        + rows(BASE, metric="auc")
    )
    shown = headline(compare(*pair(some, some)), registry())
    assert [(r.fact.ask, r.fact.metric, r.fact.region) for r in shown] == [
        ("present", "error-of-best", "all"),
        ("draws", "fair-energy-score", "all"),
    ]
    assert comparing.table(shown)[0]["B is"] == "identical"


def fake(monkeypatch, name="third", **more):
    """A registry with one report kind that writes a file."""
    spec = ReportSpec(name=name, summary="s", factory="nowhere:write", **more)
    found = Registry(None)
    found.specs["reports"][name] = spec

    def factory(comparison, out):
        (out.folder / "x.md").write_text(str(len(comparison.rows)))
        return [out.folder / "x.md"]

    monkeypatch.setattr(ReportSpec, "load", lambda self: factory)
    return found


def test_report_kinds_that_compare_are_called_and_others_are_not(monkeypatch, pair, tmp_path):
    comparison = compare(*pair(rows(BASE), rows(BASE)))
    assert write_comparison(
        comparison, Output(tmp_path / "out"), fake(monkeypatch, compares=True)
    ) == [tmp_path / "out" / "x.md"]
    with pytest.raises(BenchError, match="no report kind that compares"):
        write_comparison(comparison, Output(tmp_path / "other"), fake(monkeypatch))
    assert not (tmp_path / "other").exists()


def test_a_folder_with_anything_else_is_refused(monkeypatch, pair, tmp_path):
    plugins = fake(monkeypatch, compares=True)
    comparison = compare(*pair(rows(BASE), rows(BASE)))
    for name, file, says in (
        ("run", "manifest.json", "holds a run"),
        ("mine", "thesis.tex", "holds no comparison"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
        with pytest.raises(BenchError, match=says):
            write_comparison(comparison, Output(tmp_path / name), plugins)
        assert [p.name for p in (tmp_path / name).iterdir()] == [file]
    for _ in range(2):
        write_comparison(comparison, Output(tmp_path / "out"), plugins)
    assert len(json.loads((tmp_path / "out" / "comparison.json").read_text())["runs"]) == 2
    with pytest.raises(BenchError, match="comparison of other runs"):
        write_comparison(
            replace(comparison, second=comparison.first), Output(tmp_path / "out"), plugins
        )
    with pytest.raises(BenchError, match="unknown format 'pdf'"):
        write_comparison(comparison, Output(tmp_path / "new", frozenset({"pdf"})), plugins)


def test_a_report_of_runs_leaves_out_what_compares_two_and_says_where_it_is(monkeypatch, tmp_path):
    from bench.contracts.execution import Quiet
    from bench.results.report import write as report

    plugins = fake(monkeypatch, compares=True)
    results = run(tmp_path / "a", rows(BASE))
    with pytest.raises(BenchError, match="'third' compares two runs: use `bench compare`"):
        report([results], Output(tmp_path / "out"), plugins, Quiet(), ["third"])
    done = report([results], Output(tmp_path / "out", frozenset({"csv"})), plugins, Quiet())
    assert done.sections == []
