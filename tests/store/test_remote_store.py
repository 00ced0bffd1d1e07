"""A store behind a URL: the mark goes last, machines share what is there, and nothing damaged or
foreign is used."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from bench import keys
from bench.errors import BenchError, Infrastructure, StoreLost
from bench.store.local import COMMIT_MARK, Store
from bench.store.opening import open_store
from bench.store.remote import RemoteStore

from ..patience import LONG

KEY, OTHER = "ab" * 32, "cd" * 32
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


class Faulty(LocalFileSystem):
    """Files under faulty://, with faults on request."""

    protocol = "faulty"
    cachable = False
    fault = None
    left = None
    calls: ClassVar[list] = []

    def __getattribute__(self, name):
        """After `left` calls the server is gone."""
        if (
            name in ("cat_file", "put_file", "get_file", "makedirs", "mv", "glob")
            and Faulty.left is not None
        ):
            if Faulty.left <= 0:
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            Faulty.left -= 1
        return super().__getattribute__(name)

    @classmethod
    def _strip_protocol(cls, path):
        return LocalFileSystem._strip_protocol(str(path).removeprefix("faulty://"))

    def put_file(self, source, target, **more):
        Faulty.calls.append(target)
        if Faulty.fault and Faulty.fault[0] in target:
            raise Faulty.fault[1]
        super().put_file(source, target, **more)

    def cat_file(self, path, *arguments, **more):
        if Faulty.fault and Faulty.fault[0] == "cat":
            raise Faulty.fault[1]
        return super().cat_file(path, *arguments, **more)


fsspec.register_implementation("faulty", Faulty, clobber=True)


@pytest.fixture
def far(tmp_path):
    return tmp_path / "far"


@pytest.fixture
def machine(far, tmp_path, monkeypatch):
    """A store as a machine of some name sees it."""

    def see(name="here", scheme="file"):
        monkeypatch.setenv("BENCH_STORE_CACHE", str(tmp_path / name))
        return open_store(f"{scheme}://{far}")

    monkeypatch.setattr(Faulty, "fault", None)
    monkeypatch.setattr(Faulty, "left", None)
    monkeypatch.setattr(Faulty, "calls", [])
    return see


def build(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "weights.safetensors").write_bytes(b"all of it")
    (folder / "a.json").write_text("{}")
    return FIT | {"notes": {"by": "first"}}


def must_not_build(folder):
    raise AssertionError("built again")


def refuse(folder):
    raise RuntimeError("no")


def signed(mark):
    """A mark that anyone may have written, with a right digest."""
    rest = f"{json.dumps(mark).removeprefix('{')}\n"
    return f'{{\n  "digest": "{keys.sha256(rest)}",{rest}'.encode()


def there(far, key=KEY):
    return far / "fits" / key[:2] / key


def test_what_one_machine_builds_another_finds(machine, far):
    assert machine().find("fits", KEY) is None
    made = machine().get("fits", KEY, build)
    found = machine("elsewhere").find("fits", KEY)
    assert found != made
    assert (found / "deep" / "weights.safetensors").read_bytes() == b"all of it"
    assert machine("elsewhere").get("fits", KEY, must_not_build) == found
    assert machine("elsewhere").describe("fits", KEY).notes == {"by": "first"}
    assert Store(far).find("fits", KEY), "the layout is that of a folder"
    assert sorted(p.name for p in there(far).rglob("*")) == [
        "a.json",
        COMMIT_MARK,
        "deep",
        "weights.safetensors",
    ]
    assert [mark.key for mark in machine("third").all("fits")] == [KEY]
    assert list(machine("third").all("samples")) == []
    assert machine().place == f"file://{far}"
    assert not list(machine().folder.rglob("tmp-*")) + list(machine().folder.rglob("*.lock"))


def test_the_mark_goes_last(machine):
    machine(scheme="faulty").get("fits", KEY, build)
    names = [Path(call).name for call in Faulty.calls]
    assert sorted(names[:-1]) == ["a.json", "weights.safetensors"]
    assert names[-1].startswith("tmp-")
    assert names[-1].endswith(COMMIT_MARK)


def test_what_could_not_be_sent_is_not_finished_and_is_sent_later_without_building_again(
    machine, far
):
    Faulty.fault = (COMMIT_MARK, OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))
    with pytest.raises(Infrastructure, match="out of reach"):
        machine(scheme="faulty").get("fits", KEY, build)
    Faulty.fault = None
    assert (there(far) / "deep" / "weights.safetensors").is_file()
    assert machine(scheme="faulty").find("fits", KEY) is None
    assert machine("elsewhere", "faulty").find("fits", KEY) is None
    machine(scheme="faulty").get("fits", KEY, must_not_build)
    assert machine("elsewhere", "faulty").get("fits", KEY, must_not_build)


