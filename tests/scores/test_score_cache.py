"""Scores in the store: the same table whoever scored, nothing scored twice, failures tried again,
and columns read one by one."""

import math
import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from bench.contracts import Metric, SampleSet, Score, SetScore
from bench.contracts.colour_weights import ColourWeights
from bench.engine.score_run import summarise
from bench.errors import BenchError
from bench.results.run_folder import Results
from bench.scores import long_table, samples, scoring, shards
from bench.scores.cells import CellScores, _Columns
from bench.scores.column_file import FileScores, has_index
from bench.scores.columns import FrameScores
from bench.scores.manifest import Ask
from bench.scores.metrics import LoadedMetric
from bench.scores.scoring import HeldOut, keep_scores
from bench.specs import MetricSpec
from bench.store import records
from bench.store.local import Store

from ..manifests import make_cell

IDS = tuple(f"{i:02}" for i in range(40))
SHARDS = [f"{number:064}" for number in range(3)]
ASK = Ask(name="draws", n=3, shards=tuple(SHARDS))
asked: list[str] = []


class Means(Metric):
    """Two columns a photograph, one of them undefined for the seventh; the set's mean."""

    def score(self, given, truth, context):
        asked.append("means")
        a, b = (given.ab[:, :, c].double().mean((1, 2, 3)).numpy() for c in (0, 1))
        return [
            Score("a", "all", np.where(np.round(a) == 7, np.nan, a)),
            Score("b", "all", b),
            Score("b", "grid", b / 3, n=1),
        ]

    def combine(self, columns):
        return {"ratio": columns["b"].mean(-1) / (1 + columns["b"].std(-1))}


class Noise(Metric):
    """A number of the photograph's own seed."""

    def score(self, given, truth, context):
        asked.append("noise")
        return [Score("seed", "all", np.array([seed % 1000 for seed in context.seeds], float))]


class Refuses(Metric):
    def score(self, given, truth, context):
        asked.append("refuses")
        if float(given.ab.max()) > 16:
            raise BenchError("it takes no large numbers")
        return [Score("x", "all", np.zeros(len(truth)))]


class Fails(Metric):
    broken = True

    def score(self, given, truth, context):
        asked.append("fails")
        if type(self).broken:
            raise ZeroDivisionError("division by zero")
        return [Score("x", "all", np.ones(len(truth)))]


class Gathers(Metric):
    def __init__(self):
        self.seen = []

    def score(self, given, truth, context):
        asked.append("gathers")
        self.seen += given.ab[:, 0, 0, 0, 0].tolist()
        return []

    def finish(self):
        return [SetScore("order", float(np.dot(self.seen, np.arange(len(self.seen)))))]


class Wrong(Metric):
    def score(self, given, truth, context):
        return [Score("x", "all", np.zeros(1))]


class Loaded(LoadedMetric):
    def new(self):
        return KINDS[self.spec.name]()


KINDS = {
    "means": Means,
    "noise": Noise,
    "refuses": Refuses,
    "fails": Fails,
    "gathers": Gathers,
    "wrong": Wrong,
}


def metric(name, version="1", identity="here", **more):
    made = MetricSpec(
        name=name,
        summary="",
        factory="x:X",
        unit="u",
        direction="up",
        accepts=frozenset({"iid"}),
        version=version,
        **more,
    )
    return Loaded(made, {}, identity)


def held_out(prior=1 / 64):
    part = SimpleNamespace(
        ids=IDS,
        dataset="set",
        truth=lambda rows: torch.zeros(len(rows), 2, 64, 64),
        grey=lambda rows: torch.zeros(len(rows), 1, 256, 256),
    )
    part = type("Prepared", (SimpleNamespace,), {"__len__": lambda self: len(IDS)})(**vars(part))
    return HeldOut(
        part, ColourWeights("channel64", np.full((2, 64), prior)), np.full(313, 1 / 313), 128.0
    )


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    asked.clear()
    monkeypatch.setattr(Fails, "broken", True)


@pytest.fixture
def store(tmp_path):
    """Draws of 40 photographs in three shards."""
    made = Store(tmp_path / "store")
    for number, key in enumerate(SHARDS):
        rows = torch.arange(16 * number, min(len(IDS), 16 * (number + 1))).float()
        noise = torch.rand(
            (len(rows), 3, 2, 64, 64), generator=torch.Generator().manual_seed(number)
        )
        ab = rows[:, None, None, None, None] + 0.1 * noise
        made.get(
            "samples",
            key,
            lambda folder, ab=ab: samples.write(folder, SampleSet(ab, "iid", n_drawn=3)),
        )
    return made


