"""Values over photographs: means over trainings, several runs of one method, and pairs."""

import numpy as np
import pandas as pd
import pytest

from bench.results.series import Measure, Series, gathered
from bench.scores.columns import FrameScores, ScoreColumn
from bench.scores.long_table import COLUMNS, frame

ERROR = Measure("psnr", "sum")
ABOUT = ScoreColumn("", "", "lfw", "mdn", "colourizer", "", 0, "present", "psnr", "sum", "1")


def table(**values):
    """A run's scores: seed or `k` by name, then values by photograph."""
    rows = [
        dict.fromkeys(COLUMNS, "")
        | {"dataset": "lfw", "method": "mdn", "ask": "present", "metric": "psnr", "variant": "sum"}
        | {"region": "all", "metric_version": "1", "k": 5, "seed": int(name.removeprefix("seed"))}
        | {"image": image, "value": value, "status": "undefined" if value != value else "done"}
        for name, some in values.items()
        for image, value in some.items()
    ]
    return FrameScores(frame(rows, COLUMNS))


def scores(*tables):
    return gathered([(i, c) for i, each in enumerate(tables) for c in each.columns], tables)


def series(values):
    return Series(ABOUT, pd.Index(list(values), dtype="object"), np.array([*values.values()]))


def test_a_series_is_the_mean_over_trainings_and_undefined_where_one_is():
    found = scores(table(seed0={"a": 1.0, "b": 2.0}, seed1={"a": 3.0, "b": np.nan})).series(ERROR)
    assert found.images.tolist() == ["a", "b"]
    np.testing.assert_equal(found.values, [2.0, np.nan])


def test_of_two_runs_the_first_counts_where_both_measured_a_photograph():
    both = scores(table(seed0={"a": 1.0, "b": 2.0}), table(seed0={"c": 4.0, "b": 9.0}))
    assert both.values(ERROR).to_dict() == {"a": 1.0, "b": 2.0, "c": 4.0}
    assert both.photographs == 3


def test_what_a_metric_measured_before_it_failed_is_no_series():
    lost = {"dataset": "lfw", "method": "mdn", "ask": "present", "metric": "psnr", "seed": 1}
    broken = table(seed0={"a": 1.0}, seed1={"a": 2.0}).table
    failed = dict.fromkeys(COLUMNS, "") | lost | {"k": 5, "status": "failed", "reason": "why"}
    found = scores(FrameScores(pd.concat([broken, frame([failed], COLUMNS)])))
    assert found.values(ERROR).to_dict() == {"a": 1.0}
    assert found.lost == {(1, "present", "psnr"): "failed: why"}


@pytest.mark.parametrize(
    ("other", "images"),
    [({"b": 1.0, "a": 2.0}, ["a", "b"]), ({"c": 1.0, "b": 2.0}, ["b"]), ({"c": 1.0}, [])],
)
def test_a_pair_is_of_the_photographs_that_both_have_in_the_first_s_order(other, images):
    first = {"a": 5.0, "b": 6.0}
    one, two = series(first).shared(series(other))
    assert one.images.tolist() == two.images.tolist() == images
    assert one.values.tolist() == [first[image] for image in images]
    assert two.values.tolist() == [other[image] for image in images]


def test_where_there_is_no_value_it_is_undefined():
    found = series({"a": 1.0, "b": 2.0}).at(pd.Index(["b", "x"], dtype="object"))
    np.testing.assert_equal(found.values, [2.0, np.nan])
