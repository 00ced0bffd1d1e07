"""Whatever ends a run, or gets in its way: one line, nothing is left, what is finished stays, and
the same command goes on."""

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
        command = [
            sys.executable,
            "-P",
            "-m",
            "bench.cli",
            "run",
            "--plugin",
            str(METHODS),
            "-m",
            methods,
            "-d",
            str(photographs),
            "--preset",
            "tiny",
            "--metrics",
            metrics,
            "--figures",
            "none",
            "--threads",
            "1",
            "--store",
            "store",
            "--out",
            "run",
            *map(str, more),
        ]
        environment = (
            os.environ
            | {
                "BENCH_EXECUTOR": "process",
                "DAEMONS": str(tmp_path / "begun"),
                "SLOW_ONCE": str(tmp_path / "begun"),
                MARK: mark,
            }
            | options.pop("environment", {})
        )
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=environment,
            **options,
        )

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
    """No process; and no temporary file; and of a run that has ended, no lock and no unfinished
    work."""
    wait_for(lambda: not marked(mark), 60)
    begun = (folder / "begun").read_text() if (folder / "begun").exists() else ""
    daemons = [int(word) for word in begun.split() if word.isdecimal()]
    wait_for(lambda: not any(map(psutil.pid_exists, daemons)), 60)
    assert not list((folder / "store").glob("*/??/tmp-*"))
    assert not list((folder / "store").glob("tmp-*"))
    assert not [path for path in (folder / "run").rglob(".*") if path.is_file()]
    if finished:
        assert not [
            path
            for kind in ("locks", "work")
            for path in (folder / "store" / kind).rglob("*")
            if path.is_file()
        ]


def scores(folder):
    return pd.read_parquet(folder / "run" / "scores.parquet")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_ends_a_run_ends_all_that_it_started(start, tmp_path, mark, number):
    run = start(methods="marginal,endless-daemon")
    wait_for((tmp_path / "begun").exists)
    run.send_signal(number)
    err = run.communicate(timeout=120)[1]
    assert run.returncode == 130, err
    assert (
        err.splitlines()[-1]
        == "bench: interrupted; finished work is kept: the same command goes on"
    )
    assert "Traceback" not in err
    see_that_nothing_is_left(tmp_path, mark, finished=False)


def test_a_run_that_is_killed_leaves_no_process_not_even_a_daemon(start, tmp_path, mark):
    run = start(methods="endless-daemon")
    wait_for((tmp_path / "begun").exists)
    run.kill()
    run.wait()
    see_that_nothing_is_left(tmp_path, mark, finished=False)


def test_nohup_is_heeded(start, tmp_path, mark):
    run = start(
        methods="slow-once", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    wait_for((tmp_path / "begun").exists)
    run.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert run.poll() is None
    run.terminate()
    run.communicate(timeout=120)
    assert run.returncode == 130


def test_what_is_finished_stays_where_scoring_is_interrupted(start, bench, tmp_path, mark):
    run = start(
        "--plugin", PARTS, methods="grey,marginal", metrics="absolute-error,hangs-in-finish"
    )
    wait_for((tmp_path / "run" / "manifest.json").exists)
    run.terminate()
    assert run.wait(120) == 130
    run.communicate()
    see_that_nothing_is_left(tmp_path, mark)
    status, out, err = bench("score", "run", "--store", "store")
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
    wait_for(lambda: not marked(mark), 60)


@pytest.mark.parametrize(
    "executor",
    [
        "process",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("serial", "dask[slots=1]", "submitit[cluster=local]")
        ),
    ],
)
@pytest.mark.parametrize("kind", ["missing", "full"])
def test_no_folder_for_temporary_files_is_a_run_like_any_other_or_one_line(
    start, tmp_path, mark, executor, kind
):
    place = tmp_path / "tmp"
    if kind == "full":
        place.mkdir()
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16k", "none", place],
            capture_output=True,
            check=False,
        ).returncode:
            pytest.skip("needs the right to mount")
    try:
        if kind == "full":
            (place / "filled").write_bytes(bytes(8192))
            with pytest.raises(OSError, match="No space left"):
                (place / "more").write_bytes(bytes(16384))
        run = start(
            "--executor",
            executor,
            methods="vae[batch=8,loss=l2,steps=3],marginal",
            environment={"TMPDIR": str(place)},
        )
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


