"""A store whose things were damaged, or written by a stranger: nothing of them is used, and no verb
stops at them."""

import json
import os
import random
import shutil
import struct

import pytest

import bench as huebench
from bench import keys
from bench.data import prepare
from bench.data import source as data_source
from bench.errors import BenchError
from bench.scores import samples, shards
from bench.store import maintenance, records
from bench.store.local import COMMIT_MARK, Store

KINDS = ("fits", "samples", "scores", "features", "prepared", "indexes", "duplicates")
METHODS = ("mean[features=zhang[batch=8,steps=2]]", "marginal")


@pytest.fixture(scope="module")
def made(photographs, tmp_path_factory):
    """A run's store, with things of all kinds. Nobody changes it."""
    folder = tmp_path_factory.mktemp("made")
    huebench.run(
        methods=METHODS,
        datasets=(str(photographs),),
        preset="tiny",
        k=2,
        draws=2,
        metrics=("absolute-error",),
        executor="serial",
        store=folder / "store",
        out=folder / "run",
        figures=("none",),
    )
    return folder / "store"


@pytest.fixture
def broken(made, tmp_path, monkeypatch):
    """A copy of it, and a way to the first thing of a kind."""
    monkeypatch.setattr("bench.store.local._sound", set())  # a new process
    shutil.copytree(made, tmp_path / "store")
    monkeypatch.setenv("BENCH_STORE", os.fspath(tmp_path / "store"))
    return Store(tmp_path / "store")


def first(store, kind):
    """The folder of the thing with the most files, and its mark."""
    path = max(store.places(kind), key=lambda path: (len(list(path.iterdir())), path.name))
    return path, path / COMMIT_MARK


def signed(mark, old=False):
    """A mark that anyone may have written, with a right digest of itself."""
    rest = json.dumps({name: value for name, value in mark.items() if name != "digest"})
    if old:
        return rest.encode()
    return (
        f'{{\n  "digest": "{keys.sha256(rest.removeprefix("{"))}",{rest.removeprefix("{")}'.encode()
    )


def forge(path, **changes):
    """Write a thing's mark anew, with right digests of its files as they are now."""
    mark = json.loads((path / COMMIT_MARK).read_text())
    files = [file for file in path.rglob("*") if file.is_file() and file.name != COMMIT_MARK]
    mark["files"] = {
        file.relative_to(path).as_posix(): {
            "bytes": file.stat().st_size,
            "sha256": keys.file_digest(file),
        }
        for file in files
    }
    (path / COMMIT_MARK).write_bytes(signed({**mark, **changes}))


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_bit_of_a_mark_counts(broken, kind, step, capsys):
    """All of them in the slow test; every eleventh always, which reaches all eight bits of a byte."""
    path, mark = first(broken, kind)
    whole = mark.read_bytes()
    assert broken.find(kind, path.name)
    unnoticed = []
    for bit in range(0, 8 * len(whole), step):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        mark.write_bytes(changed)
        if broken.find(kind, path.name) is not None or broken.read(kind, path.name) is not None:
            unnoticed.append(bit)
    assert unnoticed == []
    mark.write_bytes(whole)
    assert broken.find(kind, path.name) == path
    capsys.readouterr()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mark_that_names_no_files_or_strange_ones_is_not_used(broken, kind, capsys):
    path, mark = first(broken, kind)
    said, one = json.loads(mark.read_text()), {"bytes": 3, "sha256": keys.sha256(b"abc")}
    (path / "evil.pth").write_bytes(b"abc")
    strange = [
        {**said["files"], name: one}
        for name in (
            "evil.pth",
            "../evil.json",
            "/srv/evil.json",
            "a/../evil.json",
            "C:\\evil.json",
            "",
            "\ud800.json",
            "\x1b[2J.json",
            "a.pkl",
            COMMIT_MARK,
            f"{'x' * 300}.json",
            next(iter(said["files"])) + "/a.json",
        )
    ]
    for files in ({}, *strange, [], 5, {"x": 5}, {"x": {}}, None):
        mark.write_bytes(signed({**said, "files": files}))
        assert broken.find(kind, path.name) is None, files
        with pytest.raises(BenchError, match="is damaged"):
            broken.describe(kind, path.name)
    capsys.readouterr()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extra", ["evil.pth", "more.json", "deep/evil.pth", "link", "folder-link"])
def test_a_file_that_the_mark_does_not_list_is_not_there_for_nothing(
    broken, kind, extra, tmp_path, capsys
):
    path, _ = first(broken, kind)
    place = path / extra
    if "link" in extra:
        place.symlink_to(tmp_path if extra == "folder-link" else tmp_path / "nowhere")
    else:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"abc")
    assert broken.find(kind, path.name) is None
    assert extra in capsys.readouterr().err