def test_a_build_that_fails_sends_nothing(machine, far):
    with pytest.raises(RuntimeError, match=r"^no$"):
        machine().get("fits", KEY, refuse)
    assert not far.exists()


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "mark"])
def test_what_is_damaged_there_is_named_once_and_made_again(machine, far, capsys, harm):
    machine().get("fits", KEY, build)
    path = there(far) / ("deep/weights.safetensors" if harm != "mark" else COMMIT_MARK)
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes({"flip": b"all of ot", "cut": b"all", "mark": b"{"}[harm])
    other = machine("elsewhere")
    assert other.find("fits", KEY) is None
    assert other.find("fits", KEY) is None
    said = capsys.readouterr().err
    assert said.startswith(f"store: fits {KEY[:12]} at file://{far} is damaged (")
    assert said.count("\n") == 1
    other.get("fits", KEY, build)
    assert machine("third").get("fits", KEY, must_not_build)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "name", ["../../outside", "/outside", "a/../../outside", "C:\\outside", ""]
)
def test_a_mark_can_not_name_files_outside(machine, far, tmp_path, capsys, name):
    machine().get("fits", KEY, build)
    mark = json.loads((there(far) / COMMIT_MARK).read_text())
    mark["files"] = {name: mark["files"]["a.json"]}
    (there(far) / COMMIT_MARK).write_bytes(signed(mark))
    before = set(tmp_path.rglob("*"))
    assert machine("elsewhere").find("fits", KEY) is None
    assert "such a thing has only" in capsys.readouterr().err
    assert not [p for p in set(tmp_path.rglob("*")) - before if p.is_file() and p.suffix != ".lock"]


def test_a_copy_that_is_damaged_or_pruned_is_fetched_again(machine, capsys):
    store = machine()
    folder = store.get("fits", KEY, build)
    (folder / "a.json").write_text("[]")
    assert (store.find("fits", KEY) / "a.json").read_text() == "{}"
    assert "is damaged (a.json " in capsys.readouterr().err
    subprocess.run(["rm", "-r", str(folder)], check=True)
    assert store.get("fits", KEY, must_not_build).is_dir()


def test_what_was_removed_there_is_not_finished(machine, far):
    machine().get("fits", KEY, build)
    (there(far) / COMMIT_MARK).unlink()
    assert machine().find("fits", KEY) is None
    machine().get("fits", KEY, must_not_build)  # this machine has it still, and sends it
    assert (there(far) / COMMIT_MARK).is_file()


def test_of_two_machines_that_build_the_same_the_first_mark_stays(machine, far):
    def slow(folder):
        machine("elsewhere").get("fits", KEY, build)
        return build(folder) | {"notes": {"by": "second"}}

    machine("here").get("fits", KEY, slow)
    assert json.loads((there(far) / COMMIT_MARK).read_text())["notes"] == {"by": "first"}
    assert machine("third").describe("fits", machine("third").find("fits", KEY).name).notes == {
        "by": "first"
    }


def test_two_processes_of_a_machine_share_one_url(far, tmp_path):
    code = """
import json, sys, time
from bench.store.opening import open_store
def build(folder):
    with open(sys.argv[3], "a") as log: log.write("built\\n")
    (folder / "weights.safetensors").write_bytes(b"all of it"); time.sleep(0.5); return json.loads(sys.argv[4])
print((open_store(sys.argv[1]).get("fits", sys.argv[2], build) / "weights.safetensors").read_text())
"""
    command = [
        sys.executable,
        "-c",
        code,
        f"file://{far}",
        KEY,
        str(tmp_path / "log"),
        json.dumps(FIT),
    ]
    environment = os.environ | {"BENCH_STORE_CACHE": str(tmp_path / "copies")}
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    assert [(each.communicate(timeout=LONG)[0], each.returncode) for each in both] == [
        ("all of it\n", 0)
    ] * 2
    assert (tmp_path / "log").read_text() == "built\n"


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (
            ("weights", OSError(errno.ENOSPC, "No space left on device")),
            StoreLost,
            r"is full \(No space left",
        ),
        (
            ("weights", PermissionError("Access Denied")),
            StoreLost,
            r"can't be written \(Access Denied\)",
        ),
        (
            ("weights", NotImplementedError()),
            StoreLost,
            r"can't be written \(NotImplementedError\)",
        ),
        (
            ("weights", OSError("something else")),
            Infrastructure,
            r"out of reach \(something else\)",
        ),
        (("cat", PermissionError("Forbidden")), StoreLost, r"can't be read \(Forbidden\)"),
        (("cat", ConnectionError("no route")), Infrastructure, r"out of reach \(no route\)"),
        (
            ("cat", RuntimeError("of some library\nand its advice")),
            Infrastructure,
            r"out of reach \(of some library\)",
        ),
    ],
)
def test_what_goes_wrong_there_is_one_line_that_names_the_store(machine, far, fault, kind, said):
    Faulty.fault = fault
    with pytest.raises(kind, match=said) as caught:
        machine(scheme="faulty").get("fits", KEY, build)
    assert type(caught.value) is kind
    assert f"the store faulty://{far} " in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    Faulty.fault = None
    assert machine(scheme="faulty").get("fits", KEY, build).is_dir()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense://x/y", "can't be opened"),
        ("lakefs://x/y", "needs a package that is not installed"),
        ("sftp://me:secret@host/x", "password"),
    ],
)
def test_a_url_that_can_not_be_used_is_one_line(url, said):
    with pytest.raises(BenchError, match=said) as caught:
        open_store(url).find("fits", KEY)
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)


