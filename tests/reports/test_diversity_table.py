"""Error-of-best and variance."""

import numpy as np
import pandas as pd
import pytest

from bench.output import Output
from bench.reports.diversity_table import best_and_ties, write
from bench.reports.scores import ERROR_OF_BEST, gather

N = 40


def method(make, name, error, variance=None, **more):
    error = np.asarray(error)
    values = {
        ("error-of-best", "sum", "all"): error,
        ("error-of-best", "sum", "grid"): error * 1.2,
        ("absolute-error", "sum", "all"): error * 1.4,
        ("variance", "ab", "all"): np.full(len(error), 0.01) if variance is None else variance,
    }
    return make.rows(name, values, **more)


@pytest.fixture
def base():
    return np.random.default_rng(1).gamma(6, 0.01, N)


@pytest.fixture
def four(make, tmp_path, base):
    noise = np.random.default_rng(2).normal(0, 0.004, N)
    rows = method(make, "chance", base * 3, role="control")
    rows += method(make, "mdn", base, kind="modes")
    rows += method(make, "tied", base + noise - noise.mean() + 1e-4)
    rows += method(
        make, "cvae[kl=0.1]", base + 0.02, kind="centroids", variance=np.linspace(0, 0.1, N)
    )
    return make.results(tmp_path / "run", rows)


def line_of(text, name):
    return next(line for line in text.splitlines() if line.startswith(f"| {name} |"))


def test_numbers_agree_with_an_independent_computation(four, tmp_path):
    write([four], Output(tmp_path))
    ours = pd.read_csv(tmp_path / "tables/diversity-table.csv").set_index("method")
    means = four.scores.groupby(["method", "metric", "region"]).value.mean()
    for name, line in ours.iterrows():
        assert line.error_of_best_mean == pytest.approx(means[name, "error-of-best", "all"])
        assert line.error_of_best_grid_mean == pytest.approx(means[name, "error-of-best", "grid"])
        assert line.mean_error_mean == pytest.approx(means[name, "absolute-error", "all"])
        assert line.variance_mean == pytest.approx(means[name, "variance", "all"])
        assert line.error_of_best_low < line.error_of_best_mean < line.error_of_best_high
    assert ours.loc["mdn", ["kind", "k", "images", "seeds"]].tolist() == ["modes", 5, N, 1]


def test_the_best_and_its_ties_are_bold_and_no_control(four, tmp_path):
    text = write([four], Output(tmp_path))[0].read_text()
    assert "**" in line_of(text, "mdn")
    assert "**" in line_of(text, "tied")
    assert "**" not in line_of(text, "cvae[kl=0.1]")
    assert "**" not in line_of(text, "chance")


def test_a_small_but_sure_difference_is_no_tie(make, tmp_path, base):
    rows = [*method(make, "a", base), *method(make, "b", base + 1e-4)]
    entries = gather([make.results(tmp_path, rows)], ["error-of-best"], ["colourizer"])["lfw"]
    assert best_and_ties(entries) == ["a"]


def test_few_images_are_no_evidence(make, tmp_path, base):
    rows = [*method(make, "a", base[:3]), *method(make, "b", base[:3] + 0.1)]
    write([make.results(tmp_path / "run", rows)], Output(tmp_path))
    pairs = pd.read_csv(tmp_path / "tables/diversity-differences.csv")
    assert pairs.error_of_best_first_is.tolist() == ["too few images"]
    assert pd.read_csv(tmp_path / "tables/diversity-table.csv").best_or_tied.all()


def test_controls_come_last_under_their_own_line(four, tmp_path):
    lines = write([four], Output(tmp_path))[0].read_text().splitlines()
    names = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    assert names[1:7] == ["---", "mdn", "tied", "cvae[kl=0.1]", "*controls*", "chance"]


def test_a_control_that_is_not_beaten_is_named(make, tmp_path, base):
    rows = [*method(make, "mdn", base), *method(make, "chance", base * 0.9, role="control")]
    assert (
        "best method, mdn: control chance"
        in write([make.results(tmp_path / "run", rows)], Output(tmp_path))[0].read_text()
    )


def test_differences_of_every_pair_in_plain_words(four, tmp_path):
    text = write([four], Output(tmp_path))[0].read_text()
    pairs = pd.read_csv(tmp_path / "tables/diversity-differences.csv").set_index(
        ["first", "second"]
    )
    assert len(pairs) == 6
    assert pairs.loc[("mdn", "cvae[kl=0.1]"), "error_of_best_mean"] == pytest.approx(-0.02)
    assert pairs.loc[("mdn", "cvae[kl=0.1]"), "error_of_best_first_is"] == "lower"
    assert pairs.loc[("mdn", "tied"), "error_of_best_first_is"] == "no difference shown"
    assert pairs.loc[("cvae[kl=0.1]", "chance"), "variance_first_is"] == "higher"
    assert "no ranking by itself" in text


def test_a_difference_that_a_training_turns_round_is_said_and_decides_nothing(make, tmp_path, base):
    rows = [*method(make, "a", base, seed=0), *method(make, "a", base, seed=1)]
    rows += [*method(make, "b", base + 0.05, seed=0), *method(make, "b", base - 0.01, seed=1)]
    rows += [*method(make, "c", base + 0.05, seed=0), *method(make, "c", base + 0.01, seed=1)]
    results = make.results(tmp_path / "run", rows)
    text = write([results], Output(tmp_path))[0].read_text()
    pairs = pd.read_csv(tmp_path / "tables/diversity-differences.csv").set_index(
        ["first", "second"]
    )
    assert pairs.error_of_best_first_is[("a", "b")] == "lower, not in every training"
    assert pairs.error_of_best_first_is[("a", "c")] == "lower"
    assert pairs.loc[
        ("a", "b"), ["error_of_best_least", "error_of_best_most"]
    ].tolist() == pytest.approx([-0.05, 0.01])
    assert "lower, not in every training" in text
    assert best_and_ties(gather([results], ["error-of-best"], ["colourizer"])["lfw"]) == ["a", "b"]


