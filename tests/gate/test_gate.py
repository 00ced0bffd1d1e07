"""Verdicts: against margins, by direction, over seeds, of whole sets; what can't be compared; and
the exit status."""

from dataclasses import replace

import numpy as np
import pytest

from bench.errors import ExitCode, NothingMeasured
from bench.gate import baseline
from bench.gate.margins import parse
from bench.gate.verdict import judge
from bench.plugins.loader import registry
from bench.protocol import make_paper
from bench.results.ranks import holm

from .conftest import BASE, IDS, N, cells, data, lost, ratio, rows, set_row

NOISE = 0.01 * np.random.default_rng(7).standard_normal(N)
NOISE -= NOISE.mean()


@pytest.fixture
def gate(run, tmp_path):
    """`gate(rows before, rows after, margins...)`: the gate of a run against the baseline of
    another."""

    def judged(before, after, *margins, strict=None, more=None, names=(), **same):
        made = baseline.make(
            run("before", before, **same), tmp_path / "b.json", names, registry(), force=True
        )
        baseline.write(made)
        settings = parse({"margin": list(margins)}, "gate.toml")
        return judge(
            run("after", after, **{**same, **(more or {})}),
            baseline.read(made.path),
            settings,
            registry(),
            strict,
        )

    return judged


@pytest.fixture
def only(gate):
    """The only row."""

    def row(*arguments, **more):
        (found,) = gate(*arguments, **more).rows
        return found

    return row


def test_worse_better_and_neither(gate):
    shifts = {"mdn": 0.02, "cvae": -0.02, "zhang": 0}
    found = gate(
        [row for method in shifts for row in rows(BASE, method=method)],
        [
            row
            for method, shift in shifts.items()
            for row in rows(BASE + shift + NOISE, method=method)
        ],
    )
    assert [row.verdict for row in found.rows] == ["regressed", "ok", "inconclusive"]
    assert found.rows[0].evidence.value == pytest.approx(0.02, abs=1e-5)
    assert (found.rows[0].before, found.rows[0].after) == pytest.approx(
        (BASE.mean(), BASE.mean() + 0.02), rel=1e-5
    )
    assert found.code == ExitCode.REGRESSION


@pytest.mark.parametrize(
    ("metric", "more", "less"),
    [
        ("fair-energy-score", "regressed", "ok"),
        ("mode-coverage", "ok", "regressed"),
        ("variance", "regressed", "regressed"),
    ],
)
def test_the_direction_is_the_metric_s_and_the_order_of_the_runs_counts(only, metric, more, less):
    low, high = rows(BASE, metric), rows(BASE + 0.02 + NOISE, metric)
    up, down = only(low, high), only(high, low)
    assert (up.verdict, down.verdict) == (more, less)
    assert up.evidence.value == pytest.approx(-down.evidence.value, abs=1e-6)
    sign = -1 if metric == "mode-coverage" else 1
    assert np.sign(up.evidence.value) == sign


def test_three_verdicts_against_a_margin(only):
    before, after = rows(BASE), rows(BASE + 0.02 + NOISE)
    assert only(before, after, {"absolute": 0.01}).verdict == "regressed"
    assert only(before, after, {"absolute": 0.02}).verdict == "inconclusive"
    assert only(before, after, {"absolute": 0.03}).verdict == "ok"


def test_a_relative_margin_is_of_the_baseline_s_mean(only):
    found = only(rows(BASE), rows(BASE * 1.05 + NOISE), {"metric": "fair-*", "relative": 0.1})
    assert found.margin.value == pytest.approx(0.1 * BASE.mean(), rel=1e-5)
    assert found.verdict == "ok"


def test_a_band_where_neither_direction_is_better(only):
    before = rows(BASE, "variance")
    for after in (rows(BASE + 0.02 + NOISE, "variance"), rows(BASE - 0.02 + NOISE, "variance")):
        assert only(before, after, {"absolute": 0.01}).verdict == "regressed"
        assert only(before, after, {"absolute": 0.03}).verdict == "ok"
    assert only(before, rows(BASE + NOISE, "variance")).verdict == "inconclusive"


def test_identical_values_are_ok_without_a_test(only):
    """Also where they differ by what the file's digits, or float32, round away."""
    for after in (
        BASE,
        BASE.astype(np.float32).astype(float),
        BASE * (1 + 4e-7),
        BASE * (1 - 4e-7),
    ):
        found = only(rows(BASE), rows(after))
        assert (found.verdict, found.why) == ("ok", "identical")
    assert only(rows(BASE), rows(BASE * (1 + 1e-4))).verdict == "regressed"
    assert (
        only(rows(np.full(N, 0.2)), rows(np.full(N, 0.200005))).verdict == "regressed"
    )  # five units of the last digit