def test_unfinished_work_stays_on_the_machine_and_goes_when_the_thing_is_built(machine, far):
    store = machine()
    store.work("fits", KEY).mkdir(parents=True)
    (store.work("fits", KEY) / "checkpoint").write_text("half")
    assert not far.exists()
    store.get("fits", KEY, build)
    assert not store.work("fits", KEY).exists()
    assert not (far / "work").exists()


def test_the_environment_names_a_folder_or_a_url(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_STORE", str(tmp_path))
    assert open_store().place == str(tmp_path)
    assert type(open_store()) is Store
    monkeypatch.setenv("BENCH_STORE", "file:///somewhere/")
    assert isinstance(open_store(), RemoteStore)
    assert open_store().place == "file:///somewhere"


def gone(act):
    """What is said when the server goes away after some calls of an act; for each number of calls
    that is too small."""
    for calls in range(100):
        Faulty.left = calls
        try:
            act()
            return
        except Infrastructure as error:
            yield str(error)
        finally:
            Faulty.left = None
    raise AssertionError("it never ends")


def test_a_server_that_goes_away_at_any_moment_leaves_nothing_half(machine, far):
    for number, said in enumerate(gone(lambda: machine("here", "faulty").get("fits", KEY, build))):
        assert said.startswith(
            f"the store faulty://{far} is out of reach (Connection reset by peer)"
        )
        assert "\n" not in said
        assert number < 20
        assert Store(far).find("fits", KEY) is None
        assert not list(machine("here").folder.rglob("tmp-*"))
    assert Store(far).find("fits", KEY)
    assert number > 3
    for said in gone(lambda: machine("elsewhere", "faulty").get("fits", KEY, must_not_build)):
        assert "is out of reach" in said
        assert not [
            path
            for path in machine("elsewhere").folder.rglob("*")
            if path.is_file() and path.suffix != ".lock"
        ]
    assert [mark.key for mark in machine("elsewhere", "faulty").all("fits")] == [KEY]
    for said in gone(lambda: list(machine("elsewhere", "faulty").all("fits"))):
        assert "is out of reach" in said


def test_every_bit_of_a_mark_there_counts(machine, far, capsys):
    machine().get("fits", KEY, build)
    mark = there(far) / COMMIT_MARK
    whole, other, unnoticed = mark.read_bytes(), machine("elsewhere"), []
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        mark.write_bytes(changed)
        if other.find("fits", KEY) is not None or list(other.all("fits")):
            unnoticed.append(bit)
    assert unnoticed == []
    assert not [path for path in other.folder.rglob("*") if path.is_file()], "nothing was fetched"
    mark.write_bytes(whole)
    assert other.find("fits", KEY)
    capsys.readouterr()


def test_a_machine_that_has_a_copy_mends_a_mark_that_is_damaged_there(machine, far, capsys):
    machine().get("fits", KEY, build)
    (there(far) / COMMIT_MARK).write_bytes(b"{}")
    assert machine().find("fits", KEY) is None
    assert "is damaged (" in capsys.readouterr().err
    machine().get("fits", KEY, must_not_build)
    assert machine("elsewhere").find("fits", KEY)


@pytest.mark.parametrize(
    "change", [{"kind": "indexes"}, {"key": OTHER}, {"files": {}, "method": 5}, {"parameters": []}]
)
def test_the_mark_of_another_thing_is_not_fetched(machine, far, capsys, change):
    machine().get("fits", KEY, build)
    mark = there(far) / COMMIT_MARK
    mark.write_bytes(
        signed(
            {
                name: value
                for name, value in json.loads(mark.read_text()).items()
                if name != "digest"
            }
            | change
        )
    )
    assert machine("elsewhere").find("fits", KEY) is None
    assert list(machine("elsewhere").all("fits")) == []
    assert capsys.readouterr().err.count("\n") == 1


def test_things_of_an_older_huebench_there_are_made_again(machine, far, capsys):
    for key in (KEY, OTHER):
        machine().get("fits", key, build)
        mark = there(far, key) / COMMIT_MARK
        said = json.loads(mark.read_text())
        del said["digest"]
        mark.write_text(json.dumps(said | {"schema_version": 1}))
        assert machine("elsewhere").find("fits", key) is None
    assert capsys.readouterr().err.count("\n") == 1
    assert machine("elsewhere").get("fits", KEY, build)
    assert Store(far).find("fits", KEY)


@pytest.mark.parametrize("key", ["../../../../mine", "AB" * 32, "", None])
def test_no_path_is_made_of_what_is_no_key(machine, tmp_path, key):
    (tmp_path / "mine").mkdir()
    store = machine()
    for function in (
        store.path,
        store.work,
        store.lock,
        store.find,
        store.read,
        store.describe,
        store.looks,
    ):
        with pytest.raises(BenchError, match="is no key of fits"):
            function("fits", key)
    with pytest.raises(BenchError, match="is no key of fits"):
        store.get("fits", key, build)
    assert list((tmp_path / "mine").iterdir()) == []
