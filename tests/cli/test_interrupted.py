"""Whatever ends a run, or gets in its way: one line, nothing is left, what is finished stays, and the same command goes on."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pandas as pd
import psutil
import pytest

METHODS, PARTS = Path(__file__).parent / "broken_methods", Path(__file__).parent / "broken_parts"
MARK = "HUEBENCH_TEST"


@pytest.fixture
def mark():
    """A word by which processes are known that come from this test."""
    return uuid.uuid4().hex


@pytest.fixture
def start(photographs, tmp_path, mark):
    """Begin a run."""

    def begin(*more, methods="marginal", metrics="absolute-error", **options):
        command = [sys.executable, "-P", "-m", "bench.cli", "run", "--plugin", str(METHODS), "-m", methods, "-d",
                   str(photographs), "--preset", "tiny", "--metrics", metrics, "--figures", "none", "--threads", "1",
                   "--store", "store", "--out", "run", *map(str, more)]  # fmt: skip
        environment = os.environ | {"BENCH_EXECUTOR": "process", "DAEMONS": str(tmp_path / "begun"),
                                    "SLOW_ONCE": str(tmp_path / "begun"), MARK: mark} | options.pop("environment", {})  # fmt: skip
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                env=environment, **options)  # fmt: skip

    return begin


def wait_for(what, seconds=180):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return found


def marked(mark):
    """Living processes that carry a mark."""
    found = []
    for each in psutil.process_iter():
        try:
            if each.environ().get(MARK) == mark and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        except psutil.Error:
            continue
    return found


def see_that_nothing_is_left(folder, mark, finished=True):
    """No process; and no temporary file; and of a run that has ended, no lock and no unfinished work."""
    wait_for(lambda: not marked(mark), 60)
    names = [path for path in (folder / "begun").read_text().split() if path.isdecimal()] if (folder / "begun").exists() else []
    assert not [number for number in names if psutil.pid_exists(int(number))]
    assert not list((folder / "store").glob("*/??/tmp-*"))
    assert not list((folder / "store").glob("tmp-*"))
    assert not [path for path in (folder / "run").rglob(".*") if path.is_file()]
    if finished:
        assert not [path for kind in ("locks", "work") for path in (folder / "store" / kind).rglob("*") if path.is_file()]


def scores(folder):
    return pd.read_parquet(folder / "run" / "scores.parquet")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_ends_a_run_ends_all_that_it_started(start, tmp_path, mark, number):
    run = start(methods="marginal,endless-daemon")
    wait_for((tmp_path / "begun").exists)
    run.send_signal(number)
    err = run.communicate(timeout=120)[1]
    assert run.returncode == 130, err
    assert err.splitlines()[-1] == "bench: interrupted; finished work is kept: the same command goes on"
    assert "Traceback" not in err
    see_that_nothing_is_left(tmp_path, mark, finished=False)


def test_a_run_that_is_killed_leaves_no_process_not_even_a_daemon(start, tmp_path, mark):
    run = start(methods="endless-daemon")
    wait_for((tmp_path / "begun").exists)
    run.kill()
    run.wait()
    (daemon,) = map(int, (tmp_path / "begun").read_text().split())
    wait_for(lambda: not psutil.pid_exists(daemon) and not marked(mark), 60)


def test_nohup_is_heeded(start, tmp_path, mark):
    run = start(methods="slow-once", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for((tmp_path / "begun").exists)
    run.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert run.poll() is None
    run.terminate()
    run.communicate(timeout=120)
    assert run.returncode == 130


def test_what_is_finished_stays_where_scoring_is_interrupted(start, bench, tmp_path, mark):
    run = start("--plugin", PARTS, methods="grey,marginal", metrics="absolute-error,hangs-in-finish")
    wait_for((tmp_path / "run" / "manifest.json").exists)
    run.terminate()
    assert run.wait(120) == 130
    run.communicate()
    see_that_nothing_is_left(tmp_path, mark)
    status, out, err = bench("score", "run")
    assert status == 0, err
    assert "marginal" in out


def test_a_supervisor_that_is_killed_takes_its_worker_along(start, tmp_path, mark):
    """It is a lost worker: the task is tried once more."""
    run = start(methods="slow-once,marginal")
    wait_for((tmp_path / "begun").exists)
    above = {each.pid: each for each in psutil.Process(run.pid).children()}
    for each in above.values():
        each.kill()
    err = run.communicate(timeout=180)[1]
    assert run.returncode == 0, err
    assert "it is tried once more" in err
    see_that_nothing_is_left(tmp_path, mark)


@pytest.mark.parametrize("executor", ["process", "serial", pytest.param("dask[slots=1]", marks=pytest.mark.slow),
                                      pytest.param("submitit[cluster=local]", marks=pytest.mark.slow)])  # fmt: skip
@pytest.mark.parametrize("kind", ["missing", "full"])
def test_no_folder_for_temporary_files_is_a_run_like_any_other_or_one_line(start, tmp_path, mark, executor, kind):
    place = tmp_path / "tmp"
    if kind == "full":
        place.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", place], capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount")
    try:
        if kind == "full":
            (place / "filled").write_bytes(bytes(8192))
            with pytest.raises(OSError):
                (place / "more").write_bytes(bytes(16384))
        run = start("--executor", executor, methods="vae[batch=8,loss=l2,steps=3],marginal", environment={"TMPDIR": str(place)})
        err = run.communicate(timeout=300)[1]
    finally:
        if kind == "full":
            subprocess.run(["umount", place], check=True)
    assert "Traceback" not in err
    if run.returncode:
        assert err.splitlines()[-1].startswith("bench: ")
    else:
        assert set(scores(tmp_path)["status"]) <= {"done", "refused"}
    see_that_nothing_is_left(tmp_path, mark)


@pytest.mark.parametrize("executor", ["process", "process[slots=2]", "serial"])
def test_few_open_files_are_a_run_like_any_other_or_one_line(start, tmp_path, mark, executor):
    methods = "mean[features=zhang[batch=8,steps=2]],vae[batch=8,loss=l2,steps=3],marginal"
    run = start("--executor", executor, methods=methods, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    err = run.communicate(timeout=300)[1]
    assert "Traceback" not in err
    if run.returncode:
        assert err.splitlines()[-1].startswith("bench: ")
    else:
        assert json.loads((tmp_path / "run" / "manifest.json").read_text())["cells"][0]["status"] == "done"
    see_that_nothing_is_left(tmp_path, mark)