def test_identical_quantities_are_no_part_of_the_family(gate):
    many = [row for i in range(30) for row in rows(BASE, method=f"same{i}")]
    alone = gate(rows(BASE), rows(BASE + 0.004 + NOISE)).rows[0]
    among = gate(rows(BASE) + many, rows(BASE + 0.004 + NOISE) + many).rows[0]
    assert alone.p == among.p


def test_p_values_are_holm_s(gate):
    rng = np.random.default_rng(2)
    after = [BASE + 0.003 * i + 0.01 * rng.standard_normal(N) for i in range(4)]
    found = gate(
        [row for i in range(4) for row in rows(BASE, method=f"m{i}")],
        [row for i in range(4) for row in rows(after[i], method=f"m{i}")],
    )
    assert [row.p for row in found.rows] == pytest.approx(
        holm([row.evidence.worse for row in found.rows])
    )
    assert len({row.verdict for row in found.rows}) > 1


def test_an_image_s_seeds_are_one_value(only):
    """Two seeds that agree are no more evidence than one."""
    shift = 0.004 + NOISE
    one = only(rows(BASE), rows(BASE + shift))
    two = only(rows(BASE) + rows(BASE, seed=1), rows(BASE + shift) + rows(BASE + shift, seed=1))
    assert (two.evidence.low, two.p, two.n, two.seeds) == (
        pytest.approx(one.evidence.low),
        pytest.approx(one.p),
        N,
        (0, 1),
    )
    mixed = only(rows(BASE) + rows(BASE, seed=1), rows(BASE + shift) + rows(BASE - shift, seed=1))
    assert mixed.evidence.value == pytest.approx(0, abs=1e-6)


def test_a_training_that_failed_weighs_more_than_one_that_is_not_comparable(only):
    before = rows(BASE) + rows(BASE, seed=1)
    after = (
        rows(BASE, kind="modes")
        + rows(BASE, "variance", kind="modes", seed=1)
        + lost("failed", "no memory", seed=1)
    )
    found = only(before, after)
    assert (found.verdict, found.why) == ("regressed", "failed: no memory")


def test_seeds_beyond_the_baseline_s_are_not_needed(only):
    assert only(rows(BASE), rows(BASE) + rows(BASE + 9, seed=1)).why == "identical"


def test_a_value_of_the_set_is_tested_on_the_same_photographs(only):
    above, below = 2 * BASE + NOISE, BASE
    sets = [set_row("spread-skill", "ratio")]
    found = only(ratio(above, below), ratio(1.3 * above, below), {"absolute": 0.1}, sets=sets)
    expected = np.sqrt(1.3 * above.mean() / below.mean()) - np.sqrt(above.mean() / below.mean())
    assert (found.verdict, found.evidence.value) == ("regressed", pytest.approx(expected, rel=1e-4))
    assert found.after == pytest.approx(np.sqrt(1.3 * above.mean() / below.mean()), rel=1e-5)
    assert only(ratio(above, below), ratio(above, below), sets=sets).why == "identical"
    assert (
        only(ratio(above, below), ratio(above * 1.001, below), {"absolute": 0.1}, sets=sets).verdict
        == "ok"
    )


def test_few_photographs_are_too_few(only):
    ids = {n: {"datasets": {"demo": data(IDS[:n])}} for n in (5, 6)}
    few, six = (
        only(rows(BASE[:n], images=IDS[:n]), rows(BASE[:n] + 1, images=IDS[:n]), **ids[n])
        for n in (5, 6)
    )
    assert (few.verdict, few.why) == (
        "inconclusive",
        "5 photographs are too few to show anything: 6 at least",
    )
    assert six.verdict == "regressed"


ANOTHER = rows(BASE, method="zhang")
ENERGY = {"metric": "fair-energy-score", "ask": "draws"}
HOLE = np.where(np.arange(N) < 3, np.nan, BASE)


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (ANOTHER + lost("failed", "no memory"), "failed: no memory"),
        (ANOTHER, "missing: the run has no such method"),
        (ANOTHER + rows(BASE, "variance"), "missing: not measured in the run"),
        (
            ANOTHER + rows(BASE, "variance") + lost("failed", "ValueError", **ENERGY),
            "failed: ValueError",
        ),
        (
            ANOTHER + rows(BASE, "variance") + lost("refused", "no draws", **ENERGY),
            "refused: no draws",
        ),
        (
            ANOTHER + rows(HOLE),
            "undefined for 3 of 40 photographs that have a value in the baseline",
        ),
        (
            ANOTHER + rows(BASE[:30], images=IDS[:30]),
            "undefined for 10 of 40 photographs that have a value in the baseline",
        ),
    ],
)
def test_what_is_missing_or_failed_anew_is_a_regression(gate, after, why):
    found = gate(rows(BASE) + rows(BASE, method="zhang"), after)
    row = next(row for row in found.rows if row.quantity.method == "mdn")
    assert (row.verdict, row.why, found.code) == ("regressed", why, ExitCode.REGRESSION)


