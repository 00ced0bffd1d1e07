"""The store holds finished things only, whatever happens while they are made."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bench import keys
from bench.errors import BenchError, Infrastructure, StoreLost
from bench.store import drafts, marks, records
from bench.store.files import allocate, read_json, write_bytes, write_json, write_text
from bench.store.local import COMMIT_MARK, Store, commit, trust
from bench.store.opening import default_place

from ..patience import LONG

KEY = "ab" * 32
FIT = {
    "method": "m",
    "version": "1",
    "label": "m",
    "parameters": {},
    "dataset": "d",
    "seed": 0,
    "requires": {},
}
"""What any fit says of itself."""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def build(folder):
    (folder / "weights.safetensors").write_bytes(b"all of it")
    return FIT | {"notes": {"by": "first"}}


def must_not_build(folder):
    raise AssertionError("built again")


def left_overs(store):
    return [p for p in store.folder.rglob("*") if p.name.startswith(("tmp-", "."))]


def test_a_thing_is_built_once_and_found_again(store):
    assert store.find("fits", KEY) is None
    folder = store.get("fits", KEY, build)
    assert (folder / "weights.safetensors").read_bytes() == b"all of it"
    assert (
        store.get("fits", KEY, must_not_build)
        == folder
        == store.find("fits", KEY)
        == store.path("fits", KEY)
    )
    assert records.plain(Store(store.folder).describe("fits", KEY)) == {
        **FIT,
        "imported": False,
        "seconds": 0.0,
        "schema_version": marks.SCHEMA,
        "kind": "fits",
        "key": KEY,
        "notes": {"by": "first"},
        "files": {"weights.safetensors": {"bytes": 9, "sha256": keys.sha256(b"all of it")}},
    }
    assert left_overs(store) == []


def test_kinds_and_keys_are_apart(store):
    store.get("fits", KEY, build)
    assert store.find("samples", KEY) is None
    assert store.find("fits", "ab" + "0" * 62) is None


def test_all_lists_the_marks_of_one_kind_sorted(store):
    for key in ("cd" * 32, KEY, "ab" + "0" * 62):
        store.get("fits", key, build)
    store.get("features", "ef" * 32, lambda folder: {"shape": [0]})
    assert [mark.key for mark in store.all("fits")] == ["ab" + "0" * 62, KEY, "cd" * 32]
    assert list(store.all("samples")) == []


def test_all_is_in_the_order_of_the_keys_whatever_the_folders(store):
    made = [keys.sha256(str(i)) for i in range(24)] + [
        KEY[:2] + keys.sha256(str(i))[2:] for i in range(8)
    ]
    for key in made:
        folder = store.path("features", key)
        folder.mkdir(parents=True)
        commit(folder, "features", key, {"shape": [0]})
    assert [mark.key for mark in store.all("features")] == sorted(made)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_build_that_raises_leaves_nothing(store, error):
    def fail(folder):
        build(folder)
        raise error("half way")

    with pytest.raises(error, match="half way"):
        store.get("fits", KEY, fail)
    assert store.find("fits", KEY) is None
    assert [p for p in store.folder.rglob("*") if p.is_file()] == [store.lock("fits", KEY)]
    assert left_overs(store) == []
    assert store.get("fits", KEY, build).is_dir()


def test_a_block_that_raises_after_the_mark_leaves_nothing(store):
    with pytest.raises(RuntimeError, match="after it"), store.building("fits", KEY) as folder:  # noqa: PT012
        commit(folder, "fits", KEY, build(folder))
        raise RuntimeError("after it")
    assert store.find("fits", KEY) is None
    assert left_overs(store) == []


def test_an_uncommitted_left_over_is_replaced(store):
    old = store.path("fits", KEY)
    (old / "deep").mkdir(parents=True)
    (old / "deep" / "half").write_text("half")
    (old / "weights.safetensors").write_text("half")
    assert store.find("fits", KEY) is None
    assert {p.name for p in store.get("fits", KEY, build).iterdir()} == {
        "weights.safetensors",
        COMMIT_MARK,
    }


def test_of_two_that_build_the_same_thing_the_first_to_finish_stays(store):
    def slow(folder):
        with store.building(
            "fits", KEY
        ) as first:  # by a process whose lock did not hold: on a share without locks
            commit(first, "fits", KEY, build(first))
        (folder / "weights.safetensors").write_bytes(b"later")
        return FIT | {"notes": {"by": "second"}}

    folder = store.get("fits", KEY, slow)
    assert (folder / "weights.safetensors").read_bytes() == b"all of it"
    assert store.describe("fits", KEY).notes == {"by": "first"}
    assert left_overs(store) == []


CHILD = """
import json, sys, time
from pathlib import Path
from bench.store.local import Store, commit
with Store(Path(sys.argv[1])).building("fits", sys.argv[2]) as folder:
    (folder / "weights.safetensors").write_bytes(b"half")
    if sys.argv[3] == "marked":
        commit(folder, "fits", sys.argv[2], json.loads(sys.argv[4]))
    print("building", flush=True)
    time.sleep(1800)
