"""`bench store`: what is kept, pruned and checked."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from bench.store.local import COMMIT_MARK, Store, machine

KEYS = ["ab" * 32, "cd" * 32, "ef" * 32]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Three fits, used 90, 40 and 0 days ago, of 1000, 2000 and 3000 bytes."""
    store = Store(tmp_path / "store")
    monkeypatch.setenv("BENCH_STORE", os.fspath(store.folder))
    for i, key in enumerate(KEYS):
        folder = store.get("fits", key, lambda f, i=i: _fill(f, i))
        then = time.time() - (90, 40, 0)[i] * 86400
        os.utime(folder / COMMIT_MARK, (then, then))
    return store


def _fill(folder, i):
    (folder / "weights.safetensors").write_bytes(bytes([i]) * 1000 * (i + 1))
    return {
        "method": "mdn",
        "version": "1",
        "label": f"mdn{i}",
        "parameters": {},
        "dataset": "church",
        "seed": i,
        "requires": {},
    }


def kept(store):
    return [mark.key for mark in store.all("fits")]


def test_ls_shows_what_is_kept(command, store):
    status, out, _ = command("store", "ls")
    assert status == 0
    assert "mdn2 on church (seed 2)" in out
    assert out.index("mdn2") < out.index("mdn1") < out.index("mdn0")
    assert "3 things, " in out
    rows = json.loads(command("store", "ls", "--json", "--by", "age")[1])
    assert [row["what"] for row in rows] == [
        "mdn0 on church",
        "mdn1 on church (seed 1)",
        "mdn2 on church (seed 2)",
    ]
    assert command("store", "ls", "--kind", "samples")[1] == "nothing\n0 things, 0 B\n"


def test_gc_removes_what_is_old(command, store):
    assert (
        "would remove fits abababababab"
        in command("store", "gc", "--older-than", "60d", "--dry-run")[1]
    )
    assert kept(store) == KEYS
    out = command("store", "gc", "--older-than", "60d")[1]
    assert out.startswith("removed fits abababababab (mdn0 on church")
    assert kept(store) == KEYS[1:]


def test_gc_keeps_what_just_fits(command, store):
    size = sum(row["bytes"] for row in json.loads(command("store", "ls", "--json")[1]))
    assert command("store", "gc", "--keep", str(size))[:2] == (0, "")
    assert kept(store) == KEYS
    command("store", "gc", "--keep", str(size - 1))
    assert kept(store) == KEYS[1:]


def test_gc_removes_the_longest_unused_until_little_enough_is_left(command, store):
    assert command("store", "gc", "--keep", "4K")[0] == 0
    assert kept(store) == KEYS[2:]


def test_gc_leaves_what_a_process_is_at(command, store):
    work = store.work("fits", "01" * 32)
    said = []

    def rebuild(folder):
        said.append(command("store", "gc", "--keep", "0", "--kind", "work")[1])
        return _fill(folder, 0)

    work.mkdir(parents=True)
    (work / "checkpoint").write_text("half")
    store.get("fits", "01" * 32, rebuild)
    assert said == [f"kept work {'01' * 6}: a process is at it\n"]


def test_gc_removes_left_overs_of_processes_that_are_gone(command, store):
    old, new, alive, elsewhere = (
        store.folder / "fits" / "ab" / f"tmp-{name}"
        for name in (
            f"999999999-{machine()}-x",
            f"999999999-{machine()}-y",
            f"{os.getpid()}-{machine()}-x",
            "999999999-other-x",
        )
    )
    for folder in (old, new, alive, elsewhere):
        folder.mkdir()
    lock = store.lock("fits", "12" * 32)
    lock.write_text("")
    for path in (old, alive, elsewhere, lock):
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    out = command("store", "gc")[1]
    assert out.count("removed left-over") == 2
    assert not old.exists()
    assert not lock.exists()
    assert all(folder.exists() for folder in (new, alive, elsewhere))
    assert kept(store) == KEYS


def test_verify_names_what_is_damaged(command, store):
    assert command("store", "verify")[:2] == (0, "3 things, 0 damaged\n")
    path = store.path("fits", KEYS[1]) / "weights.safetensors"
    path.write_bytes(bytes([9]) + path.read_bytes()[1:])
    status, out, _ = command("store", "verify")
    assert status == 1
    assert out.startswith(
        "damaged: fits cdcdcdcdcdcd (mdn1 on church (seed 1)): weights.safetensors is not what was "
        "written"
    )
    assert out.endswith("\n3 things, 1 damaged\n")
    assert command("store", "verify", "--delete")[1].endswith("3 things, 1 damaged and removed\n")
    assert kept(store) == [KEYS[0], KEYS[2]]


def test_a_store_that_may_only_be_read_is_shown_and_checked_and_not_pruned(
    command, store, tmp_path
):
    view = tmp_path / "view"
    view.mkdir()
    store.lock("fits", KEYS[0]).write_text("")
    if subprocess.run(
        ["mount", "--bind", str(store.folder), str(view)], capture_output=True, check=False
    ).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(view)], check=True)
        assert command("store", "ls", "--store", view)[0] == 0
        assert command("store", "verify", "--store", view)[:2] == (0, "3 things, 0 damaged\n")
        status, out, err = command("store", "gc", "--older-than", "60d", "--store", view)
        assert (status, out) == (2, "")
        assert (
            err
            == f"bench: the store {view} can't be pruned (Read-only file system): choose another "
            "with --store\n"
        )
    finally:
        subprocess.run(["umount", "-l", str(view)], check=True)
    assert kept(store) == KEYS


def test_a_store_behind_a_url_is_left_to_its_provider(command, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_STORE_CACHE", str(tmp_path / "copies"))
    status, _, err = command("store", "ls", "--store", f"file://{tmp_path}/far")
    assert status == 2
    assert err.startswith(f"bench: `bench store` looks after folders, and file://{tmp_path}/far is")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ls", "--kind", "fit"], "--kind fit is unknown"),
        (["gc", "--older-than", "soon"], "'soon' is no duration"),
        (["gc", "--keep", "much"], "'much' is no size"),
        (["ls", "--store", "nowhere"], "there is no store in nowhere"),
    ],
)
def test_bad_input_is_one_line(command, store, arguments, said):
    status, _, err = command("store", *arguments)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1
    assert not Path("nowhere").exists()
