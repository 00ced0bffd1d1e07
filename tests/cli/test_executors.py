"""Executors: the same bits everywhere, workers that die, limits on other machines, two runs on one
store."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import psutil
import pytest

from bench.store.local import COMMIT_MARK

from ..patience import LONG, until

LOCAL = Path(__file__).parent / "broken_methods"
# the loss mah has principal components in it, which NumPy's and SciPy's libraries make with threads
# of their own
METHODS = "zhang[batch=8,steps=2],mean[features=zhang[batch=8,steps=2]],vae[batch=8,loss=[l2,mah],steps=3],marginal"
OTHERS = (
    "process[slots=2]",
    "dask[slots=2]",
    pytest.param("submitit[cluster=local,slots=2]", marks=pytest.mark.slow),
    pytest.param("submitit[cluster=debug]", marks=pytest.mark.slow),
)


def arguments(photographs, *more):
    return [
        sys.executable,
        "-P",
        "-m",
        "bench.cli",
        "run",
        "-d",
        str(photographs),
        "--preset",
        "tiny",
        "--metrics",
        "absolute-error",
        "--figures",
        "none",
        "--threads",
        "2",
        *map(str, more),
    ]


def run(folder, photographs, *more):
    done = subprocess.run(
        arguments(photographs, "--out", "run", *more),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def scores(folder):
    return pd.read_parquet(folder / "run" / "scores.parquet")


@pytest.fixture(scope="module")
def serial(photographs, tmp_path_factory):
    """The scores of a run in one process."""
    folder = tmp_path_factory.mktemp("serial")
    status, err = run(
        folder, photographs, "-m", METHODS, "--store", "store", "--executor", "serial"
    )
    assert status == 0, err
    return scores(folder)


@pytest.mark.parametrize("executor", OTHERS)
def test_every_executor_gives_the_same_bits(serial, photographs, tmp_path, executor):
    status, err = run(
        tmp_path, photographs, "-m", METHODS, "--store", "store", "--executor", executor
    )
    assert status == 0, err
    pd.testing.assert_frame_equal(scores(tmp_path), serial, check_exact=True)
    marks = list((tmp_path / "store").rglob(COMMIT_MARK))
    assert marks
    for mark in marks:
        assert set(json.loads(mark.read_text())["files"]) == {
            p.name for p in mark.parent.iterdir()
        } - {COMMIT_MARK}


@pytest.mark.parametrize(
    ("few", "executor"),
    [
        ("vae[batch=8,loss=l2,steps=3],marginal", "serial"),
        pytest.param(
            "mean[features=zhang[batch=8,steps=2]],marginal",
            "process[slots=2]",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_store_behind_a_url_gives_the_same_bits_and_nothing_is_made_twice(
    serial, photographs, tmp_path, monkeypatch, few, executor
):
    url, few = f"file://{tmp_path}/far", ("-m", few)
    monkeypatch.setenv("BENCH_STORE_CACHE", str(tmp_path / "here"))
    status, err = run(tmp_path, photographs, *few, "--store", url, "--executor", executor)
    assert status == 0, err
    found = scores(tmp_path)
    assert found.method.nunique() == 2
    wanted = serial[serial.method.isin(set(found.method))].reset_index(drop=True)
    words = dict.fromkeys(
        found.select_dtypes("category"), object
    )  # whose categories are all words of a file
    pd.testing.assert_frame_equal(found.astype(words), wanted.astype(words), check_exact=True)
    sent = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "far").rglob("*") if path.is_file()
    }
    monkeypatch.setenv("BENCH_STORE_CACHE", str(tmp_path / "there"))
    (tmp_path / "run").rename(tmp_path / "first")
    status, err = run(tmp_path, photographs, *few, "--store", url, "--executor", "serial")
    assert status == 0, err
    pd.testing.assert_frame_equal(scores(tmp_path), found, check_exact=True)
    assert sent == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "far").rglob("*") if path.is_file()
    }
    again = [sys.executable, "-P", "-m", "bench.cli", "score", "run", "--store", url]
    done = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def children(pid, text):
    """Processes below one whose command line has a text."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if text in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize("executor", ["process", "dask[slots=1]"])