"""


def kill_while_building(store, stage):
    command = [sys.executable, "-c", CHILD, str(store.folder), KEY, stage, json.dumps(FIT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "building\n"
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert len(left_overs(store)) == 1


@pytest.mark.parametrize("stage", ["unmarked", "marked"])
def test_a_killed_build_is_not_found_and_is_built_again(store, stage):
    kill_while_building(store, stage)
    assert store.find("fits", KEY) is None
    assert (store.get("fits", KEY, build) / "weights.safetensors").read_bytes() == b"all of it"


def test_a_killed_build_is_not_listed(store):
    kill_while_building(store, "unmarked")
    assert list(store.all("fits")) == []


def test_a_build_killed_between_the_mark_and_the_move_is_not_listed(store):
    kill_while_building(store, "marked")
    assert list(store.all("fits")) == []


def test_processes_that_race_for_one_thing_all_get_it_whole(store):
    code = """
import json, sys, time
from pathlib import Path
from bench.store.local import Store
def build(folder):
    with open(sys.argv[3], "a") as log: log.write("built\\n")
    (folder / "weights.safetensors").write_bytes(b"all of it"); time.sleep(0.5); return json.loads(sys.argv[4])
store = Store(Path(sys.argv[1]))
print((store.get("fits", sys.argv[2], build) / "weights.safetensors").read_text())
"""
    log = store.folder.parent / "log"
    command = [sys.executable, "-c", code, str(store.folder), KEY, str(log), json.dumps(FIT)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(racer.communicate(timeout=LONG)[0], racer.returncode) for racer in racers] == [
        ("all of it\n", 0)
    ] * 4
    assert log.read_text() == "built\n"
    assert left_overs(store) == []
    assert list((store.folder / "locks").iterdir()) == []


def test_who_waits_is_told_once_and_a_busy_thing_can_be_left_for_later(store):
    waited, again, go_on = [], threading.Event(), threading.Event()

    def slow(folder):
        again.set()
        go_on.wait(LONG)
        return build(folder)

    def told():
        waited.append("once")
        go_on.set()

    other = threading.Thread(target=store.get, args=("fits", KEY, slow))
    other.start()
    again.wait()
    assert store.get_if_free("fits", KEY, must_not_build) is None
    assert store.get("fits", KEY, must_not_build, told) == store.path("fits", KEY)
    other.join()
    assert waited == ["once"]
    assert store.get_if_free("fits", KEY, must_not_build) == store.path("fits", KEY)


def test_a_build_that_was_killed_leaves_no_lock(store):
    code = """
import sys, time
from pathlib import Path
from bench.store.local import Store
def build(folder):
    print("building", flush=True); time.sleep(1800)
