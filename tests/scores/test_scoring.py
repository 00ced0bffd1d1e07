"""Scoring a cell: refusals, undefined values, values of the set, and shards in threads that stay in
order."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from bench.contracts import Metric, SampleSet, Score, SetScore
from bench.contracts.colour_weights import ColourWeights
from bench.errors import BenchError
from bench.plugins.loader import registry
from bench.scores import long_table, samples
from bench.scores.cells import CellScores
from bench.scores.columns import ScoreColumn
from bench.scores.metrics import LoadedMetric, load_metrics
from bench.scores.scoring import HeldOut, in_threads
from bench.specs import MetricSpec, Parameter
from bench.store.local import Store

from ..manifests import make_cell

COUNT = 40


class First(Metric):
    """The first number of each photograph's first field; its mean as a value of the set."""

    def __init__(self):
        self.seen = []

    def score(self, given, truth, context):
        self.seen.append(len(truth))
        values = given.ab[:, 0, 0, 0, 0].double().numpy()
        return [
            Score("value", "all", np.where(values == 7, np.inf, values)),
            Score("value", "grid", values, n=1),
        ]

    def combine(self, columns):
        return {"mean": columns["value"].mean(-1)} if set(columns) == {"value"} else {}

    def finish(self):
        return [SetScore("photographs", float(sum(self.seen)), 1.0, 2.0)]


def spec(accepts=("iid", "modes"), **more):
    return MetricSpec(
        name="first",
        summary="",
        factory="x:First",
        unit="u",
        direction="up",
        accepts=frozenset(accepts),
        **more,
    )


class Loaded(LoadedMetric):
    def new(self):
        return First()


@pytest.fixture
def cell(tmp_path):
    """`cell(kind, ask, metric spec, k)`: the scores of 40 photographs whose fields hold their
    number."""
    ids = tuple(f"{i:02}" for i in range(COUNT))
    prepared = SimpleNamespace(
        ids=ids,
        dataset="set",
        truth=lambda rows: torch.zeros(len(rows), 2, 64, 64),
        grey=lambda rows: torch.zeros(len(rows), 1, 256, 256),
    )
    prepared = type("Prepared", (SimpleNamespace,), {"__len__": lambda self: COUNT})(
        **vars(prepared)
    )
    test = HeldOut(
        prepared, ColourWeights("channel64", np.full((2, 64), 1 / 64)), np.full(313, 1 / 313), 128.0
    )

    def make(kind="iid", ask="draws", of=None, k=3, refused="", path=None):
        store = Store(tmp_path / f"{kind}-{k}")
        keys = []
        for start in range(0, COUNT, samples.SHARD):
            numbers = torch.arange(start, min(start + samples.SHARD, COUNT)).float()
            ab = numbers[:, None, None, None, None].expand(-1, k, 2, 64, 64)
            keys.append(f"{start:064}")
            store.get(
                "samples",
                keys[-1],
                lambda f, ab=ab: samples.write(f, SampleSet(ab, kind, n_drawn=k)),
            )
        asked = {"ask": ask, "n": k, "shards": [] if refused else keys, "refused": refused}
        described = make_cell(
            key="c", dataset="set", method="m", role="control", parameters={}, seed=0, asks=[asked]
        )
        path = path or tmp_path / "scores.parquet"
        with long_table.writing(path) as table:
            sets = CellScores(
                described, [Loaded(of or spec(), {})], test, store, path.parent
            ).write(table, pa.array(ids))
        return long_table.read(path), sets

    return make


def test_rows_are_in_the_order_of_the_photographs(cell):
    rows, _ = cell()
    whole = rows[rows["region"] == "all"]
    assert whole["image"].tolist() == [f"{i:02}" for i in range(COUNT)]
    assert list(whole.columns) == list(long_table.COLUMNS)
    known = whole[whole["status"] == "done"]
    assert known["value"].tolist() == [i for i in range(COUNT) if i != 7]
    assert set(whole["k"]) == {3}
    assert set(rows.loc[rows["region"] == "grid", "k"]) == {1}


def test_a_value_that_is_not_finite_is_undefined_and_says_so(cell):
    row = cell()[0].query("image == '07' and region == 'all'").iloc[0]
    assert (row["status"], np.isnan(row["value"])) == ("undefined", True)
    assert row["reason"]