def test_a_missing_data_set_is_a_regression(gate):
    found = gate(
        rows(BASE) + rows(BASE, dataset="church"), rows(BASE), more={"datasets": {"demo": data()}}
    )
    assert [row.why for row in found.rows] == ["identical", "missing: the run has no such data set"]
    assert found.code == ExitCode.REGRESSION


def test_a_lone_method_that_fails_now_is_a_regression_and_not_nothing(gate):
    assert gate(rows(BASE), lost("failed", "no memory")).code == ExitCode.REGRESSION


def test_what_was_undefined_already_is_left_out_of_both(only):
    found = only(rows(HOLE), rows(BASE + 0.02 + NOISE))
    assert (found.n, found.verdict) == (N - 3, "regressed")
    assert found.before == pytest.approx(BASE[3:].mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("after", "verdict", "why"),
    [(np.full(N, np.nan), "ok", "identical"), (BASE, "inconclusive", "undefined in the baseline")],
)
def test_what_a_baseline_of_before_has_undefined(run, tmp_path, after, verdict, why):
    made = baseline.make(run("before", rows(BASE)), tmp_path / "b.json", (), registry())
    nothing = tuple(replace(series, values=np.full(N, np.nan)) for series in made.series)
    baseline.write(replace(made, series=nothing))
    found = judge(
        run("after", rows(after)), baseline.read(made.path), parse({}, ""), registry(), strict=True
    )
    assert [(row.verdict, row.why) for row in found.rows] == [(verdict, why)]
    assert found.code == (ExitCode.OK if verdict == "ok" else ExitCode.INCONCLUSIVE)


def test_a_set_s_value_that_is_undefined_in_both_is_ok_only_where_its_parts_are_the_same(
    run, tmp_path
):
    def ratios(name, above, below):
        return run(name, ratio(above, below), sets=[set_row("spread-skill", "ratio")])

    zero = np.zeros(N)
    made = baseline.make(ratios("before", BASE, BASE), tmp_path / "b.json", (), registry())
    nothing = tuple(replace(series, values=zero) for series in made.series)
    baseline.write(replace(made, series=nothing))
    for name, below, verdict in (("same", zero, "ok"), ("other", BASE, "inconclusive")):
        (row,) = judge(
            ratios(name, zero, below), baseline.read(made.path), parse({}, ""), registry()
        ).rows
        assert row.verdict == verdict


def test_metrics_of_a_plugin_that_is_not_loaded_are_noted(gate):
    found = gate(rows(BASE), rows(BASE) + rows(BASE, "halo"))
    assert "metrics that the baseline does not have: halo" in found.notes


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (rows(BASE, metric_version="2"), "metric version 1 in the baseline, 2 in the run"),
        (
            rows(BASE, metric_version="1[p=1.0]"),
            "metric version 1 in the baseline, 1[p=1.0] in the run",
        ),
        (rows(BASE, kind="modes"), "kind iid in the baseline, modes in the run"),
        (rows(BASE, k=20), "of draws, k = 10 in the baseline, of draws, k = 20 in the run"),
        (
            rows(BASE, ask="present"),
            "of draws, k = 10 in the baseline, of present, k = 10 in the run",
        ),
        (rows(BASE, direction="up"), "direction down in the baseline, up in the run"),
        (rows(BASE, seed=3), "training seeds 0 in the baseline, 3 in the run"),
    ],
)
def test_other_things_under_one_name_are_not_compared(gate, after, why):
    found = gate(rows(BASE) + rows(BASE, method="zhang"), after + rows(BASE, method="zhang"))
    assert [(row.verdict, row.why) for row in found.rows] == [
        ("not comparable", why),
        ("ok", "identical"),
    ]
    assert found.code == ExitCode.NOT_COMPARABLE


def test_fewer_seeds_than_the_baseline_has_are_not_comparable(only):
    assert (
        only(rows(BASE) + rows(BASE, seed=1), rows(BASE)).why
        == "training seeds 0, 1 in the baseline, 0 in the run"
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"protocol": make_paper(antialias=False, k=3)}, "k: 5 and 3"),
        ({"datasets": {"demo": data(digest="e")}}, "source files of demo"),
        ({"datasets": {"demo": data(IDS[::-1])}}, "test photographs of demo"),
        (
            {"datasets": {"demo": data(train={**data()["train"], "ids_digest": "T"})}},
            "training photographs of demo",
        ),
    ],
)
def test_other_protocols_and_data_are_refused_altogether(gate, more, says):
    found = gate(rows(BASE), rows(BASE + 1), more=more)
    assert (found.rows, found.refusals, found.code) == ((), (says,), ExitCode.NOT_COMPARABLE)
    assert says in found.summary