Store(Path(sys.argv[1])).get("fits", sys.argv[2], build)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(store.folder), KEY], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "building\n"
        assert store.get_if_free("fits", KEY, must_not_build) is None
        child.kill()
    assert store.get_if_free("fits", KEY, build) == store.path("fits", KEY)


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_what_is_damaged_is_named_and_made_again(store, harm, capsys):
    path = store.get("fits", KEY, build) / "weights.safetensors"
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(b"all of ot" if harm == "flip" else b"all")
    assert store.find("fits", KEY) is None
    said = capsys.readouterr().err
    assert said.startswith(f"store: fits {KEY[:12]} is damaged (weights.safetensors ")
    assert said.count("\n") == 1
    assert (store.get("fits", KEY, build) / "weights.safetensors").read_bytes() == b"all of it"
    capsys.readouterr()
    assert store.find("fits", KEY)
    assert capsys.readouterr().err == ""


def test_what_another_process_has_read_is_not_read_again_until_it_looks_otherwise(
    store, monkeypatch
):
    path = store.get("fits", KEY, build) / "weights.safetensors"
    read = []
    monkeypatch.setattr(
        "bench.store.digests.damage", lambda folder, files: read.append(folder) or ""
    )
    monkeypatch.setattr("bench.store.local._sound", set())  # a new process
    trust([store.looks("fits", KEY)])
    assert store.find("fits", KEY)
    assert read == []
    path.write_bytes(b"all of ot")
    assert store.find("fits", KEY)
    assert read == [path.parent]


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.ENOSPC, StoreLost, "is full"),
        (errno.EROFS, StoreLost, "can't be written"),
        (errno.ESTALE, Infrastructure, "out of reach"),
    ],
)
def test_an_error_of_the_store_s_disk_is_said_in_one_line(store, number, kind, said):
    def fail(folder):
        raise OSError(number, os.strerror(number), str(folder / "weights.safetensors"))

    with pytest.raises(kind, match=said) as caught:
        store.get("fits", KEY, fail)
    assert len(str(caught.value).splitlines()) == 1
    assert left_overs(store) == []
    assert store.get("fits", KEY, build)


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE]
)
def test_an_error_of_no_file_is_the_disk_s_only_where_no_socket_has_it(store, number):
    def fail(folder):
        raise OSError(number, os.strerror(number))

    with pytest.raises(StoreLost, match=re.escape(f"({os.strerror(number)})")):
        store.get("fits", KEY, fail)
    number = errno.ETIMEDOUT  # as a method's own connection has it
    with pytest.raises(TimeoutError, match=os.strerror(number)):
        store.get("fits", KEY, fail)


def test_an_error_of_another_file_stays_what_it_is(store, tmp_path):
    def fail(folder):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "mine"))

    with pytest.raises(PermissionError, match=r"Permission denied: .*mine"):
        store.get("fits", KEY, fail)


def test_a_library_that_makes_names_absolute_hides_no_error_of_the_store(tmp_path, monkeypatch):
    def fail(folder):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.path.abspath(folder / "a.lock"))

    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreLost, match="can't be written"):
        Store(Path("here")).get("fits", KEY, fail)


def test_unfinished_work_goes_when_the_thing_is_built(store):
    folder = store.work("fits", KEY)
    folder.mkdir(parents=True)
    store.get("fits", KEY, build)
    assert not folder.exists()


def test_a_store_that_may_only_be_read_is_read(store, tmp_path):
    store.get("fits", KEY, build)
    view = tmp_path / "view"
    view.mkdir()
    made = subprocess.run(
        ["mount", "--bind", str(store.folder), str(view)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(view)], check=True)
        assert Store(view).get("fits", KEY, must_not_build).is_dir()
        with pytest.raises(StoreLost, match="can't be written"):
            Store(view).get("fits", "cd" * 32, build)
    finally:
        subprocess.run(["umount", "-l", str(view)], check=True)


def mounted(folder, options):
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("no tmpfs can be mounted here")