@pytest.mark.parametrize("pages", [2, 4])
def test_a_run_folder_on_a_full_disk_is_one_line(start, tmp_path, mark, pages):
    place = tmp_path / "run"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={4 * pages}k", "none", place]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        run = start("--executor", "serial", methods="marginal,grey")
        err = run.communicate(timeout=300)[1]
    finally:
        subprocess.run(["umount", place], check=True)
    assert run.returncode == 2, err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith(
        "bench: run can't be written (No space left on device): choose another --out"
    )
    see_that_nothing_is_left(tmp_path, mark)


@pytest.mark.parametrize(
    "executor",
    [
        "process",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("process[slots=2]", "serial")),
    ],
)
def test_few_open_files_are_a_run_like_any_other_or_one_line(start, tmp_path, mark, executor):
    methods = "mean[features=zhang[batch=8,steps=2]],vae[batch=8,loss=l2,steps=3],marginal"
    run = start(
        "--executor",
        executor,
        methods=methods,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )
    err = run.communicate(timeout=300)[1]
    assert "Traceback" not in err
    if run.returncode:
        assert err.splitlines()[-1].startswith("bench: ")
    else:
        assert (
            json.loads((tmp_path / "run" / "manifest.json").read_text())["cells"][0]["status"]
            == "done"
        )
    see_that_nothing_is_left(tmp_path, mark)


@pytest.fixture
def cluster(tmp_path, mark):
    """Begin a scheduler (`cluster("scheduler")`, also again at an address), or a worker of one."""
    begun, where = [], tmp_path / "scheduler.json"

    def begin(part, address=""):
        where.unlink(missing_ok=True)
        port = address.rpartition(":")[2] or "0"
        more = {
            "scheduler": ["--host", "127.0.0.1", "--port", port, "--scheduler-file", where],
            "worker": [address, "--nthreads", "1", "--local-directory", tmp_path / "dask"],
        }[part]
        environment = os.environ | {"SLOW_ONCE": str(tmp_path / "begun"), MARK: mark}
        begun.append(
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    f"distributed.cli.dask_{part}",
                    "--no-dashboard",
                    *map(str, more),
                ],
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        )
        if part == "worker":
            return begun[-1]
        wait_for(lambda: where.exists() and where.read_text())
        return begun[-1], json.loads(where.read_text())["address"]

    yield begin
    for each in begun:
        each.terminate()
        each.wait()


@pytest.mark.slow
def test_a_dask_worker_that_is_killed_with_its_nanny_does_not_lose_the_run(
    start, cluster, tmp_path, mark
):
    scheduler, address = cluster("scheduler")
    worker = cluster("worker", address)
    run = start("--executor", "dask", "--scheduler", address, methods="slow-once,marginal")
    wait_for((tmp_path / "begun").exists)
    for each in (worker, *psutil.Process(worker.pid).children()):
        each.kill()
    other = cluster("worker", address)
    err = run.communicate(timeout=300)[1]
    assert run.returncode == 0, err
    assert set(scores(tmp_path)["status"]) <= {"done", "refused"}
    for each in (other, scheduler):
        each.terminate()
        each.wait()
    see_that_nothing_is_left(tmp_path, mark)