def test_values_of_the_set_come_from_all_photographs_in_order(cell):
    found = {row["variant"]: row for row in cell()[1]}
    assert found["photographs"]["value"] == COUNT
    assert np.isnan(
        found["mean"]["value"]
    )  # one photograph has no value, and a mean without it would not say so
    assert (found["photographs"]["low"], found["photographs"]["images"]) == (1.0, COUNT)
    assert set(found["mean"]) == set(long_table.SET_COLUMNS)


@pytest.mark.parametrize(
    ("kind", "ask", "of", "k", "says"),
    [
        ("modes", "present", spec(("iid",)), 3, "it needs independent draws, and these are modes"),
        ("iid", "present", spec(("iid",)), 3, "its own choice"),
        ("point", "present", spec(), 3, "it needs iid or modes, and these are a point estimate"),
        ("iid", "draws", spec(needs=frozenset({"law"})), 3, "known law"),
        ("iid", "draws", spec(needs=frozenset({"log_prob"})), 3, "density"),
        ("iid", "draws", spec(least=2), 1, "at least 2 samples"),
    ],
)
def test_a_refusal_is_one_row_with_its_reason(cell, kind, ask, of, k, says):
    rows, sets = cell(kind, ask, of, k)
    assert sets == []
    assert len(rows) == 1
    assert rows.loc[0, ["metric", "ask", "status", "image"]].tolist() == [
        "first",
        ask,
        "refused",
        "",
    ]
    assert says in rows.loc[0, "reason"]


def test_an_ask_that_the_method_refuses_is_a_row_of_each_metric_that_takes_draws_only(cell):
    rows, _ = cell(of=spec(("iid",)), refused="m can't draw")
    assert rows[["status", "reason"]].to_numpy().tolist() == [["refused", "m can't draw"]]
    assert not len(cell(of=spec(("iid", "modes")), refused="m can't draw")[0])


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (
            BenchError("it needs a law of finitely many modes"),
            "refused",
            "it needs a law of finitely many modes",
        ),
        (ZeroDivisionError("division by zero"), "failed", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_metric_that_raises_is_a_row_with_the_reason(cell, monkeypatch, error, status, says):
    def score(self, given, truth, context):
        raise error

    monkeypatch.setattr(First, "score", score)
    rows, sets = cell()
    assert rows[["metric", "status", "reason"]].to_numpy().tolist() == [["first", status, says]]
    assert sets == []


def test_threads_keep_the_order_and_give_the_threads_back():
    before = torch.get_num_threads()
    assert list(in_threads(lambda i: (i, torch.get_num_threads()), 9)) == [(i, 1) for i in range(9)]
    assert torch.get_num_threads() == before


def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError, match="integer"):
        list(in_threads(lambda i: 1 // (3 - i), 9))


def test_a_table_that_breaks_off_leaves_the_old_one(tmp_path, cell):
    path = tmp_path / "scores.parquet"
    assert cell()[0]["value"].tolist()[:3] == [0, 1, 2]
    before = path.read_bytes()

    def broken():
        with long_table.writing(path) as table:
            table.lose(ScoreColumn("", "", "", "", "", "", 0, status="failed"))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        broken()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.glob("*scores.parquet*")] == ["scores.parquet"]
    assert long_table.read(path)["value"].tolist()[:3] == [0, 1, 2]


def test_parameters_that_are_not_the_default_are_part_of_a_metric_s_version(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    parameters = (Parameter("p", "float", 0.5, ""), Parameter("weights", "path", None, ""))
    described = spec(parameters=parameters)

    def version(**given):
        return LoadedMetric(described, described.resolve(given)).version

    assert version() == version(p="0.5") == "1"
    assert version(p="1") == "1[p=1.0]"
    first = version(weights=str(file))
    assert first.startswith("1[weights=")
    file.write_bytes(b"two")
    assert version(weights=str(file)) != first
    assert str(tmp_path) not in first


def test_a_metric_that_is_named_twice_is_refused():
    with pytest.raises(BenchError, match="--metrics names fair-variogram-score twice"):
        load_metrics(["fair-variogram-score,fair-variogram-score[p=2]"], registry())
