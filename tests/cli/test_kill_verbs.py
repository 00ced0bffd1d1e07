"""A verb that is killed at any moment and repeated ends like one that was not, and leaves nothing
behind."""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

METHOD = "zhang[batch=8,steps=3]"
RUN = (
    "run",
    "-m",
    f"{METHOD},marginal",
    "-d",
    "photos",
    "--preset",
    "tiny",
    "--draws",
    "3",
    "--metrics",
    "absolute-error,fair-energy-score",
    "--threads",
    "1",
    "--out",
    "run",
    "--executor",
    "serial",
)
VERBS = {
    "run": (*RUN[:-4], "--out", "again", "--executor", "serial"),
    "score": ("score", "run"),
    "report": ("report", "run", "--out", "report"),
    "compare": ("compare", "run", "run", "--out", "compare"),
    "weights export": ("weights", "export", "run", METHOD, "--out", "export"),
    "colorize": (
        "colorize",
        "photos",
        "-m",
        METHOD,
        "-k",
        "2",
        "--weights",
        "run",
        "--out",
        "coloured",
    ),
    "export-inputs": ("export-inputs", "photos", "inputs"),
    "baseline write": ("baseline", "write", "run", "baseline.json"),
    "data prepare": ("data", "prepare", "photos", "--limit-train", "20", "--protocol", "square"),
    "data split": ("data", "split", "photos", "--out", "split.json"),
    "store gc": ("store", "gc", "--keep", "0"),
}
"""Each runs in a folder with `photos`, `run` and `store`, and writes there."""
ONCE = {"export-inputs": "inputs", "weights export": "export"}
"""Verbs that refuse what they have finished."""
DIFFERS = re.compile(
    rb'("date": "[^"]*")|("cached": (true|false))|("seconds": [0-9.e-]+)|\d+ s\b|"argv": \[[^]]*\]'
)
"""What two runs of one verb may say differently."""
LEFT = re.compile(r"\.lock$|^tmp-|-draft-|^\.fetching$|\.part$")


def bench(folder, arguments):
    environment = {
        **os.environ,
        "BENCH_STORE": str(folder / "store"),
        "BENCH_DATA": str(folder / "data"),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "bench.cli", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def done(folder, arguments):
    """Run a verb to its end; the seconds that it took."""
    begun = time.monotonic()
    child = bench(folder, arguments)
    _, error = child.communicate()
    assert child.returncode == 0, error.decode(errors="replace")[-2000:]
    return time.monotonic() - begun


def killed(folder, arguments, seconds):
    """Kill a verb, and all that it started, after some seconds; False where it had ended before."""
    child = bench(folder, arguments)
    try:
        child.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        below = psutil.Process(child.pid).children(recursive=True)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        assert not psutil.wait_procs(below, timeout=120)[1], (
            "a process outlives the verb that started it"
        )
        return True


def content(folder):
    """Digests of all files but the photographs, without what may differ; what was left behind is an
    error."""
    found = {}
    for path in sorted(
        p for p in folder.rglob("*") if p.is_file() and "photos" not in p.relative_to(folder).parts
    ):
        name = path.relative_to(folder).as_posix()
        assert not any(LEFT.search(part) for part in name.split("/")), f"{name} was left behind"
        if path.name != "cell.json" and path.suffix not in (
            ".png",
            ".svg",
        ):  # which hold the time they were made
            found[name] = hashlib.sha256(DIFFERS.sub(b"", path.read_bytes())).hexdigest()
    return found


@pytest.fixture(scope="module")
def ready(photographs, tmp_path_factory):
    """A folder with photographs, and a run of them."""
    folder = tmp_path_factory.mktemp("ready") / "home"
    shutil.copytree(photographs, folder / "photos")
    done(folder, RUN)
    return folder


def kill_and_repeat(ready, tmp_path, verb, moments):
    """How often a verb could be killed, at some moments as shares of the time that it takes."""
    home = ready.parent  # the same path for all, which keys of folders hold
    aside, count = tmp_path / "aside", 0
    shutil.copytree(ready, aside)
    try:
        duration = done(ready, VERBS[verb])
        whole = content(ready)
        for moment in moments:
            shutil.rmtree(ready)
            shutil.copytree(aside, ready)
            count += killed(ready, VERBS[verb], moment * duration)
            if not (verb in ONCE and (ready / ONCE[verb]).exists()):
                done(ready, VERBS[verb])
            assert content(ready) == whole
    finally:
        shutil.rmtree(ready, ignore_errors=True)
        shutil.copytree(aside, home / ready.name)
    return count


@pytest.mark.parametrize("verb", ["report", pytest.param("colorize", marks=pytest.mark.slow)])
def test_a_verb_that_is_killed_and_repeated_ends_like_one_that_was_not(ready, tmp_path, verb):
    chance = random.Random(verb)
    assert kill_and_repeat(ready, tmp_path, verb, [chance.uniform(0.5, 0.9)])


@pytest.mark.slow
@pytest.mark.parametrize("verb", list(VERBS))
def test_verbs_that_are_killed_again_and_again_end_like_those_that_were_not(ready, tmp_path, verb):
    """Eleven verbs, six kills each at least."""
    chance, count = random.Random(verb), 0
    for _ in range(6):
        count += kill_and_repeat(
            ready, tmp_path / f"{_}", verb, [chance.uniform(0.05, 0.98) for _ in range(3)]
        )
        if count >= 6:
            return
    raise AssertionError(f"only {count} runs of {verb} could be killed")