def test_seeds_are_averaged_for_each_image_first(make, tmp_path, base):
    shift = np.random.default_rng(5).normal(0, 0.03, N)  # cancels within a photograph
    rows = [*method(make, "a", base + shift, seed=0), *method(make, "a", base - shift, seed=1)]
    write([make.results(tmp_path / "run", rows)], Output(tmp_path))
    line = pd.read_csv(tmp_path / "tables/diversity-table.csv").iloc[0]
    assert [line.images, line.seeds] == [N, 2]
    assert line.error_of_best_high - line.error_of_best_low == pytest.approx(
        4 * base.std() / N**0.5, rel=0.15
    )


def test_a_nan_is_not_averaged_away(make, tmp_path, base):
    rows = [
        *method(make, "a", base, seed=0),
        *method(make, "a", np.where(np.arange(N) == 3, np.nan, base), seed=1),
    ]
    entry = gather([make.results(tmp_path, rows)], ["variance"], ["colourizer"])["lfw"][0]
    assert np.isnan(entry.values(ERROR_OF_BEST).loc["003.jpg"])
    assert np.isnan(entry.estimate(ERROR_OF_BEST).mean)


def test_failures_are_shown_whole_or_by_seed(make, tmp_path, base):
    rows = [
        *method(make, "a", base),
        make.failed("a", "killed", seed=1),
        make.failed("b|c\nd", "no | memory"),
    ]
    text = write([make.results(tmp_path / "run", rows)], Output(tmp_path))[0].read_text()
    assert "**" in line_of(text, "a")
    assert "(1)" in line_of(text, "a")
    assert "(1) a on lfw, seed 1: failed: killed" in text
    assert line_of(text, "b\\|c d").count("failed (2)") == 4
    assert "no \\| memory" in text
    assert pd.read_csv(tmp_path / "tables/diversity-table.csv").status.tolist() == [
        "done",
        "failed",
    ]


def test_a_data_set_where_all_failed_is_still_there(make, tmp_path):
    text = write(
        [make.results(tmp_path / "run", [make.failed("mdn", "killed")])], Output(tmp_path)
    )[0].read_text()
    assert "#### lfw" in text
    assert "failed (1)" in line_of(text, "mdn")


def test_another_status_is_shown_as_it_is(make, tmp_path):
    row = make.failed("mdn", "needs 500 photographs", status="incompatible")
    text = write([make.results(tmp_path / "run", [row])], Output(tmp_path))[0].read_text()
    assert "incompatible (1)" in line_of(text, "mdn")
    assert "incompatible: needs 500 photographs" in text


def test_odd_names_are_escaped(make, tmp_path, base):
    odd = "my|set\n_*`<b>$"
    rows = method(make, "mdn", base, dataset=odd)
    text = write([make.results(tmp_path / "run", rows, (odd,))], Output(tmp_path))[0].read_text()
    assert "#### my\\|set \\_\\*\\`\\<b\\>\\$" in text


def test_runs_are_joined_and_told_apart_only_where_they_disagree(make, tmp_path, base):
    first = make.results(
        tmp_path / "one", [*method(make, "mdn", base), *method(make, "cvae", base)]
    )
    second = make.results(
        tmp_path / "two", [*method(make, "mdn", base + 1, run="two"), *method(make, "cvae", base)]
    )
    entries = gather([first, second], ["variance"], ["colourizer"])["lfw"]
    assert [e.label for e in entries] == ["mdn (one)", "mdn (two)", "cvae"]
    assert [e.run for e in entries] == [0, 1, 0]
    assert [len(e.values(ERROR_OF_BEST)) for e in entries] == [N, N, N]


def test_a_longer_run_extends_a_shorter_one_and_other_seeds_join(make, tmp_path, base):
    first = make.results(tmp_path / "one", method(make, "mdn", base[:10]))
    second = make.results(
        tmp_path / "two", [*method(make, "mdn", base), *method(make, "mdn", base, seed=1)]
    )
    (entry,) = gather([first, second], ["variance"], ["colourizer"])["lfw"]
    assert entry.label == "mdn"
    assert entry.seeds == ("0", "1")
    assert entry.values(ERROR_OF_BEST).to_numpy() == pytest.approx(base)


def test_nothing_to_say_gives_no_file(make, tmp_path, base):
    rows = method(make, "vae", base, role="codec", kind="reconstruction")
    assert write([make.results(tmp_path / "run", rows)], Output(tmp_path)) == []
    assert write([make.results(tmp_path / "run", [])], Output(tmp_path)) == []


def test_published_values_stand_in_a_table_of_their_own_with_source_and_protocol(make, tmp_path):
    rows = method(make, "mdn", [0.1, 0.2], dataset="imagenet-val")
    text = write([make.results(tmp_path / "run", rows, ("imagenet-val",))], Output(tmp_path))[
        0
    ].read_text()
    before, published = text.split("**As published, not measured here: Ardizzone et al. 2019")
    assert "3.53" not in before
    assert "| cINN | 3.53 ± 0.04 | 9.52 ± 0.06 | 0.00352 ± 0.00003 |" in published
    assert "5,120" in published
    assert "the mean of VAE-MDN's heaviest component, and a random draw of cINN" in published
    other = make.results(tmp_path / "other", method(make, "mdn", [0.1, 0.2]), ("lfw",))
    assert "As published" not in write([other], Output(tmp_path))[0].read_text()
