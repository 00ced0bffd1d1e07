"""Sample sets survive the store, and rows are found across shards."""

import pytest
import torch

from bench.contracts import SampleSet
from bench.errors import BenchError
from bench.scores import samples
from bench.store.local import Store


def key(number):
    return f"{number:064x}"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def put(store, number, sample_set):
    store.get("samples", key(number), lambda folder: samples.write(folder, sample_set))
    return key(number)


def sample_set(count=3, seed=0, **options):
    ab = torch.randn((count, 5, 2, 4, 4), generator=torch.Generator().manual_seed(seed)) * 40
    return SampleSet(ab, **{"kind": "iid", "n_drawn": 5, **options})


@pytest.mark.parametrize("kind", ["iid", "modes", "centroids", "point", "reconstruction"])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_written_is_read(store, kind, weighted):
    written = sample_set(kind=kind, weights=torch.rand(3, 5) if weighted else None, n_drawn=256)
    read = samples.read(store, put(store, 1, written))
    assert torch.equal(read.ab, written.ab)
    assert (read.kind, read.n_drawn) == (kind, 256)
    assert torch.equal(read.weights, written.weights) if weighted else read.weights is None


def test_any_layout_and_precision_is_written_as_plain_float32(store):
    ab = sample_set().ab.double().transpose(-1, -2).requires_grad_()
    read = samples.read(store, put(store, 1, SampleSet(ab, "iid")))
    assert read.ab.dtype == torch.float32
    assert torch.equal(read.ab, ab.detach().float())


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 50])
def test_shards_hold_every_id_once_in_order(count):
    ids = [f"{i:03}" for i in range(count)]
    shards = samples.shards(ids)
    assert [i for shard in shards for i in shard] == ids
    assert all(len(shard) == samples.SHARD for shard in shards[:-1])


def test_a_longer_run_starts_with_the_whole_shards_of_a_shorter_one():
    ids = [f"{i:03}" for i in range(50)]
    assert samples.shards(ids)[:2] == samples.shards(ids[:32])


def test_rows_come_from_all_shards_in_the_order_asked_for(store):
    sets = [sample_set(count, seed) for seed, count in enumerate((samples.SHARD, samples.SHARD, 3))]
    names = [put(store, number, one) for number, one in enumerate(sets)]
    everything = torch.cat([one.ab for one in sets]).numpy()
    rows = [34, 0, 16, 15, 31, 0]
    assert (samples.read_rows(store, names, rows) == everything[rows]).all()


def test_only_the_shards_needed_are_read(store):
    present = put(store, 1, sample_set(samples.SHARD))
    assert samples.read_rows(store, [key(99), present], [17]).shape == (1, 5, 2, 4, 4)
    with pytest.raises(BenchError, match="not in the store"):
        samples.read_rows(store, [key(99), present], [0])


def test_rows_that_a_short_shard_does_not_have_are_said(store):
    short = put(store, 1, sample_set(3))
    assert samples.read_rows(store, [short], [2]).shape == (1, 5, 2, 4, 4)
    with pytest.raises(
        BenchError, match="are not of the photographs that they should be of: repeat the run"
    ):
        samples.read_rows(store, [short], [2, 3])


def test_missing_samples_say_what_to_do(store):
    with pytest.raises(BenchError, match=r"not in the store .* repeat the run"):
        samples.read(store, key(7))


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_file_is_said_in_one_line(store, keep):
    name = put(store, 1, sample_set())
    path = store.path("samples", name) / "samples.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(BenchError, match="is damaged") as caught:
        samples.read(store, name)
    assert str(path.parent) in str(caught.value)
    assert path.name in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_gone_is_said_in_one_line(store):
    name = put(store, 1, sample_set())
    (store.path("samples", name) / "samples.safetensors").unlink()
    with pytest.raises(BenchError, match="is damaged") as caught:
        samples.read(store, name)
    assert len(str(caught.value).splitlines()) == 1