def test_a_full_disk_is_one_line_and_the_store_works_on(tmp_path):
    disk = tmp_path / "disk"
    mounted(disk, "size=256k")
    try:
        store = Store(disk / "store")
        for fill in (
            lambda f: (f / "big").write_bytes(bytes(2**20)),
            lambda f: allocate(f / "a.npy", "f4", (2**20,)),
            lambda f: save_file({"a": torch.zeros(2**18)}, f / "a.safetensors"),
        ):
            with pytest.raises(StoreLost, match=r"is full .*free some space") as caught:
                store.get("fits", KEY, lambda folder, fill=fill: {"n": fill(folder)})
            assert len(str(caught.value).splitlines()) == 1
            assert left_overs(store) == []
        assert store.get("fits", KEY, build).is_dir()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_store_that_can_not_be_written_is_said_in_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match=r"can't be written .*--store") as caught:
        Store(tmp_path / "file" / "store").get("fits", KEY, build)
    assert len(str(caught.value).splitlines()) == 1


def test_a_finished_folder_can_be_read_by_those_who_can_read_its_files(store):
    folder = store.get("fits", KEY, build)
    assert folder.stat().st_mode & 0o055 == 0o055


def test_the_store_s_place_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_STORE", str(tmp_path))
    assert default_place() == tmp_path
    monkeypatch.delenv("BENCH_STORE")
    assert "huebench" in default_place().parts


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("a long first text", "ä"):
        write_text(path, text)
        assert path.read_bytes() == text.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_and_no_temporary_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"folder'$"):
        write_bytes(tmp_path / "folder", b"data")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_json_is_read_as_written(tmp_path):
    value = {"b": [1, None, "ä"], "a": {"x": 0.1}, "schema_version": keys.SCHEMA}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value == json.loads((tmp_path / "a.json").read_text())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is missing"),
        (b'{"a": 1', "can't be read"),
        (b"", "can't be read"),
        (b"\xff\xfe\x00{", "can't be read"),
    ],
    ids=["missing", "cut", "empty", "binary"],
)
def test_json_that_can_not_be_read_is_said_in_one_line_with_its_path(tmp_path, content, says):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BenchError, match=says) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_in_place_of_json_is_an_error_too(tmp_path):
    with pytest.raises(BenchError, match="can't be read"):
        read_json(tmp_path)


def test_a_newer_schema_is_refused_and_an_older_one_is_read(tmp_path):
    path = Path(tmp_path / "a.json")
    write_json(path, {"schema_version": keys.SCHEMA + 1})
    with pytest.raises(BenchError, match=f"schema version {keys.SCHEMA + 1}.*upgrade"):
        read_json(path)
    for older in ({"schema_version": keys.SCHEMA - 1}, {}, [1]):
        write_json(path, older)
        assert read_json(path) == older


@pytest.mark.parametrize("version", ["2", None])
def test_a_schema_version_that_is_no_number_is_refused(tmp_path, version):
    write_json(tmp_path / "a.json", {"schema_version": version})
    with pytest.raises(BenchError, match=f"schema version {version!r}, which is no number"):
        read_json(tmp_path / "a.json")


def test_what_killed_processes_left_goes_with_the_next_that_builds_or_runs(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    store, key = Store(tmp_path), "ab" * 32
    left = tmp_path / "indexes" / "ab" / f"tmp-{ended.pid}-{drafts.machine()}-{key[:16]}-x"
    mine = tmp_path / "indexes" / "ab" / f"tmp-{os.getpid()}-{drafts.machine()}-{key[:16]}-y"
    lock = tmp_path / "locks" / f"run-{ended.pid}-{drafts.machine()}-x.lock"
    for folder in (left, mine, lock.parent):
        folder.mkdir(parents=True)
    lock.touch()

    def build(folder):
        write_json(folder / "photos.json", {"photos": [], "left_out": {}})
        return {}

    with store.in_use():
        store.get("indexes", key, build)
        assert not lock.exists()
    assert [path.name for path in left.parent.iterdir() if path.name.startswith("tmp-")] == [
        mine.name
    ]
