"""Baselines: what is chosen of a run, what the file says, and what is refused."""

import json

import numpy as np
import pytest

from bench.errors import BenchError, NothingMeasured
from bench.gate import baseline, noise_floor
from bench.gate.baseline import make, read, significant
from bench.gate.columns import quantity_of
from bench.plugins.loader import registry

from .conftest import BASE, IDS, N, data, lost, ratio, rows, set_row


@pytest.fixture
def written(run, tmp_path):
    """`written(rows, ...)`: the baseline of a run, as it is read from its file."""

    def write(*parts, names=(), force=False, **more):
        made = make(run("run", *parts, **more), tmp_path / "b.json", names, registry(), force=force)
        baseline.write(made)
        return read(made.path)

    return write


def variants(found):
    return {f"{q.metric}:{q.variant}" for q in found.quantities}


def test_headlines_are_chosen_at_the_ask_at_which_they_rank(written):
    found = written(
        rows(BASE),
        rows(BASE + 1, ask="present"),
        rows(BASE, "error-of-best"),
        rows(BASE, "error-of-best", ask="draws"),
        rows(BASE, "error-of-best", variant="mean"),
        rows(BASE, "error-of-best", region="grid"),
        rows(BASE, "psnr", variant="best-of-n"),
    )
    assert variants(found) == {"fair-energy-score:field", "error-of-best:sum"}
    (energy,) = (s for s in found.series if s.about.metric == "fair-energy-score")
    about = energy.about
    assert (about.ask, about.kind, about.k, about.metric_version, about.direction) == (
        "draws",
        "iid",
        10,
        "1",
        "down",
    )
    np.testing.assert_allclose(energy.values, BASE, rtol=1e-5)


def test_named_metrics_and_variants_replace_them(written):
    parts = [
        rows(BASE),
        *(rows(BASE, "psnr", variant=v, ask="present") for v in ("mean-of-n", "best-of-n")),
    ]
    assert variants(written(*parts, names=["psnr:best-of-n"])) == {"psnr:best-of-n"}


def test_a_named_metric_without_a_headline_is_its_first_variant(written):
    parts = [
        rows(BASE, "psnr", variant="best-of-n", ask="present"),
        rows(BASE, "psnr", variant="mean-of-n", ask="present"),
    ]
    assert variants(written(*parts, names=["psnr"])) == {"psnr:mean-of-n"}


def test_a_set_s_value_brings_the_columns_that_it_is_made_of(written):
    found = written(ratio(BASE, BASE + 1), sets=[set_row("spread-skill", "ratio")])
    assert variants(found) == {"spread-skill:ratio"}
    assert found.sets[0].parts == ("skill", "spread")
    assert [(q.variant, q in found.parts) for q in map(quantity_of, found.series)] == [
        ("skill", True),
        ("spread", True),
    ]


def test_a_set_s_value_is_of_its_own_method_and_seed(written):
    both = [row for method in ("mdn", "mdn[k=2]") for row in ratio(BASE, BASE + 1, method=method)]
    found = written(both, sets=[set_row("spread-skill", "ratio", method="mdn[k=2]")])
    assert [str(quantity) for quantity in found.quantities] == [
        "spread-skill:ratio of mdn[k=2] on demo"
    ]
    assert {series.about.method for series in found.series} == {"mdn[k=2]"}
    seeds = ratio(BASE, BASE + 1) + ratio(BASE, BASE + 2, seed=1)
    found = written(seeds, sets=[set_row("spread-skill", "ratio", seed=1)])
    assert [series.about.seed for series in found.series] == [1, 1]


def test_a_part_that_is_gated_itself_is_one_column(written):
    names = ["spread-skill:ratio,spread-skill:spread"]
    found = written(ratio(BASE, BASE + 1), sets=[set_row("spread-skill", "ratio")], names=names)
    assert variants(found) == {"spread-skill:ratio", "spread-skill:spread"}
    assert [(q.variant, q in found.parts) for q in map(quantity_of, found.series)] == [
        ("spread", False),
        ("skill", True),
    ]


def test_what_is_only_known_at_the_end_is_named_and_not_gated(written):
    found = written(rows(BASE), sets=[set_row("fid", "all-samples")])
    assert variants(found) == {"fair-energy-score:field"}
    assert found.left_out == (
        "fid:all-samples: the metric makes it at the end, so it can't be resampled by photographs",
    )


def test_nothing_but_that_is_nothing_to_gate(written):
    with pytest.raises(
        NothingMeasured,
        match="has nothing to gate: fid:all-samples: the metric makes it at the end",
    ):
        written(rows(BASE), sets=[set_row("fid", "all-samples")], names=["fid"])


def test_training_seeds_stay_apart_and_tell_the_noise_floor(written):
    shifts = (0.0, 0.02, 0.01)
    found = written(*(rows(BASE + shift, seed=seed) for seed, shift in enumerate(shifts)))
    assert [series.about.seed for series in found.series] == [0, 1, 2]
    (floor,) = found.floors.values()
    # s √(2 / k) t(S - 1), one-sided 95 % with 2 degrees of freedom: 2.920
    assert floor.value == pytest.approx(np.std(shifts, ddof=1) * np.sqrt(2 / 3) * 2.91999, rel=1e-4)
    assert floor.seeds == 3
    assert found.origin.methods[0].seeds == (0, 1, 2)


