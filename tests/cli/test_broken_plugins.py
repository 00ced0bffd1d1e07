"""Broken plugins: each is a row that says why, the other methods finish, and the exit status tells."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import psutil
import pytest

from ..patience import LONG, until

BROKEN = Path(__file__).parent / "broken_methods"
ENDLESS = {
    **{name: f"fitting {name} on photographs0" for name in ("endless", "chatty", "lies")},
    **{
        name: f"making {name}"
        for name in ("hangs-at-import", "hangs-when-made", "hangs-when-asked")
    },
}
"""What never ends, and during which step."""
SAID = {
    "at-import": "the code of at-import, .*absent:Broken, can't be imported: No module named "
    "'no_such_library'",
    "in-fit": "RuntimeError: no luck second line$",
    "in-predict": "ZeroDivisionError: no photograph",
    "nan": r"nan: a field of \S+ is not finite",
    "shape": r"shape: asked for 5 fields of 4 photographs, it gave \(4, 1, 2, 32, 32\)",
    "wrong-kind": "wrong-kind gave a sample set of kind iid where point is declared",
    "garbage": r"garbage: 100% of the values of a field of \S+ are beyond ±128: ab must be in "
    r"CIELAB units",
    "writes-input": r"writes-input changes the lightness that it is given: clone\(\) it",
    "greedy": r"fitting greedy on photographs0 used \d\.\d GiB, more than 1 \(--memory\)",
    "exits": "SystemExit: no GPU here",
    "forks": r"fitting forks on photographs0: its process ended by signal 9 \(SIGKILL\): out of "
    r"memory\?",
    "crash": r"fitting crash on photographs0: its process ended by signal 6 \(SIGABRT\)",
    "raises-at-import": r"the code of raises-at-import, .*raising:Broken, can't be imported: "
    r"RuntimeError: no luck$",
    "aborts-when-made": r"^making aborts-when-made: its process ended by signal 6 \(SIGABRT\)$",
    "not-utf-8": r"^ValueError: bad \\xff$",
}


def ran(folder, photographs, methods, timeout, executor):
    command = [
        sys.executable,
        "-P",
        "-m",
        "bench.cli",
        "run",
        "--plugin",
        str(BROKEN),
        "-m",
        ",".join(methods),
        "-d",
        str(photographs),
        "--metrics",
        "absolute-error",
        "--timeout",
        f"{timeout:g}",
        "--memory",
        "1",
        "--executor",
        executor,
        "--out",
        "run",
        "--store",
        "store",
    ]
    (folder / "queue.py").write_text("raise RuntimeError('not the queue of Python')")
    environment = os.environ | {"BROKEN_METHODS_CHILD": str(folder / "child")}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False
    )


def cells(folder):
    return {
        c["method"]: c for c in json.loads((folder / "run" / "manifest.json").read_text())["cells"]
    }


@pytest.fixture(scope="module")
def broken(photographs, tmp_path_factory):
    """One run of those that end, between two sound ones."""
    folder = tmp_path_factory.mktemp("broken")
    return folder, ran(
        folder, photographs, ["sound", *SAID, "late", "babbles", "marginal"], LONG, "process"
    )


@pytest.fixture(scope="module")
def endless(photographs, tmp_path_factory):
    """A run of those that don't, with a limit that they have time to begin in: the folder, what the
    run said, the limit."""
    for limit in (4, 60, LONG):
        folder = tmp_path_factory.mktemp("endless")
        done = ran(folder, photographs, ENDLESS, limit, "process[slots=2]")
        if (folder / "child").exists():
            break
    return folder, done, limit


def test_the_exit_status_is_that_of_failed_cells(broken):
    _, done = broken
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("method", SAID)
def test_each_is_a_row_that_says_why(broken, method):
    folder, done = broken
    cell = cells(folder)[method]
    assert cell["status"] == "failed"
    assert pd.Series([cell["reason"]]).str.contains(SAID[method]).all(), cell["reason"]
    scores = pd.read_parquet(folder / "run" / "scores.parquet")
    assert list(scores[scores["method"] == method]["status"]) == ["failed"]
    assert f"bench: {method} on photographs0 failed: {cell['reason']}" in done.stderr


@pytest.mark.parametrize("method", ENDLESS)
def test_what_never_ends_is_ended(endless, method):
    folder, done, limit = endless
    cell = cells(folder)[method]
    assert cell["status"] == "failed"
    assert cell["reason"] == f"{ENDLESS[method]} took longer than {limit:g} s (--timeout)"
    assert f"{method} on photographs0: {cell['reason']}" in done.stderr
    assert not list((folder / "store").glob("*/??/tmp-*"))


def test_tracebacks_are_kept_and_said_where(broken):
    folder, done = broken
    kept = (folder / "run" / "failures.txt").read_text()
    assert 'raise RuntimeError("no luck\\nsecond line")' in kept
    assert "in-predict on photographs0: ZeroDivisionError: no photograph\n\nTraceback" in kept
    assert "bench: tracebacks are in run/failures.txt" in done.stderr


def test_the_other_methods_finish(broken):
    folder, _ = broken
    scores = pd.read_parquet(folder / "run" / "scores.parquet")
    done = scores[scores["status"] == "done"]
    assert set(done["method"]) == {"sound", "late", "babbles", "marginal"}
    assert "in-predict" in (folder / "run" / "report.md").read_text()


def test_what_is_killed_leaves_nothing_in_the_store(broken):
    folder, _ = broken
    assert (folder / "store" / "fits").is_dir()
    assert not list((folder / "store").glob("*/??/tmp-*"))


def test_the_dry_run_names_what_can_t_be_made(bench, photographs):
    out = bench("run", "--plugin", BROKEN, "-m", "at-import,sound", "-d", photographs, "--dry-run")[
        1
    ]
    assert "broken: the code of at-import" in out
    assert (
        len([line for line in out.splitlines() if line.startswith("sample") and "to do: " in line])
        == 1
    )


def test_a_method_that_exits_is_a_row_in_this_process_too(bench, photographs):
    given = (
        "run",
        "--plugin",
        BROKEN,
        "-m",
        "exits,sound",
        "-d",
        photographs,
        "--metrics",
        "variance",
        "--figures",
        "none",
    )
    status, _, err = bench(*given, "--executor", "serial", "--out", "run")
    assert status == 6
    assert "SystemExit: no GPU here" in err


def test_a_method_that_never_ends_leaves_no_child(endless):
    child = int((endless[0] / "child").read_text())
    until(
        lambda: (
            not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        )
    )


def test_a_limit_that_an_executor_can_t_keep_is_refused(bench, photographs):
    status, _, err = bench(
        "run", "-m", "grey", "-d", photographs, "--executor", "serial", "--timeout", "5"
    )
    assert status == 2
    assert err == "bench: executor serial can't stop a method: leave --timeout out, or --executor\n"


@pytest.mark.parametrize("given", ["0", "-1", "soon", "5x", "inf", "nan"])
def test_a_timeout_is_a_duration(bench, given):
    status, _, err = bench("run", "--timeout", given)
    assert status == 2
    assert "duration" in err


def test_processes_give_the_same_bits_as_this_one(bench, photographs, tmp_path):
    tables = []
    for executor in ("serial", "process"):
        methods = "zhang[batch=8,steps=2],vae[batch=8,loss=l2,steps=3],marginal"
        status, _, err = bench(
            "run",
            "-m",
            methods,
            "-d",
            photographs,
            "--preset",
            "tiny",
            "--executor",
            executor,
            "--metrics",
            "absolute-error",
            "--out",
            executor,
            "--store",
            tmp_path / f"store-{executor}",
        )
        assert status == 0, err
        tables.append(pd.read_parquet(Path(executor) / "scores.parquet").drop(columns="run"))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_part_that_failed_is_not_tried_again_for_another_method(bench, photographs, tmp_path):
    needs = "mean[features=zhang[rate=1e30,steps=40,batch=8]]"
    options = (
        "--preset",
        "tiny",
        "--store",
        tmp_path / "store",
        "--out",
        "run",
        "--metrics",
        "variance",
    )
    status, _, err = bench(
        "run", "-m", f"zhang[rate=1e30,steps=40,batch=8],{needs}", "-d", photographs, *options
    )
    assert status == 3
    assert "nothing was measured" in err
    assert "which it needs, failed: " in err
    assert err.count("fitting zhang: done") <= 1


def test_a_process_that_says_that_all_is_done_is_not_believed(photographs, tmp_path):
    """Neither of the method that makes it say so, nor of those that follow."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "bench.cli",
        "run",
        "--plugin",
        str(BROKEN),
        "-m",
        "lies-well,sound",
        "-d",
        str(photographs),
        "--metrics",
        "absolute-error",
        "--figures",
        "none",
        "--executor",
        "process",
        "--out",
        "run",
        "--store",
        "store",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 6, done.stderr
    cells = {
        c["method"]: c
        for c in json.loads((tmp_path / "run" / "manifest.json").read_text())["cells"]
    }
    assert cells["lies-well"]["status"] == "failed"
    assert cells["sound"]["status"] == "done"
    assert (
        "fitting sound on photographs0: its process said that it is done, but 1 of its 1 fits are "
        "not" in done.stderr
    )


@pytest.mark.parametrize(
    ("method", "status"), [("daemon", 0), ("endless-daemon", 6), ("daemon-of-one-that-dies", 6)]
)
def test_a_process_that_a_method_leaves_behind_is_ended(photographs, tmp_path, method, status):
    environment = os.environ | {"DAEMONS": str(tmp_path / "daemons")}
    command = [
        sys.executable,
        "-P",
        "-m",
        "bench.cli",
        "run",
        "--plugin",
        str(BROKEN),
        "-m",
        f"{method},marginal",
        "-d",
        str(photographs),
        "--metrics",
        "absolute-error",
        "--figures",
        "none",
        "--timeout",
        "5",
        "--executor",
        "process",
        "--out",
        "run",
        "--store",
        "store",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == status, done.stderr
    left = [int(line) for line in (tmp_path / "daemons").read_text().split()]
    assert left
    assert not [number for number in left if psutil.pid_exists(number)]