@pytest.mark.slow
def test_a_dask_scheduler_that_is_killed_is_one_line_and_the_same_command_goes_on(
    start, cluster, tmp_path, mark
):
    scheduler, address = cluster("scheduler")
    workers = [cluster("worker", address)]
    asked = ("--executor", "dask", "--scheduler", address)
    run = start(*asked, methods="marginal,slow-once")
    wait_for((tmp_path / "begun").exists)
    scheduler.kill()
    err = run.communicate(timeout=300)[1]
    assert run.returncode == 2, err
    assert err.splitlines()[-1].startswith(
        f"bench: the dask scheduler {address} is gone: what is finished stays"
    )
    assert "Traceback" not in err
    scheduler = cluster("scheduler", address)[0]
    workers.append(cluster("worker", address))
    run = start(*asked, methods="marginal,slow-once")
    err = run.communicate(timeout=300)[1]
    assert run.returncode == 0, err
    assert "fitting marginal" not in err
    for each in (*workers, scheduler):
        each.terminate()
        each.wait()
    see_that_nothing_is_left(tmp_path, mark)


@pytest.mark.slow
@pytest.mark.parametrize("victims", ["job", "run"])
def test_a_submitit_job_that_is_killed_does_not_lose_the_run_and_a_run_that_is_killed_leaves_none(
    start, tmp_path, mark, victims
):
    asked = ("--executor", "submitit[cluster=local,slots=1]")
    run = start(*asked, methods="slow-once,marginal")
    wait_for((tmp_path / "begun").exists)
    if victims == "job":
        for each in (p for p in marked(mark) if "submitit.core._submit" in " ".join(p.cmdline())):
            each.kill()
        err = run.communicate(timeout=300)[1]
        assert "it is tried once more" in err
    else:
        run.terminate()
        run.communicate(timeout=120)
        assert run.returncode == 130
        wait_for(lambda: not marked(mark), 60)
        run = start(*asked, methods="slow-once,marginal")
        err = run.communicate(timeout=300)[1]
    assert run.returncode == 0, err
    see_that_nothing_is_left(tmp_path, mark)


@pytest.mark.slow
def test_a_training_of_minutes_that_is_killed_between_two_checkpoints_ends_with_the_same_bits(
    start, tmp_path, mark
):
    """Killed once before there is a checkpoint, and twice some time after one; the training takes
    some minutes."""

    def weights():
        (found,) = (tmp_path / "store" / "fits").glob("*/*/weights.safetensors")
        return found.read_bytes()

    def checkpoint():
        return {
            path: path.stat().st_mtime_ns
            for path in (tmp_path / "store" / "work").rglob("checkpoint.json")
        }

    def training(steps):
        return start(methods=f"vae[batch=8,loss=l2,steps={steps}]")

    begun = time.monotonic()
    assert training(200).wait() == 0
    (mark_of,) = (tmp_path / "store" / "fits").glob("*/*/cell.json")
    seconds = json.loads(mark_of.read_text())["seconds"]
    steps = 100 * round(2 * 240 / max(seconds, 0.5))
    for folder in ("store", "run"):
        (tmp_path / folder).rename(tmp_path / f"{folder}-short")
    assert training(steps).wait() == 0
    wanted, table = weights(), scores(tmp_path)
    assert time.monotonic() - begun > 120
    for folder in ("store", "run"):
        (tmp_path / folder).rename(tmp_path / f"{folder}-whole")
    known, pauses = {}, [20, 7, 25]
    for number, pause in enumerate(pauses):
        run = training(steps)
        if number:
            wait_for(lambda known=known: checkpoint() != known, 600)
        time.sleep(pause)
        assert run.poll() is None
        run.kill()
        run.communicate()
        wait_for(lambda: not marked(mark), 60)
        known = checkpoint()
        assert bool(known) == bool(number)
    run = training(steps)
    err = run.communicate(timeout=1200)[1]
    assert run.returncode == 0, err
    assert weights() == wanted
    pd.testing.assert_frame_equal(scores(tmp_path), table, check_exact=True)
    see_that_nothing_is_left(tmp_path, mark)
