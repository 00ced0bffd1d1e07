"""From a folder of files to a split and prepared arrays."""

import io
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench import keys
from bench.contracts import Dataset
from bench.contracts.datasets import LEVELS
from bench.data.prepare import _open, _Rows, prepare, reopen
from bench.data.source import Source, index, make_source, split
from bench.errors import BenchError, ExitCode, NothingMeasured
from bench.machine import threads
from bench.pictures import images, profiles
from bench.protocol import make_paper, make_square
from bench.specs import DatasetSpec
from bench.store.local import Store
from bench.store.marks import PreparedMark

PAPER = make_paper(antialias=False)


class Quiet:
    """A progress display that shows nothing."""

    @contextmanager
    def task(self, description, total):
        yield self

    def advance(self, steps=1, note=""):
        pass

    def say(self, line):
        pass


class Files(Dataset):
    """The files of a folder, handed over in whatever order is asked for."""

    def __init__(self, folder, backwards=False):
        self.folder, self.backwards, self.reads = folder, backwards, 0

    def signature(self):
        stats = ((p.name, p.stat()) for p in sorted(self.folder.iterdir()))
        return keys.digest_of(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)

    def files(self):
        return sorted(p.name for p in self.folder.iterdir())

    def read(self, wanted):
        for name in sorted(wanted, reverse=self.backwards):
            self.reads += 1
            yield name, (self.folder / name).read_bytes()