def test_what_a_file_browser_leaves_is_no_damage(broken):
    path, _ = first(broken, "fits")
    (path / ".DS_Store").write_bytes(b"abc")
    assert broken.find("fits", path.name)


def test_folders_in_folders_are_damage(broken, capsys):
    path, _ = first(broken, "fits")
    (path / "/".join("a" * 60)).mkdir(parents=True)
    assert broken.find("fits", path.name) is None
    said = [wrong for thing, wrong, _ in maintenance.verify(broken) if thing.path == path]
    assert said == ["it has more than 32 folders in one another"]
    capsys.readouterr()


@pytest.mark.parametrize("what", ["file", "mark", "thing"])
def test_links_are_refused(broken, what, tmp_path, capsys):
    path, mark = first(broken, "samples")
    place = {"file": path / samples.FILE, "mark": mark, "thing": path}[what]
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert broken.find("samples", path.name) is None
    assert " link" in capsys.readouterr().err
    assert {wrong for thing, wrong, _ in maintenance.verify(broken) if thing.path == path} <= {
        "it is a link",
        "its mark is a link, or no plain file",
        f"{samples.FILE} is a link, or no plain file",
    }
    maintenance.remove(
        next(thing for thing in maintenance.things(broken, ["samples"]) if thing.path == path)
    )
    assert (tmp_path / "elsewhere").exists()
    assert not os.path.lexists(path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mark_of_another_thing_is_not_used(broken, kind, capsys):
    path, mark = first(broken, kind)
    other = broken.path(kind, "0" * 64)
    other.parent.mkdir()
    shutil.copytree(path, other)
    assert broken.find(kind, other.name) is None
    assert f"its mark is that of '{kind}' {path.name[:12]}" in capsys.readouterr().err
    mark.write_bytes(
        signed(json.loads(mark.read_text()) | {"kind": "indexes" if kind != "indexes" else "fits"})
    )
    assert broken.find(kind, path.name) is None


@pytest.mark.parametrize(
    "key",
    ["../" * 21 + "x", "AB" * 32, "ab" * 31, "ab" * 32 + "\n", "", "/" + "a" * 63, None, 5, ["a"]],
)
def test_no_path_is_made_of_what_is_no_key(broken, key):
    for function in (
        broken.path,
        broken.work,
        broken.lock,
        broken.find,
        broken.read,
        broken.describe,
        broken.looks,
    ):
        with pytest.raises(BenchError, match="is no key of fits"):
            function("fits", key)
    for kind in ("../fits", "nothing", "", "fits/ab", "work", None):
        for function in (broken.path, broken.work, broken.lock, broken.find):
            with pytest.raises(BenchError, match="a store has no"):
                function(kind, "ab" * 32)
        with pytest.raises(BenchError, match="a store has no"):
            list(broken.all(kind))


BAD = {
    "list": b"[1]",
    "nested": b"[" * 100_000,
    "empty": b"",
    "text": b"mark",
    "latin": b"\xff\xfe{}",
    "digits": b"9" * 10_000,
    "numbers": b'{"schema_version": "x"}',
    "newer": b'{"schema_version": 99}',
    "nul": bytes(1000),
    "cut": None,
    "no-name": None,
    "folder": None,
    "pipe": None,
    "link": None,
    "large": None,
}


def spoil(mark, how):
    whole = mark.read_bytes()
    mark.unlink()
    if how == "folder":
        mark.mkdir()
    elif how == "pipe":
        os.mkfifo(mark)
    elif how == "link":
        mark.symlink_to(mark)
    elif how == "large":
        with mark.open("wb") as stream:
            stream.truncate(2**31)  # of which no byte is on the disk
    elif how == "no-name":
        said = json.loads(whole)
        del said["key"]
        mark.write_bytes(signed(said))
    else:
        mark.write_bytes(whole[: len(whole) // 2] if how == "cut" else BAD[how])


@pytest.mark.parametrize("how", BAD)
def test_a_bad_mark_stops_no_verb_and_can_be_removed(broken, bench, photographs, monkeypatch, how):
    monkeypatch.setenv("BENCH_STORE", os.fspath(broken.folder))
    bad = [first(broken, kind)[0] for kind in KINDS]
    count = sum(len(broken.places(kind)) for kind in KINDS)
    for path in bad:
        spoil(path / COMMIT_MARK, how)
    status, out, err = bench("store", "ls")
    assert (status, err) == (0, "")
    assert out.count("damaged") == len(KINDS)
    dry = [
        "run",
        "-m",
        METHODS[0],
        "-d",
        photographs,
        "--preset",
        "tiny",
        "--metrics",
        "absolute-error",
        "--dry-run",
    ]
    status, out, err = bench(*dry)
    assert status == 0
    assert "Traceback" not in err
    assert "to do" in out
    bad = [
        path for path in bad if path.parts[-3] not in ("indexes", "prepared", "duplicates")
    ]  # these were made again
    status, out, err = bench("store", "verify")
    assert (status, err) == (1, "")
    assert out.count("\n") == len(bad) + 1
    assert out.endswith(f"{count} things, {len(bad)} damaged\n")
    status, out, err = bench("store", "gc", "--keep", "1000G")
    assert (status, out, err) == (0, "", "")
    status, out, err = bench("store", "verify", "--delete")
    assert (status, err) == (1, "")
    assert not any(map(os.path.lexists, bad))
    assert bench("store", "verify")[0] == 0
    assert not list(broken.folder.rglob("tmp-*"))


def test_things_of_an_older_huebench_are_not_used_until_they_are_taken_over(
    broken, bench, monkeypatch, capsys
):
    monkeypatch.setenv("BENCH_STORE", os.fspath(broken.folder))
    marks = [path / COMMIT_MARK for kind in KINDS for path in broken.places(kind)]
    before = {mark: broken.describe(mark.parts[-4], mark.parent.name) for mark in marks}
    for mark in marks:  # as they were written then
        said = {
            name: value for name, value in json.loads(mark.read_text()).items() if name != "digest"
        } | {"schema_version": 1}
        mark.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")
    harmed = first(broken, "fits")[0]
    next(file for file in harmed.iterdir() if file.name != COMMIT_MARK).write_bytes(b"abc")
    assert [broken.find(mark.parts[-4], mark.parent.name) for mark in marks] == [None] * len(marks)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"`bench store verify --migrate --store {broken.folder}`" in said
    assert "--migrate" in broken.gone(marks[0].parts[-4], marks[0].parent.name, "it")
    status, out, _ = bench("store", "verify")
    assert status == 1
    assert f"{len(marks) - 1} of an older huebench not used: --migrate takes them over\n" in out
    assert out.endswith(f"{len(marks)} things, 1 damaged\n")
    assert [broken.find(mark.parts[-4], mark.parent.name) for mark in marks] == [None] * len(marks)
    assert (
        f"{len(marks) - 1} of an older huebench taken over\n"
        in bench("store", "verify", "--migrate", "--delete")[1]
    )
    assert bench("store", "verify")[:2] == (0, f"{len(marks) - 1} things, 0 damaged\n")
    for mark in marks:
        if mark.parent != harmed:
            assert broken.describe(mark.parts[-4], mark.parent.name) == before[mark]
    assert not list(broken.folder.rglob("tmp-*"))


def npy(header):
    """A `.npy` file of some header and 64 bytes."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(64)


def tensors(**header):
    """A safetensors file of some header and 64 bytes."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(64)


ARRAYS = {
    "giant": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4, 1000000000000)}\n"),
    "beyond": npy(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 99999999999999999999999)}\n"
    ),
    "objects": npy("{'descr': '|O', 'fortran_order': False, 'shape': (8,)}\n"),
    "nested": npy("(" * 3000),
    "negative": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}\n"),
    "another": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4)}\n"),
    "records": npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (8,)}\n"),
    "overlapping": tensors(
        **{name: {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]} for name in ("ab", "b")}
    ),
    "lying": tensors(ab={"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 64]}),
    "short": tensors(ab={"dtype": "F32", "shape": [999], "data_offsets": [0, 3996]}),
    "strange": tensors(ab={"dtype": "X9", "shape": [16], "data_offsets": [0, 64]}),
    "integers": tensors(ab={"dtype": "I32", "shape": [16], "data_offsets": [0, 64]}),
    "none": tensors(),
    "long": struct.pack("<Q", 2**62) + bytes(64),
    "pickle": b"\x80\x04." + bytes(64),
    "zip": b"PK\x03\x04" + bytes(64),
    "empty": b"",
    "text": b"{}",
    "json": b"[[1], {}]",
    "deep": b"[" * 100_000,
    "utf-16": "{}".encode("utf-16"),
}


def read_all(store, kinds=KINDS):
    """Read the forged things as those do that use them; lines of what can't be."""
    said = []
    readers = {
        "samples": lambda key: samples.read(store, key),
        "scores": lambda key: shards.read(store.path("scores", key), store.describe("scores", key)),
        "prepared": lambda key: prepare.reopen(store, "photographs", key),
        "indexes": lambda key: data_source.index(_Same(key), store, None),
    }
    for kind, function in readers.items():
        if kind not in kinds:
            continue
        path = first(store, kind)[0]
        try:
            function(path.name)
        except BenchError as error:
            said.append(str(error))
    return said


class _Same:
    """A data set whose index is some thing."""

    def __init__(self, key):
        self.key = key

    def signature(self):
        return self.key


@pytest.mark.parametrize("content", ARRAYS)
def test_a_forged_file_with_a_right_digest_is_one_line(broken, content, monkeypatch, capfd):
    for kind in KINDS:
        path = first(broken, kind)[0]
        for file in [
            file for file in path.rglob("*") if file.is_file() and file.name != COMMIT_MARK
        ]:
            file.write_bytes(ARRAYS[content])
        forge(path)
        assert broken.find(kind, path.name), "digests are right"
    monkeypatch.setattr(
        "bench.keys.key", lambda kind, signature, form: signature
    )  # of `data_source.index`
    said = read_all(broken)
    assert len(said) == 4
    assert all(line.count("\n") == 0 and str(broken.folder) in line for line in said)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("content", ARRAYS)
def test_a_forged_fit_is_a_failed_row_or_one_line(
    broken, bench, photographs, tmp_path, monkeypatch, content
):
    monkeypatch.setenv("BENCH_STORE", os.fspath(broken.folder))
    for path in broken.places("fits"):
        for file in [
            file for file in path.rglob("*") if file.is_file() and file.name != COMMIT_MARK
        ]:
            file.write_bytes(ARRAYS[content])
        forge(path)
    shutil.rmtree(broken.folder / "samples")
    shutil.rmtree(broken.folder / "scores")
    arguments = [
        "-m",
        ",".join(METHODS),
        "-d",
        photographs,
        "--preset",
        "tiny",
        "--draws",
        "2",
        "--metrics",
        "absolute-error",
    ]
    status, _, err = bench("run", *arguments, "-k", "2", "--figures", "none", "--out", "run")
    assert status in (3, 6)
    assert "Traceback" not in err
    cells = json.loads((tmp_path / "run" / "manifest.json").read_text())["cells"]
    assert [cell["status"] for cell in cells] == ["failed"] * len(cells)
    shutil.copy(next(photographs.iterdir()), tmp_path / "photo.png")
    status, _, err = bench("colorize", "photo.png", "--weights", "run", "--out", "coloured")
    assert status == 2
    assert err.count("\n") == 1


def mutated(data, chance):
    """Bytes with a few changed, removed, put in, or repeated."""
    found, words = bytearray(data), (b"[", b'"', b"}", b"-1", b"1e999", b"null", b"\\ud800")
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(found) + 1), chance.choice((1, 1, 1, 4, 40))
        new = chance.choice(
            (chance.randbytes(length), bytes(found[:length]), b"9" * length, chance.choice(words))
        )
        found[at : at + chance.choice((0, length))] = new
    return bytes(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_forged_mark_is_used_only_where_it_has_the_form_of_its_kind(broken, kind, count, capsys):
    chance = random.Random(count)
    path, mark = first(broken, kind)
    before, outside = json.loads(mark.read_text()), set(broken.folder.parent.iterdir())
    rest = mark.read_bytes()[len(b'{\n  "digest": "",') + 64 :]
    for _ in range(count):
        body = mutated(rest, chance)
        mark.write_bytes(f'{{\n  "digest": "{keys.sha256(body)}",'.encode() + body)
        found = broken.read(kind, path.name)
        assert found is None or records.plain(found[1])["files"] == before["files"]
        assert maintenance.things(broken, [kind])
        list(broken.all(kind))
    assert set(broken.folder.parent.iterdir()) == outside
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["samples", "scores", "prepared", "indexes"])
@pytest.mark.parametrize("count", [25, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_forged_file_is_read_or_is_one_line(broken, kind, count, monkeypatch, capfd):
    monkeypatch.setattr(
        "bench.keys.key", lambda kind, signature, form: signature
    )  # of `data_source.index`
    chance = random.Random(count)
    path, _ = first(broken, kind)
    contents = {file: file.read_bytes() for file in path.iterdir() if file.name != COMMIT_MARK}
    for _ in range(count):
        for file, data in contents.items():
            head = min(len(data), 400)  # where the forms are told
            file.write_bytes(mutated(data[:head], chance) + data[head:])
        forge(path)
        assert all("\n" not in line for line in read_all(broken, [kind]))
    assert "Traceback" not in capfd.readouterr().err
