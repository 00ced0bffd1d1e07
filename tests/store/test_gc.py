"""`bench store gc` that is killed, and beside runs; runs that may open few files, or only read
their store."""

import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from bench import keys
from bench.store import maintenance
from bench.store.local import Store

FIT = {
    "method": "m",
    "version": "1",
    "label": "m",
    "parameters": {},
    "dataset": "d",
    "seed": 0,
    "requires": {},
}
METHODS = "zhang[batch=8,steps=3],mean[features=zhang[batch=8,steps=3]],marginal"
GC = """
import sys, time
from pathlib import Path
from bench.store import maintenance
from bench.store.local import Store
store, end = Store(Path(sys.argv[1])), Path(sys.argv[2])
print("begins", flush=True)
while True:
    for line in maintenance.prune(store, (), None, 0, False):
        pass
    if end.exists():
        break
    time.sleep(0.05)
"""


def fill(folder):
    for number in range(20):
        (folder / f"{number}.json").write_text("{}")
    return FIT


def kill_gc(store, moments):
    """Kill `gc` at some moments (seconds after its beginning), with new things each time; how often
    it was killed amid its work."""
    amid = 0
    for number, moment in enumerate(moments):
        names = [keys.sha256(f"{number} {thing}") for thing in range(40)]
        for name in names:
            store.get("fits", name, fill)
        with subprocess.Popen(
            [sys.executable, "-c", GC, store.folder, store.folder],
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout.readline() == "begins\n"
            time.sleep(moment)
            child.kill()
        there = [name for name in names if store.path("fits", name).exists()]
        amid += child.returncode == -signal.SIGKILL and 0 < len(there) < len(names)
        assert all(store.find("fits", name) for name in there), "what is in its place is whole"
        assert [wrong for _, wrong, _ in maintenance.verify(store) if wrong] == []
    return amid


@pytest.mark.parametrize("count", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_gc_that_is_killed_leaves_nothing_half_in_its_place(tmp_path, monkeypatch, count):
    store, chance = Store(tmp_path / "store"), random.Random(0)
    kill_gc(store, [chance.uniform(0, 0.1) for _ in range(count)])
    monkeypatch.setattr(maintenance, "LEFT_OVER", -1)  # a day later
    list(maintenance.prune(store, (), None, 0, False))
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
    assert list(store.folder.rglob("tmp-*")) == []


def command(photographs, executor, *more):
    return [
        sys.executable,
        "-P",
        "-m",
        "bench.cli",
        "run",
        "-m",
        METHODS,
        "-d",
        str(photographs),
        "--preset",
        "tiny",
        "--draws",
        "3",
        "--metrics",
        "absolute-error,variance",
        "--figures",
        "none",
        "--executor",
        executor,
        "--threads",
        "1",
        "--store",
        "store",
        "--out",
        "run",
        *more,
    ]


@pytest.fixture(scope="module")
def scores(photographs, tmp_path_factory):
    """Of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(command(photographs, "serial"), cwd=folder, check=True, capture_output=True)
    return pd.read_parquet(folder / "run" / "scores.parquet")


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["process[slots=2]", "serial"])
def test_a_run_goes_on_while_gc_removes_all_that_it_may(photographs, tmp_path, scores, executor):
    (tmp_path / "store").mkdir()
    pruning = [sys.executable, "-c", GC, tmp_path / "store", tmp_path / "end"]
    with subprocess.Popen(pruning, stdout=subprocess.PIPE, text=True) as gc:
        assert gc.stdout.readline() == "begins\n"
        done = subprocess.run(
            command(photographs, executor), cwd=tmp_path, capture_output=True, text=True
        )
        (tmp_path / "end").touch()
    assert (done.returncode, gc.returncode) == (0, 0), done.stderr
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "run" / "scores.parquet"), scores, check_exact=True
    )


def test_gc_leaves_what_a_run_uses(tmp_path):
    store = Store(tmp_path / "store")
    store.get("fits", "ab" * 32, fill)
    with store.in_use():
        assert list(maintenance.prune(store, (), None, 0, True)) == [
            "kept fits abababababab: a run uses it, or did"
        ]
        assert list(maintenance.prune(store, (), None, 0, False)) == [
            "kept fits abababababab: a run uses it, or did"
        ]
    assert store.find("fits", "ab" * 32)
    assert list((store.folder / "locks").iterdir()) == []
    assert len(list(maintenance.prune(store, (), None, 0, False))) == 1
    assert store.find("fits", "ab" * 32) is None


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["process[slots=2]", "serial"])
def test_a_run_that_may_open_64_files(photographs, tmp_path, scores, executor):
    limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *command(photographs, executor)]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "run" / "scores.parquet"), scores, check_exact=True
    )


@pytest.mark.slow
def test_a_run_whose_store_may_only_be_read(photographs, tmp_path, scores):
    subprocess.run(command(photographs, "serial"), cwd=tmp_path, check=True, capture_output=True)
    store = tmp_path / "store"
    if subprocess.run(
        ["mount", "--bind", store, store], capture_output=True, check=False
    ).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", store], check=True)
        for executor in ("serial", "process"):
            out = f"cached-{executor}"
            done = subprocess.run(
                command(photographs, executor, "--out", out),
                cwd=tmp_path,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            found = pd.read_parquet(tmp_path / out / "scores.parquet")
            pd.testing.assert_frame_equal(
                found.drop(columns="run"), scores.drop(columns="run"), check_exact=True
            )
            more = command(
                photographs, executor, "-m", "marginal,grey", "--out", f"more-{executor}"
            )
            done = subprocess.run(more, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 2
            assert "Traceback" not in done.stderr
            assert done.stderr.splitlines()[-1].startswith("bench: the store ")
            assert (
                "can't be written (Read-only file system): choose another with --store"
                in done.stderr
            )
        assert not list(store.rglob("tmp-*"))
    finally:
        subprocess.run(["umount", "-l", store], check=True)
