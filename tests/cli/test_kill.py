"""A run that is killed at any moment goes on, and ends like one that was not."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import psutil
import pytest
from safetensors import safe_open

from ..patience import LONG, until

METHODS = "zhang[batch=8,steps=3],mean[features=zhang[batch=8,steps=3]],vae[batch=8,loss=l2,steps=20],marginal"


def command(photographs, executor):
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
        "absolute-error,variance,fair-energy-score",
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
    ]


@pytest.fixture(scope="module")
def whole(photographs, tmp_path_factory):
    """The scores of a run that nobody disturbed, and how many things it left in the store."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(command(photographs, "process"), cwd=folder, check=True, capture_output=True)
    return pd.read_parquet(folder / "run" / "scores.parquet"), finished(folder)


def finished(folder):
    return sum(1 for _ in (folder / "store").glob("*/??/*/cell.json"))


def kill_after(count, seconds, folder, photographs, executor):
    """Begin or go on, and kill the process and all that it started, some moments after so many
    things are in the store; False where it had ended before."""
    child = subprocess.Popen(
        command(photographs, executor),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: finished(folder) >= count or child.poll() is not None)
    try:
        child.wait(seconds)
        assert child.returncode == 0
        return False
    except subprocess.TimeoutExpired:
        below = psutil.Process(child.pid).children(recursive=True)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for each in psutil.wait_procs(below, timeout=LONG)[
            1
        ]:  # workers end by themselves when nobody listens
            raise AssertionError(f"{each} outlives the run that started it") from None
        return True


def see_that_all_is_whole(folder):
    """Whatever has its final name can be read, and is what its mark says."""
    for mark in (folder / "store").rglob("cell.json"):
        if mark.parent.name.startswith("tmp-"):
            continue
        for name, wanted in json.loads(mark.read_text())["files"].items():
            data = (mark.parent / name).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (
                wanted["bytes"],
                wanted["sha256"],
            )
            if name.endswith(".npy"):
                np.load(mark.parent / name, mmap_mode="r", allow_pickle=False)
            if name.endswith(".safetensors"):
                with safe_open(mark.parent / name, "np") as file:
                    assert list(file.keys())
    for path in (p for p in (folder / "run").glob("*") if not p.name.startswith(".")):
        if path.suffix == ".json":
            json.loads(path.read_text())
        if path.suffix == ".parquet":
            pd.read_parquet(path)


def kill_and_go_on(folder, photographs, whole, executor, moments):
    """Kill a run at some moments, shares of what is to be done with a delay, and let it end; how
    often it could be killed."""
    scores, count = whole
    folder.mkdir(exist_ok=True)
    killed = 0
    for share, delay in moments:
        killed += kill_after(round(share * count), delay, folder, photographs, executor)
        see_that_all_is_whole(folder)
    subprocess.run(command(photographs, executor), cwd=folder, check=True, capture_output=True)
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "run" / "scores.parquet"), scores, check_exact=True
    )
    return killed


@pytest.mark.parametrize("executor", ["process", pytest.param("serial", marks=pytest.mark.slow)])
def test_a_run_that_is_killed_goes_on(photographs, tmp_path, whole, executor):
    chance = random.Random(0)
    moments = [(chance.uniform(0, 0.5), chance.uniform(0, 0.05)) for _ in range(2)]
    assert kill_and_go_on(tmp_path, photographs, whole, executor, moments)


@pytest.mark.slow
def test_a_run_that_is_killed_thirty_times_goes_on(photographs, tmp_path, whole):
    """Each kill finds a run further on; a new one begins whenever one has ended."""
    chance, killed = random.Random(0), 0
    for number in range(60):
        executor = ("process", "process[slots=2]", "serial")[number % 3]
        moments = [(chance.uniform(0, 0.9), chance.uniform(0, 0.5)) for _ in range(3)]
        killed += kill_and_go_on(tmp_path / str(number), photographs, whole, executor, moments)
        if killed >= 30:
            return
    raise AssertionError(f"only {killed} runs could be killed")