def test_the_noise_floor_of_what_has_no_better_direction_is_two_sided():
    values = [1.0, 1.2, 1.1]
    deviation = np.std(values, ddof=1) * np.sqrt(2)
    for direction, t in (
        ("down", 2.91999),
        ("up", 2.91999),
        ("none", 4.30265),
        ("target", 4.30265),
    ):
        assert noise_floor.floor(values, direction).value == pytest.approx(deviation * t, rel=1e-5)


@pytest.mark.parametrize(("seeds", "says"), [(4, True), (5, False)])
def test_suggested_margins_say_their_share_and_whether_seeds_are_few(run, seeds, says):
    result = run("some", *(rows(BASE + 0.004 * (seed % 2), seed=seed) for seed in range(seeds)))
    (floor,) = noise_floor.floors([result], (), registry()).values()
    assert 0.01 < floor.value / floor.mean < 0.1
    text = noise_floor.suggest([result], (), registry())
    assert f"# {100 * floor.value / floor.mean:.2g} % of {floor.mean:.4g}; {seeds} seeds" in text
    assert ("seeds the floor is wide" in text) == says


def test_of_several_numbers_of_samples_the_largest_is_gated(written):
    found = written(rows(BASE, "error-of-best", k=5), rows(BASE + 1, "error-of-best", k=3))
    assert [series.about.k for series in found.series] == [5]
    np.testing.assert_allclose(found.series[0].values, BASE, rtol=1e-5)


def test_undefined_values_are_null_and_come_back(written):
    hole = np.where(np.arange(N) == 5, np.nan, BASE)
    found = written(rows(hole))
    assert np.flatnonzero(np.isnan(found.series[0].values)).tolist() == [5]
    assert "NaN" not in found.path.read_text()


def test_values_follow_the_test_ids_whatever_the_table_s_order(written):
    order = np.random.default_rng(0).permutation(N)
    found = written(rows(BASE[order], images=[IDS[i] for i in order]))
    np.testing.assert_allclose(found.series[0].values, BASE, rtol=1e-5)


def test_the_file_is_small_one_line_a_column_and_the_same_when_it_is_written_again(written):
    found = written(
        rows(BASE),
        rows(BASE, "variance"),
        ratio(BASE, BASE),
        sets=[set_row("spread-skill", "ratio")],
    )
    text = found.path.read_text()
    assert baseline.text(found) == text
    lines = [line for line in text.splitlines() if '"values"' in line]
    assert len(lines) == 4
    assert max(len(line) for line in lines) < 250 + 12 * N
    assert all(
        v == significant(v) for line in lines for v in json.loads(line.rstrip(","))["values"]
    )
    said = json.loads(text)
    assert said["schema_version"] == 1
    assert said["datasets"]["demo"]["test"]["ids"] == IDS
    assert said["protocol_digest"] == found.origin.protocol_digest
    assert said["methods"][0]["distribution"] == "huebench 0.1.0"


def test_a_run_in_which_something_failed_is_refused_unless_forced(written, tmp_path):
    parts = [
        rows(BASE),
        lost("failed", "no memory", "cvae"),
        lost("failed", "ValueError", metric="variance", ask="present"),
    ]
    with pytest.raises(
        BenchError,
        match=r"variance of mdn on demo \(seed 0\): failed: ValueError and 1 more.*--force",
    ):
        written(*parts)
    assert not (tmp_path / "b.json").exists()


def test_a_forced_baseline_says_what_it_lacks(written):
    found = written(rows(BASE), lost("failed", "no memory", "cvae"), force=True)
    assert found.left_out == ("cvae on demo (seed 0): failed: no memory",)


def test_what_has_no_value_is_named_and_not_gated(written):
    nothing, zero = np.full(N, np.nan), np.zeros(N)
    found = written(
        rows(BASE),
        rows(nothing, "error-of-best"),
        ratio(BASE, BASE),
        ratio(zero, zero, method="truth"),
        sets=[set_row("spread-skill", "ratio"), set_row("spread-skill", "ratio", method="truth")],
    )
    assert [str(quantity) for quantity in found.quantities] == [
        str(q) for q in found.quantities if q.method == "mdn"
    ]
    assert variants(found) == {"fair-energy-score:field", "spread-skill:ratio"}
    assert {series.about.method for series in found.series} == {"mdn"}
    assert set(found.left_out) == {
        "error-of-best:sum: undefined for mdn on demo",
        "spread-skill:ratio: undefined for truth on demo",
    }
    with pytest.raises(NothingMeasured, match="undefined for truth on demo"):
        written(
            ratio(zero, zero, method="truth"),
            sets=[set_row("spread-skill", "ratio", method="truth")],
        )