@pytest.fixture
def written(store, tmp_path):
    """`written(metrics)`: the run folder with the table, and the set's values."""
    cell = make_cell(
        key="c",
        dataset="set",
        method="m",
        role="control",
        parameters={"p": 1},
        seed=0,
        asks=[records.plain(ASK)],
    )

    def write(metrics, test=None, name="run"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        with long_table.writing(folder / "scores.parquet") as table:
            sets = CellScores(cell, metrics, test or held_out(), store, folder).write(
                table, pa.array(IDS)
            )
        return folder / "scores.parquet", sets

    return write


def test_the_table_is_the_same_bytes_whoever_scored_which_shard_first(written, store, tmp_path):
    metrics = [metric(name) for name in ("gathers", "means", "noise", "refuses")]
    alone, sets = written(metrics)
    whole = alone.read_bytes()
    for numbers in ([], [1], [2, 0]):
        for folder in (store.folder / "scores").glob("??/*"):
            folder.rename(tmp_path / f"{folder.name}-{len(numbers)}")
        keep_scores(held_out(), metrics, ASK, numbers, store)
        path, found = written(metrics)
        assert path.read_bytes() == whole
        assert found == sets


@pytest.mark.parametrize(
    "unfit", [{}, {"needs": frozenset({"law"})}, {"least": 4}], ids=["all fit", "law", "least"]
)
def test_what_is_kept_is_not_scored_again(written, store, unfit):
    """Whichever metrics of the plugin can't be asked: kept scores of one set of metrics must not be
    looked for under another."""
    metrics = [
        metric("means"),
        metric("noise"),
        metric("refuses"),
        metric("wrong", **unfit or {"optional": True}),
    ]
    keep_scores(held_out(), metrics, ASK, [0, 1, 2], store)
    assert sorted(set(asked)) == ["means", "noise", "refuses"]
    asked.clear()
    table, _ = written(metrics)
    assert asked == []
    wrong = pd.read_parquet(table).query("metric == 'wrong'")
    assert list(wrong.status) == ["refused" if unfit else "failed"]


def test_metrics_of_one_plugin_are_one_folder_a_shard_and_optional_ones_are_alone(store):
    metrics = [
        metric("means"),
        metric("noise"),
        metric("refuses", identity="other"),
        metric("fails", optional=True),
    ]
    Fails.broken = False
    keep_scores(held_out(), metrics, ASK, [0], store)
    kept = [sorted(mark.metrics) for mark in store.all("scores")]
    assert sorted(kept) == [["fails"], ["means", "noise"], ["refuses"]]
    asked.clear()
    keep_scores(held_out(), [metric("fails", optional=True)], ASK, [0], store)
    assert asked == []


@pytest.mark.parametrize("other", [{"version": "2"}, {"identity": "there"}])
def test_another_version_or_plugin_is_scored_anew(store, other):
    keep_scores(held_out(), [metric("means")], ASK, [0], store)
    asked.clear()
    keep_scores(held_out(), [metric("means", **other)], ASK, [0], store)
    assert asked == ["means"]


def test_other_weights_are_scored_anew_and_the_same_ones_are_not(store):
    keep_scores(held_out(), [metric("means")], ASK, [0], store)
    asked.clear()
    keep_scores(held_out(), [metric("means")], ASK, [0], store)
    assert asked == []
    keep_scores(held_out(prior=1 / 128), [metric("means")], ASK, [0], store)
    assert asked == ["means"]


def test_a_refusal_of_a_later_shard_is_a_row_and_survives_the_store(written, store):
    keep_scores(held_out(), [metric("refuses")], ASK, [0, 1, 2], store)
    rows = long_table.read(written([metric("refuses")])[0])
    assert rows["status"].tolist() == ["done"] * 16 + ["refused"]
    assert rows["reason"].iloc[-1] == "it takes no large numbers"
    assert rows["image"].tolist() == [*IDS[:16], ""]


def test_a_metric_that_failed_is_tried_again(written, store):
    metrics = [metric("fails"), metric("means")]
    keep_scores(held_out(), metrics, ASK, [0, 1, 2], store)
    rows = long_table.read(written(metrics)[0])
    assert rows.loc[rows["metric"] == "fails", "reason"].tolist() == [
        "ZeroDivisionError: division by zero"
    ]
    assert (rows.loc[rows["metric"] == "means", "status"] != "failed").all()
    Fails.broken = False
    asked.clear()
    rows = long_table.read(written(metrics)[0])
    assert rows.loc[rows["metric"] == "fails", "status"].tolist() == ["done"] * len(IDS)
    assert set(asked) == {"fails"}


def test_a_value_too_few_is_a_failure_that_says_so(written):
    row = long_table.read(written([metric("wrong")])[0]).iloc[0]
    assert row["status"] == "failed"
    assert "values (1,) of 16 photographs" in row["reason"]


def test_a_damaged_file_of_scores_is_named(written, store):
    keep_scores(held_out(), [metric("means")], ASK, [0], store)
    (file,) = (store.folder / "scores").rglob("values.npy")
    mark = store.describe("scores", file.parent.name)
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(BenchError, match=r"values\.npy is damaged"):
        shards.read(file.parent, mark)


def test_values_of_the_set_are_those_of_the_columns(written):
    path, sets = written([metric("means"), metric("gathers")])
    rows = long_table.read(path)
    b = rows.loc[(rows["variant"] == "b") & (rows["region"] == "all"), "value"].to_numpy()
    found = {row["variant"]: row["value"] for row in sets}
    assert found["ratio"] == b.mean() / (1 + b.std())
    assert math.isfinite(found["order"])


@pytest.fixture
def table(written, monkeypatch):
    """The table of several columns, in row groups that hold one and a half of them."""
    monkeypatch.setattr(long_table, "ROWS", 60)
    return written([metric("means"), metric("noise"), metric("refuses")])[0]


def test_columns_read_one_by_one_are_those_of_the_whole_table(table):
    assert has_index(table)
    file, frame = FileScores(table, {"set": IDS}), FrameScores(long_table.read(table))
    assert len(file.columns) == 6
    for mine, other in zip(file.columns, frame.columns, strict=True):
        assert [
            getattr(mine, f)
            for f in mine.__dataclass_fields__
            if f not in ("place", "mean", "squares")
        ] == [
            getattr(other, f)
            for f in mine.__dataclass_fields__
            if f not in ("place", "mean", "squares")
        ]
        np.testing.assert_array_equal([mine.mean, mine.squares], [other.mean, other.squares])
        if mine.measured:
            for each in (file, frame):
                at, values = each.values(mine if each is file else other)
                np.testing.assert_array_equal(
                    each.images("set")[at], file.images("set")[file.values(mine)[0]]
                )
                np.testing.assert_array_equal(values, file.values(mine)[1])


def test_the_whole_table_is_read_once(table, monkeypatch):
    """Each read holds a row group in memory, of which there may be a few, and thousands of columns
    in them."""
    scores, read, own = FileScores(table, {"set": IDS}), [], FileScores._group
    monkeypatch.setattr(
        FileScores,
        "_group",
        lambda self, number, columns: read.append(number) or own(self, number, columns),
    )
    whole = scores.frame(scores.columns)
    assert len(whole) == len(long_table.read(table))
    assert read == list(range(len(scores._ends)))
    assert len(read) < len(scores.columns)


def test_select_reads_the_rows_that_it_is_asked_for(table):
    results = Results(
        table.parent,
        {},
        FileScores(table, {"set": IDS}),
        long_table.frame([], long_table.SET_COLUMNS),
    )
    whole = results.scores
    pd.testing.assert_frame_equal(whole, long_table.read(table), check_categorical=False)
    some = results.select(metric="means", variant=["b"], region="all")
    expected = whole[
        (whole["metric"] == "means") & (whole["variant"] == "b") & (whole["region"] == "all")
    ]
    pd.testing.assert_frame_equal(some.astype(str), expected.reset_index(drop=True).astype(str))
    assert results.select(metric="nothing").empty
    with pytest.raises(BenchError, match="unknown column to select by 'image'"):
        results.select(image="00")


def test_means_of_the_summary_are_those_of_the_rows(table):
    found = summarise(FileScores(table, {"set": IDS}).columns).set_index(
        ["variant", "region", "status"]
    )
    rows = long_table.read(table).astype({"variant": str, "region": str, "status": str})
    for key, values in rows.groupby(["variant", "region", "status"])["value"]:
        mean, std, count = found.loc[key, ["mean", "std", "images"]]
        assert count == values.count()
        if count:
            np.testing.assert_allclose([mean, std], [values.mean(), values.std()], rtol=1e-12)


def test_a_table_without_an_index_is_read_whole(table, tmp_path):
    pd.read_parquet(table).to_parquet(tmp_path / "plain.parquet")
    assert not has_index(tmp_path / "plain.parquet")


def test_weights_are_the_same_from_a_plan_and_from_a_manifest():
    fields = np.random.default_rng(0).normal(0, 20, (5, 2, 64, 64)).astype(np.float32)
    part = SimpleNamespace(dataset="set", ab=fields)
    rules = {"weights": "channel64", "weight_floor": 1e-5, "scale": 128.0, "more": 1}
    first, again = (scoring.held_out(part, part, rules) for _ in range(2))
    assert (
        first.digest
        == again.digest
        != scoring.held_out(part, part, rules | {"weight_floor": 1e-4}).digest
    )


def test_a_short_write_is_completed(tmp_path, monkeypatch):
    """As a disk makes it that becomes full, and has room again."""
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, bytes(data)[:24], at))
    with (tmp_path / "columns").open("wb+") as file:
        columns = _Columns(10, file.fileno())
        columns.put(("m", "v", "all", 1, "iid"), 0, np.arange(10.0))
        assert columns.read(("m", "v", "all", 1, "iid"))[1].tolist() == list(range(10))