def test_a_worker_that_is_killed_does_not_lose_the_run(photographs, tmp_path, executor):
    environment = os.environ | {"SLOW_ONCE": str(tmp_path / "begun")}
    command = arguments(
        photographs,
        "-m",
        "slow-once,marginal",
        "--plugin",
        LOCAL,
        "--executor",
        executor,
        "--store",
        "store",
        "--out",
        "run",
    )
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment
    ) as child:
        until((tmp_path / "begun").exists)
        wanted = "bench.executors.worker" if executor == "process" else "spawn_main"
        for victim in children(child.pid, wanted):
            victim.send_signal(signal.SIGKILL)
        err = child.communicate(timeout=LONG)[1]
    assert child.returncode == 0, err
    assert "it is tried once more" in err
    assert set(scores(tmp_path)["status"]) <= {"done", "refused"}


@pytest.mark.parametrize(
    "executor", ["process[slots=2]", pytest.param("dask[slots=2]", marks=pytest.mark.slow)]
)
def test_a_method_that_never_ends_is_ended_on_every_executor(photographs, tmp_path, executor):
    for limit in (
        4,
        60,
        LONG,
    ):  # until one in which the sound method can end and the other one begin
        folder = tmp_path / str(limit)
        folder.mkdir()
        environment = os.environ | {"BROKEN_METHODS_CHILD": str(folder / "child")}
        command = arguments(
            photographs,
            "-m",
            "endless,marginal",
            "--plugin",
            LOCAL,
            "--timeout",
            limit,
            "--executor",
            executor,
            "--store",
            "store",
            "--out",
            "run",
        )
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode in (3, 6), done.stderr
        cells = {
            c["method"]: c
            for c in json.loads((folder / "run" / "manifest.json").read_text())["cells"]
        }
        if cells["marginal"]["status"] == "done" and (folder / "child").exists():
            break
    assert cells["endless"]["reason"].endswith(f"took longer than {limit:g} s (--timeout)")
    assert cells["marginal"]["status"] == "done"
    child = int((folder / "child").read_text())
    until(
        lambda: (
            not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        )
    )