def test_a_quantity_that_one_training_lacks_has_no_value(written):
    nothing = np.full(N, np.nan)
    found = written(
        rows(BASE),
        rows(BASE, seed=1),
        rows(BASE, "error-of-best"),
        rows(nothing, "error-of-best", seed=1),
    )
    assert variants(found) == {"fair-energy-score:field"}
    assert found.left_out == ("error-of-best:sum: undefined for mdn on demo",)


def test_a_plugin_that_is_not_loaded_is_not_forgotten(written):
    parts = rows(BASE), rows(BASE, "halo"), rows(BASE, "glory")
    with pytest.raises(
        BenchError,
        match=r"has scores of glory, halo, which nothing that is loaded here registers: "
        r".*--plugin.*-f",
    ):
        written(*parts)
    found = written(*parts, force=True)
    assert [text for text in found.left_out if "not loaded" in text] == [
        "glory: not loaded here",
        "halo: not loaded here",
    ]
    assert written(*parts, names=["fair-energy-score"]).left_out == ()  # others were not asked for


def test_what_the_run_asked_for_by_name_is_in_it(written):
    parts = [
        rows(BASE),
        *(rows(BASE, "psnr", variant=v, ask="present") for v in ("mean-of-n", "best-of-n")),
        rows(BASE, "ssim", variant="mean-of-n", ask="present"),
    ]
    assert variants(written(*parts, metrics=["psnr"])) == {
        "fair-energy-score:field",
        "psnr:mean-of-n",
    }
    assert variants(written(*parts)) == {"fair-energy-score:field"}


def test_metrics_that_refuse_are_no_failures(written):
    found = written(rows(BASE), lost("refused", "it needs draws", metric="fair-crps", ask="draws"))
    assert variants(found) == {"fair-energy-score:field"}


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["fair-enrgy-score"], "did you mean 'fair-energy-score'"),
        (["fair-energy-score:grid"], "unknown variant of fair-energy-score 'grid'"),
        (["halo"], "metric 'halo' of this run is not installed here"),
    ],
)
def test_names_that_the_run_does_not_have(written, names, says):
    with pytest.raises(BenchError, match=says):
        written(rows(BASE), rows(BASE, "halo"), names=names)


def test_another_version_of_a_metric_than_the_installed_can_t_be_combined(written):
    with pytest.raises(
        BenchError, match="metric spread-skill is installed in version 1, the scores are of 9"
    ):
        written(ratio(BASE, BASE, metric_version="9"), sets=[set_row("spread-skill", "ratio")])


def test_a_run_of_unknown_photographs_is_refused(written):
    old = data()
    del old["test"]["ids"]
    with pytest.raises(BenchError, match="does not say which photographs of demo it tested"):
        written(rows(BASE), datasets={"demo": old})


def test_only_baselines_are_overwritten(written, run, tmp_path):
    found = written(rows(BASE))
    baseline.write(found)
    (tmp_path / "README.md").write_text("# mine")
    made = make(run("again", rows(BASE)), tmp_path / "README.md", (), registry())
    with pytest.raises(BenchError, match="exists and is no baseline"):
        baseline.write(made)
    assert (tmp_path / "README.md").read_text() == "# mine"


def change(text, key, value):
    found = json.loads(text)
    if value is None:
        del found[key]
    else:
        found[key] = value
    return json.dumps(found)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[: len(text) // 2], "can't be read"),
        (
            lambda text: change(text, "schema_version", 2),
            "has schema version 2; this huebench reads up to 1: upgrade it",
        ),
        (lambda text: change(text, "form", "x"), "is no baseline"),
        (lambda text: "[1, 2]", "is no baseline"),
        (
            lambda text: change(text, "columns", None),
            r"is damaged \(Object missing required field 'columns'\)",
        ),
        (lambda text: change(text, "columns", [{}]), "is damaged"),
        (lambda text: change(text, "datasets", {}), "is damaged"),
        (lambda text: change(text, "methods", [3]), "is damaged"),
        (lambda text: change(text, "protocol", "paper"), "is damaged"),
        (
            lambda text: text.replace("[0.1", '["x", 0.1', 1).replace(
                '"values": [', '"values": ["y", ', 1
            ),
            "is damaged",
        ),
        (
            lambda text: text.replace('"values": [', '"values": [1, ', 1),
            r"is damaged .* has 41 values, not 40",
        ),
        (lambda text: text.replace('"values": [', '"values": [Infinity, ', 1), "is damaged"),
        (
            lambda text: text.replace('"direction": "down"', '"direction": "sideways"'),
            "'sideways' - at",
        ),
        (
            lambda text: text.replace('"seed": 1', '"seed": 0'),
            "two columns of one quantity and seed",
        ),
    ],
)
def test_damaged_and_newer_files_are_one_line(written, damage, says):
    found = written(rows(BASE), rows(BASE, seed=1))
    found.path.write_text(damage(found.path.read_text()))
    with pytest.raises(BenchError, match=says) as caught:
        read(found.path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(BenchError, match="is missing: `bench baseline write RUN"):
        read(tmp_path / "none.json")
    with pytest.raises(BenchError, match="can't be read"):
        read(tmp_path)