def test_a_regression_weighs_more_than_what_is_not_comparable(gate):
    found = gate(
        rows(BASE) + rows(BASE, method="zhang"),
        rows(BASE, metric_version="2") + rows(BASE + 1, method="zhang"),
    )
    assert found.code == ExitCode.REGRESSION


def test_inconclusive_fails_only_where_it_is_asked_to(gate):
    before, after = rows(BASE), rows(BASE + NOISE)
    assert gate(before, after).code == ExitCode.OK
    assert gate(before, after, strict=True).code == ExitCode.INCONCLUSIVE
    assert gate(before, rows(BASE), strict=True).code == ExitCode.OK


def test_settings_can_ask_too(run, tmp_path):
    made = baseline.make(run("before", rows(BASE)), tmp_path / "b.json", (), registry())
    after = run("after", rows(BASE + NOISE))
    assert (
        judge(after, made, parse({"inconclusive": "fail"}, ""), registry()).code
        == ExitCode.INCONCLUSIVE
    )
    assert (
        judge(after, made, parse({"inconclusive": "fail"}, ""), registry(), strict=False).code
        == ExitCode.OK
    )


def test_runs_that_share_nothing_and_rules_that_skip_all_are_nothing_measured(gate):
    with pytest.raises(
        NothingMeasured, match="the baseline is of mdn on demo; the run has zhang on demo"
    ):
        gate(rows(BASE), rows(BASE, method="zhang"))
    with pytest.raises(NothingMeasured, match="nothing is gated"):
        gate(rows(BASE), rows(BASE), {"skip": True})


def test_new_things_and_skipped_ones_are_notes(gate):
    after = (
        rows(BASE)
        + rows(BASE, "error-of-best")
        + rows(BASE, method="cvae")
        + rows(BASE, method="zhang")
    )
    found = gate(rows(BASE) + rows(BASE, method="zhang"), after, {"method": "zhang", "skip": True})
    assert [row.quantity.method for row in found.rows] == ["mdn"]
    assert found.notes == (
        "not gated, by a rule: fair-energy-score:field of zhang on demo",
        "new in the run, and not gated: cvae on demo",
        "metrics that the baseline does not have: error-of-best",
    )
    assert found.code == ExitCode.OK


def test_what_differs_besides_is_a_note(gate):
    changed = [{**cell, "version": "2", "parameters": {"steps": 3}} for cell in cells(rows(BASE))]
    found = gate(
        rows(BASE),
        rows(BASE),
        more={"cells": changed, "preset": "small", "environment": {"libraries": {"torch": "2.2"}}},
    )
    assert found.notes == (
        "preset tiny in the baseline, small in the run",
        "torch 2.1 in the baseline, 2.2 in the run",
        "method version 1 in the baseline, 2 in the run: mdn on demo",
        "parameter steps = 2 in the baseline, 3 in the run: mdn on demo",
    )
    assert found.code == ExitCode.OK


def test_only_libraries_that_both_name_are_compared(gate):
    more = {"environment": {"libraries": {"torch": "2.1", "lightning": "2.6"}}}
    assert gate(rows(BASE), rows(BASE), more=more).notes == ()
    assert gate(rows(BASE), rows(BASE), more={"environment": {}}).notes == ()
    more["environment"]["libraries"] |= {"torch": "2.2"}
    assert gate(rows(BASE), rows(BASE), more=more).notes == (
        "torch 2.1 in the baseline, 2.2 in the run",
    )


def test_a_metric_that_the_baseline_leaves_out_is_not_one_that_it_does_not_have(gate):
    both = rows(BASE) + rows(np.full(N, np.nan), "error-of-best") + rows(BASE, "halo")
    after = rows(BASE) + rows(BASE, "error-of-best") + rows(BASE, "halo") + rows(BASE, "variance")
    assert gate(both, after).notes == (
        "not gated: error-of-best:sum: undefined for mdn on demo",
        "not gated: halo: not loaded here",
        "metrics that the baseline does not have: variance",
    )


def test_margins_below_the_noise_floor_and_rules_for_nothing_are_warned_of(gate, tmp_path):
    before = [row for seed in range(3) for row in rows(BASE + 0.01 * seed, seed=seed)]
    found = gate(
        before,
        before,
        {"metric": "fair-*", "absolute": 0.001},
        {"metric": "fair-energy", "absolute": 1},
    )
    assert len(found.warnings) == 2
    assert "1 of 1 margins lie below the noise floor of training seeds" in found.warnings[0]
    assert "metric = fair-energy" in found.warnings[1]
    assert not gate(before, before, {"absolute": 0.1}).warnings
    (floor,) = baseline.read(tmp_path / "b.json").floors.values()
    assert not gate(before, before, {"absolute": floor.value}).warnings