def test_two_runs_on_one_store_do_nothing_twice(photographs, tmp_path):
    environment = os.environ | {"SLOW_ONCE": str(tmp_path / "begun")}
    command = arguments(
        photographs, "-m", "slow-once,marginal", "--plugin", LOCAL, "--store", "store"
    )
    (tmp_path / "begun").write_text("")
    both = [
        subprocess.Popen(
            [*command, "--out", name, "--executor", executor],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name, executor in (("a", "serial"), ("b", "process"))
    ]
    said = [each.communicate(timeout=LONG)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert (tmp_path / "begun").read_text() == "fit\n"
    tables = [
        pd.read_parquet(tmp_path / name / "scores.parquet").drop(columns="run") for name in "ab"
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert not list((tmp_path / "store").glob("*/??/tmp-*"))


def test_a_dask_scheduler_that_does_not_answer_is_one_line(photographs, tmp_path):
    status, err = run(
        tmp_path,
        photographs,
        "-m",
        "marginal",
        "--executor",
        "dask",
        "--scheduler",
        "tcp://127.0.0.1:1",
    )
    assert status == 2
    assert err.splitlines()[-1].startswith(
        "bench: --scheduler tcp://127.0.0.1:1: no dask scheduler answers there"
    )
    assert "Traceback" not in err


def test_a_scheduler_is_for_dask_only(bench, photographs):
    status, _, err = bench(
        "run",
        "-m",
        "grey",
        "-d",
        photographs,
        "--executor",
        "process",
        "--scheduler",
        "tcp://127.0.0.1:1",
    )
    assert status == 2
    assert (
        err
        == "bench: executor process has no scheduler: leave --scheduler out, or take --executor "
        "dask\n"
    )


def test_no_slurm_is_one_line(photographs, tmp_path):
    status, err = run(tmp_path, photographs, "-m", "marginal", "--executor", "submitit")
    assert status == 2
    assert "bench: executor submitit: " in err
    assert "cluster=local" in err
    assert "Traceback" not in err


def dask(part, *arguments):
    command = [
        sys.executable,
        "-m",
        f"distributed.cli.dask_{part}",
        "--no-dashboard",
        *map(str, arguments),
    ]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_what_a_running_dask_cluster_does(photographs, tmp_path, serial):
    """A scheduler and two workers of their own, over loopback TCP."""
    started = []
    try:
        where = tmp_path / "scheduler.json"
        started.append(
            dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", where)
        )
        address = json.loads(until(lambda: where.exists() and where.read_text()))["address"]
        started += [
            dask("worker", address, "--nthreads", "1", "--local-directory", tmp_path)
            for _ in range(2)
        ]
        status, err = run(
            tmp_path,
            photographs,
            "-m",
            METHODS,
            "--store",
            "store",
            "--executor",
            "dask",
            "--scheduler",
            address,
        )
        assert status == 0, err
        pd.testing.assert_frame_equal(scores(tmp_path), serial, check_exact=True)
    finally:
        for each in started:
            each.terminate()
            each.wait()


NODES = (
    "-d",
    "demo",
    "-m",
    "vae[batch=8,steps=30]",
    "--preset",
    "tiny",
    "--figures",
    "none",
    "--metrics",
    "absolute-error",
    "--threads",
    "1",
    "--out",
    "run",
)


def weights(store):
    (found,) = store.glob("fits/*/*/weights.safetensors")
    return found.read_bytes()


@pytest.mark.slow
def test_two_machines_train_as_two_devices_do_and_one_that_dies_is_replaced(tmp_path):
    """Processes of one job stand for the machines; they meet over loopback TCP."""
    command = [sys.executable, "-P", "-m", "bench.cli", "run", *NODES]
    two = ["--nodes", "2", "--executor", "submitit[cluster=local]", "--store", "a"]
    with subprocess.Popen([*command, *two], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:

        def second():
            for job in (
                p
                for p in psutil.process_iter()
                if str(tmp_path) in _environment(p).get("SUBMITIT_FOLDER", "")
            ):
                if (
                    "bench.executors.worker" in " ".join(job.cmdline())
                    and _environment(job).get("RANK") == "1"
                ):
                    return job
            return None

        until(second).kill()
        err = run.communicate(timeout=LONG)[1]
    assert run.returncode == 0, err
    assert "it is tried once more" in err
    subprocess.run(
        [*command, "--devices", "2", "--executor", "serial", "--store", "b", "--out", "other"],
        cwd=tmp_path,
        check=True,
    )
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def _environment(process):
    try:
        return process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--nodes", "0"], "--nodes 0 is below 1"),
        (
            ["--nodes", "2", "--executor", "process"],
            "--nodes 2: executor process trains on one machine: take --executor submitit",
        ),
        (
            ["--nodes", "2", "--executor", "submitit[cluster=debug]"],
            "--nodes 2: cluster=debug is one process, take cluster=slurm or local",
        ),
        (
            ["--nodes", "2", "--executor", "submitit", "--store", "file:///x"],
            "--nodes 2: --store file:///x: take a folder that all machines share, where "
            "checkpoints are for all of them",
        ),
    ],
)
def test_nodes_that_can_not_be_are_one_line(bench, given, said):
    status, _, err = bench("run", "-m", "grey", *given)
    assert status == 2
    assert err.splitlines()[-1] == f"bench: {said}"
    assert "Traceback" not in err