class OwnSplit(Files):
    def split(self, ids):
        return list(ids[2:]), list(ids[:2])


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def photo(number):
    return np.random.default_rng(number).integers(0, 256, (12, 9, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Ten colour photographs, 0.png to 9.png."""
    place = tmp_path / "photos"
    place.mkdir()
    for number in range(10):
        (place / f"{number}.png").write_bytes(png(photo(number)))
    return place


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def spec(**options):
    return DatasetSpec(name="tiny", summary="", factory="x:Y", **options)


def source(dataset, store, protocol=PAPER, **options):
    return make_source(spec(**options), "tiny", dataset, protocol, store, Quiet())


def ids(count):
    return [f"{i:05}.jpg" for i in range(count)]


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.text("abcdef", min_size=1, max_size=5), min_size=2), st.integers(0, 99), st.randoms()
)
def test_a_split_uses_every_id_once_whatever_the_order_of_listing(names, seed, random):
    protocol = make_paper(antialias=False, split_seed=seed)
    train, test = split(sorted(names), protocol, "x")
    assert sorted(train + test) == sorted(names)
    assert train
    assert test
    assert split(random.sample(sorted(names), len(names)), protocol, "x") == (train, test)


@pytest.mark.parametrize(
    ("count", "size"),
    [(2, 1), (9, 1), (10, 1), (30, 3), (4990, 499), (4999, 500), (5000, 1000), (13233, 1000)],
)
def test_a_tenth_of_a_small_set_or_a_thousand_are_tested(count, size):
    train, test = split(ids(count), PAPER, "x")
    assert (len(train), len(test)) == (count - size, size)


def test_a_smaller_test_size_holds_for_sets_of_any_size():
    protocol = make_paper(antialias=False, test_size=7)
    assert [len(split(ids(count), protocol, "x")[1]) for count in (30, 300, 6000)] == [3, 7, 7]


def test_a_larger_test_set_starts_with_the_smaller_one():
    few, many = (
        split(ids(6000), make_paper(antialias=False, test_size=n), "x")[1] for n in (10, 500)
    )
    assert many[:10] == few


def test_the_split_is_random_and_its_seed_matters():
    first, second = (
        split(ids(1000), make_paper(antialias=False, split_seed=s), "x")[1] for s in (0, 1)
    )
    assert first != second
    assert first != sorted(first)
    assert 300 < np.mean([int(name[:5]) for name in first]) < 700


@pytest.mark.parametrize("count", [0, 1])
def test_one_photograph_is_too_few_to_split(count):
    with pytest.raises(NothingMeasured, match=f"has {count} photograph"):
        split(ids(count), PAPER, "x")


def test_the_index_is_sorted_and_holds_the_digests_of_the_bytes(folder, store):
    photos = index(Files(folder, backwards=True), store, Quiet()).photos
    assert [p.id for p in photos] == [f"{n}.png" for n in range(10)]
    assert photos[3].digest == keys.sha256((folder / "3.png").read_bytes())


def test_the_index_is_remembered_until_the_source_changes(folder, store):
    index(Files(folder), store, Quiet())
    again = Files(folder)
    index(again, store, Quiet())
    assert again.reads == 0
    (folder / "new.png").write_bytes(png(photo(77)))
    assert len(index(again, store, Quiet()).photos) == 11
    assert again.reads == 11


def test_a_source_is_known_by_its_content(folder, store, tmp_path):
    first = source(Files(folder), store)
    again = source(Files(folder, backwards=True), Store(tmp_path / "another"))
    assert (first.digest, first.train, first.test) == (again.digest, again.train, again.test)
    (folder / "3.png").write_bytes(png(photo(99)))
    assert source(Files(folder), store).digest != first.digest


def test_a_set_s_own_split_is_kept(folder, store):
    found = source(OwnSplit(folder), store)
    assert found.test == ("0.png", "1.png")
    assert found.train == tuple(f"{n}.png" for n in range(2, 10))


def test_prepared_arrays_are_those_of_each_photograph(folder, store):
    found = prepare(
        source(Files(folder, backwards=True), store), "train", None, PAPER, store, Quiet()
    )
    assert len(found) == 9
    for row, name in enumerate(found.ids):
        wanted = images.prepare(photo(int(name[0])), PAPER)
        assert np.array_equal(found.ab[row], wanted.ab)
        assert np.abs(found.grey([row]).numpy()[0, 0] - wanted.grey).max() < 0.51 / LEVELS + 1e-5
    assert tuple(found.grey(slice(0, 4)).shape) == (4, 1, 256, 256)
    assert np.array_equal(found.truth([5, 0]).numpy(), found.ab[[5, 0]])


def test_white_stays_white_in_16_bits(folder, store):
    white = np.full((9, 9, 3), 255, np.uint8)
    white[0, 0] = (255, 254, 255)
    for path in folder.iterdir():
        path.write_bytes(png(white))
    found = prepare(source(Files(folder), store), "test", None, PAPER, store, Quiet())
    assert found.grey([0]).max().item() == pytest.approx(100, abs=0.01)
    assert found.grey([0]).median().item() == pytest.approx(100, abs=0.01)


def test_a_limit_takes_the_first_of_the_part(folder, store):
    whole = prepare(source(Files(folder), store), "train", None, PAPER, store, Quiet())
    few = prepare(source(Files(folder), store), "train", 4, PAPER, store, Quiet())
    assert few.ids == whole.ids[:4]
    assert np.array_equal(few.ab, whole.ab[:4])
    assert few.key != whole.key


def test_a_part_is_prepared_once_and_can_be_opened_by_its_key(folder, store):
    dataset = Files(folder)
    first = prepare(source(dataset, store), "train", None, PAPER, store, Quiet())
    before = dataset.reads
    again = prepare(source(dataset, store), "train", None, PAPER, store, Quiet())
    assert (dataset.reads, again.key) == (before, first.key)
    opened = reopen(store, "tiny", first.key)
    assert opened.ids == first.ids
    assert np.array_equal(opened.ab, first.ab)
    with pytest.raises(BenchError, match="repeat the run"):
        reopen(store, "tiny", "0" * 64)


def test_the_key_follows_the_preparation_and_not_the_scoring(folder, store):
    found = source(Files(folder), store)
    key = prepare(found, "test", None, PAPER, store, Quiet()).key
    scoring = make_paper(antialias=False, k=9, weights="joint64")
    assert prepare(found, "test", None, scoring, store, Quiet()).key == key
    for protocol in (make_paper(antialias=True), make_square(antialias=False)):
        assert prepare(found, "test", None, protocol, store, Quiet()).key != key
    assert (
        prepare(
            source(Files(folder), store, authors_crop=5), "test", None, PAPER, store, Quiet()
        ).key
        != key
    )


@pytest.fixture
def spoilt(folder):
    """The same ten, of which 2 is text, 5 is truncated and 7 has no colour."""
    (folder / "2.png").write_text("not a picture")
    (folder / "5.png").write_bytes(png(photo(5))[:80])
    (folder / "7.png").write_bytes(png(np.repeat(photo(7)[..., :1], 3, axis=-1)))
    return folder


class AllTrain(Files):
    def split(self, ids):
        return list(reversed(ids)), [ids[0]]


def test_what_can_not_be_used_is_left_out_counted_and_named(spoilt, store):
    found = prepare(source(AllTrain(spoilt), store), "train", None, PAPER, store, Quiet())
    assert found.ids == tuple(f"{n}.png" for n in (9, 8, 6, 4, 3, 1, 0))
    assert sorted(found.excluded) == ["2.png", "5.png", "7.png"]
    assert found.excluded["2.png"] == "not an image"
    assert found.excluded["7.png"] == "grey-only"
    assert all(len(reason.splitlines()) == 1 for reason in found.excluded.values())
    assert (found.summary["photographs"], found.summary["excluded"]) == (7, found.excluded)


@pytest.mark.parametrize("backwards", [False, True])
def test_the_rest_close_the_gaps_in_order(spoilt, store, backwards):
    found = prepare(
        source(AllTrain(spoilt, backwards), store), "train", None, PAPER, store, Quiet()
    )
    assert found.ab.shape[0] == found.grey_codes.shape[0] == len(found.ids) == 7
    for row, name in enumerate(found.ids):
        wanted = images.prepare(photo(int(name[0])), PAPER)
        assert np.array_equal(found.ab[row], wanted.ab)
        assert np.array_equal(found.grey_codes[row], np.round(wanted.grey * LEVELS))


@pytest.mark.parametrize("backwards", [False, True])
def test_the_number_of_workers_changes_no_bit(spoilt, tmp_path, monkeypatch, backwards):
    made = set()
    for cores in (1, 2, 5):
        monkeypatch.setattr(threads, "cores", lambda cores=cores: cores)
        kept = Store(tmp_path / f"store-{cores}")
        found = prepare(
            source(AllTrain(spoilt, backwards), kept), "train", None, PAPER, kept, Quiet()
        )
        place = kept.path("prepared", found.key)
        made.add(
            ((place / "ab.npy").read_bytes(), (place / "grey.npy").read_bytes(), str(found.summary))
        )
    assert len(made) == 1


class Failing(AllTrain):
    """Its third photograph can't be developed, for a reason that is not the file's."""

    def develop(self, data, protocol, crop):
        if data == (self.folder / "3.png").read_bytes():
            raise self.error
        return super().develop(data, protocol, crop)


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), KeyboardInterrupt("Ctrl-C")])
def test_an_error_of_the_data_set_or_an_interrupt_ends_preparing_and_leaves_nothing(
    folder, store, error
):
    dataset = Failing(folder)
    found = source(dataset, store)
    dataset.error = error
    running = threading.active_count()
    with pytest.raises(type(error), match=str(error)):
        prepare(found, "train", None, PAPER, store, Quiet())
    assert threading.active_count() == running
    assert not list(store.folder.rglob("*.npy"))


def test_many_gaps_are_closed_in_order(tmp_path):
    count, kept = 300, [n for n in range(300) if n % 7 and not 100 <= n < 180]
    maps = [
        np.lib.format.open_memmap(tmp_path / f"{n}.npy", "w+", np.float32, (count, 2))
        for n in range(2)
    ]
    for array in maps:
        array[:] = np.arange(count)[:, None]
    _Rows({}, *maps).close_gaps(kept)
    assert all(np.array_equal(array[: len(kept), 0], kept) for array in maps)


def test_grey_photographs_are_kept_where_the_authors_kept_them(spoilt, store):
    found = prepare(
        source(AllTrain(spoilt), store, keep_grey=True), "train", None, PAPER, store, Quiet()
    )
    assert "7.png" in found.ids
    assert found.grey_only == ("7.png",)
    assert found.truth([found.ids.index("7.png")]).abs().max() < 0.05
    square = make_square(antialias=True)
    found = prepare(
        source(AllTrain(spoilt), store, square, keep_grey=True),
        "train",
        None,
        square,
        store,
        Quiet(),
    )
    assert "7.png" not in found.ids


def test_strict_refuses_unreadable_photographs_made_now_or_before(spoilt, store):
    found = source(AllTrain(spoilt), store)
    for _ in range(2):
        with pytest.raises(
            BenchError, match=r"2 photograph\(s\) of tiny can't be read, first 2\.png: not an image"
        ):
            prepare(found, "train", None, PAPER, store, Quiet(), strict=True)


def test_strict_accepts_grey_photographs(spoilt, store):
    for number in (2, 5):
        (spoilt / f"{number}.png").unlink()
    found = prepare(
        source(AllTrain(spoilt), store), "train", None, PAPER, store, Quiet(), strict=True
    )
    assert found.excluded == {"7.png": "grey-only"}


def test_nothing_usable_is_an_error_that_counts_the_reasons(folder, store):
    for number in range(10):
        (folder / f"{number}.png").write_bytes(
            b"text" if number < 4 else png(np.full((5, 5, 3), number, np.uint8))
        )
    with pytest.raises(
        NothingMeasured, match="train part of tiny: 6 grey-only, 4 not an image"
    ) as caught:
        prepare(source(AllTrain(folder), store), "train", None, PAPER, store, Quiet())
    assert caught.value.exit_code == ExitCode.NOTHING_MEASURED


def test_a_limit_of_nothing_measures_nothing(folder, store):
    with pytest.raises(NothingMeasured, match="it is empty"):
        prepare(source(Files(folder), store), "test", 0, PAPER, store, Quiet())


class Forgetful(AllTrain):
    """Hands over all but one photograph, as a source does that loses a file after it was indexed."""

    lost = None

    def read(self, wanted):
        return ((name, data) for name, data in super().read(wanted) if name != self.lost)


def test_a_photograph_that_vanished_is_left_out_and_named(folder, store):
    dataset = Forgetful(folder)
    found = source(dataset, store)
    dataset.lost = "4.png"
    done = prepare(found, "train", None, PAPER, store, Quiet())
    assert "4.png" not in done.ids
    assert "4.png" in done.excluded


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="resident pages are read from /proc"
)
def test_reading_photographs_one_by_one_keeps_none_of_the_file_in_memory(tmp_path):
    count = 600  # 79 MB of lightness
    for name, shape, kind in (
        ("ab", (count, 2, 64, 64), np.float32),
        ("grey", (count, 256, 256), np.uint16),
    ):
        np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", kind, shape).flush()
    mark = PreparedMark(
        schema_version=2,
        kind="prepared",
        key="0" * 64,
        files={},
        ids=tuple(str(i) for i in range(count)),
        excluded={},
        grey_only=(),
    )
    found = _open("set", "key", tmp_path, mark)
    before = mapped_megabytes()
    for start in range(0, count, 16):
        found.grey(range(start, min(start + 16, count)))
        found.truth(slice(start, start + 16))
    assert mapped_megabytes() - before < 10


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="resident pages are read from /proc"
)
def test_preparing_keeps_few_of_the_arrays_in_memory(store, monkeypatch):
    most = 0

    class Many(Files):
        def read(self, wanted):
            nonlocal most
            for name in sorted(wanted):
                yield name, name.encode()
                most = max(most, mapped_megabytes())

        def develop(self, data, protocol, crop):
            number = int(data)
            light, field = (
                np.full((256, 256), number / 10, np.float32),
                np.full((2, 64, 64), number, np.float32),
            )
            return images.Prepared(light, field, is_grey=False)

    names = [f"{n:03}" for n in range(600)]  # 98 MB of arrays
    found = Source("many", spec(), Many(None), "digest", tuple(names), ())
    before = mapped_megabytes()
    done = prepare(found, "train", None, PAPER, store, Quiet())
    assert most - before < 25
    assert np.array_equal(done.ab[:, 0, 0, 0], np.arange(600))


def mapped_megabytes():
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("RssFile")
    )
    return int(line.split()[1]) / 1024


def test_photographs_that_need_much_memory_wait_for_one_another(folder, store, monkeypatch):
    """Eight threads, and room for two of the photographs at a time."""
    need = len(png(photo(0))) + 12 * 9 * (4 + 3 + 48)
    lock, now, most, own = threading.Lock(), [0], [0], images.prepare

    def counted(*given):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.02)
        with lock:
            now[0] -= 1
        return own(*given)

    monkeypatch.setattr(images, "prepare", counted)
    monkeypatch.setattr(threads, "cores", lambda: 8)
    monkeypatch.setattr(images, "MOST", 2.5 * need)
    assert len(prepare(source(OwnSplit(folder), store), "train", None, PAPER, store, Quiet())) == 8
    assert most[0] == 2


@pytest.mark.parametrize("cores", [1, 4])
def test_the_memory_that_was_asked_for_holds_for_preparation(folder, store, monkeypatch, cores):
    monkeypatch.setattr(threads, "cores", lambda: cores)
    (folder / "5.png").write_bytes(
        png(np.random.default_rng(5).integers(0, 256, (600, 500, 3)).astype(np.uint8))
    )
    found = source(OwnSplit(folder), store)
    with pytest.raises(
        BenchError,
        match=r"tiny: 5.png: it needs 0.0\d+ GiB of memory, more than 0.002 \(--memory\)",
    ):
        prepare(found, "train", None, PAPER, store, Quiet(), memory=0.002)
    assert not list(store.all("prepared"))
    assert len(prepare(found, "train", None, PAPER, store, Quiet(), memory=1)) == 8


def test_a_photograph_that_is_too_large_is_left_out_by_name(folder, store, monkeypatch):
    monkeypatch.setattr(images.decode, "__defaults__", (20_000, *images.decode.__defaults__[1:]))
    (folder / "5.png").write_bytes(png(np.zeros((200, 200, 3), np.uint8)))
    found = prepare(source(OwnSplit(folder), store), "train", None, PAPER, store, Quiet())
    assert list(found.excluded) == ["5.png"]
    assert "200x200 pixels need" in found.excluded["5.png"]


def test_colour_profiles_do_not_change_what_is_measured(tmp_path, store):
    """The same photographs in a wide space with its profile, and in sRGB: the same colours, where
    they are in both."""
    wide = profiles.made(563 / 256, (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06))
    parts = {}
    for name in ("wide", "plain", "unnamed"):
        place = tmp_path / name
        place.mkdir()
        for number in range(4):
            blocks = np.random.default_rng(number).integers(40, 216, (3, 4, 3)).astype(np.uint8)
            picture = Image.fromarray(blocks).resize((80, 60), Image.Resampling.BICUBIC)
            if name != "plain":
                picture = profiles.from_srgb(wide).apply(picture)
            picture.save(place / f"{number}.png", icc_profile=wide if name == "wide" else None)
        parts[name] = prepare(source(OwnSplit(place), store), "train", None, PAPER, store, Quiet())
    assert np.abs(parts["wide"].ab - parts["plain"].ab).mean() < 0.5
    assert np.abs(parts["unnamed"].ab - parts["plain"].ab).mean() > 3
