"""How many small faults in the code the fast tests notice.

    python benchmarks/mutation.py map                  # which test files run which lines: the fast suite once, under coverage
    python benchmarks/mutation.py try [--points 150] [--seed 19] [--part 1/2]
    python benchmarks/mutation.py show

Points are drawn at random from all of the product (`benchmarks/mutants.py` says what is changed).
For each the test files that run its line are run, those first that run little else, until a test
fails; a fault that makes tests hang is noticed, too. Where a line is run by no test, or when its
file is imported, all that run any line of its file are tried.

It needs `pip install coverage`, and changes files where it runs: use a clone. What is found is
added to `mutation/*.jsonl`, and a run that was interrupted goes on there. `--part 1/2` and `--part
2/2` share the work between two clones that have the same map.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import table
from mutants import Point, points

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("bench", "methods", "metrics", "datasets", "reports")
FOLDER = ROOT / "mutation"
MAP = FOLDER / "map.json"
SUITE = ("-m", "not slow", "-q", "-p", "no:cacheprovider", "-p", "no:randomly")
CONFIG = """[run]
branch = false
patch = subprocess, _exit
parallel = true
context = ${MUTATION_CONTEXT}
data_file = {data}
source = {source}
"""
CONTEXT = """
import os
import coverage
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    name = item.nodeid.split("::")[0]
    os.environ["MUTATION_CONTEXT"] = name
    if (running := coverage.Coverage.current()) is not None:
        running.switch_context(name)
"""
SECONDS = 300.0
"""Given to tests beyond ten times of what they took when the map was made."""


def main() -> None:
    """Make the map, try points, or show what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("map", "try", "show"))
    parser.add_argument("--points", type=int, default=150)
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument(
        "--part", default="1/1", help="of the points: 2/3 is every third, from the second on"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that make the map")
    parser.add_argument("--tests", default="tests", help="test files or folders that make the map")
    parser.add_argument(
        "--quick", action="store_true", help="faults of a toy: to see that it works"
    )
    asked = parser.parse_args()
    if asked.quick:
        _quick()
    elif asked.what == "map":
        make_map(asked.tests, asked.workers)
    elif asked.what == "try":
        part, parts = map(int, asked.part.split("/"))
        known = json.loads(MAP.read_text())
        for point in drawn(asked.points, asked.seed)[part - 1 :: parts]:
            _try(point, known, FOLDER / f"{asked.seed}-{part}.jsonl")
        _show(_found(asked.seed))
    else:
        _show(_found(asked.seed))


def drawn(count: int, seed: int) -> list[Point]:
    """Points of all files of the product, chosen at random."""
    files = sorted(
        path
        for room in PRODUCT
        for path in (ROOT / room).rglob("*.py")
        if "templates" not in path.parts
    )
    every = [
        point
        for path in files
        for point in points(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]
    return random.Random(seed).sample(every, count)


def make_map(tests: str, workers: int) -> None:
    """Keep the test files of each line, and the seconds of each test file."""
    FOLDER.mkdir(exist_ok=True)
    settings, plugin = FOLDER / "coverage.ini", FOLDER / "mutation_context.py"
    sources = "".join(f"\n    {ROOT / room}" for room in PRODUCT)
    settings.write_text(CONFIG.replace("{data}", str(FOLDER / "data")).replace("{source}", sources))
    plugin.write_text(CONTEXT)
    environment = os.environ | {
        "MUTATION_CONTEXT": "none",
        "PYTHONPATH": str(FOLDER),
        "OMP_NUM_THREADS": "1",
        "BENCH_THREADS": "1",
    }
    command = [
        sys.executable,
        "-m",
        "coverage",
        "run",
        f"--rcfile={settings}",
        "-m",
        "pytest",
        *SUITE,
        "-p",
        "mutation_context",
        "--numprocesses",
        str(workers),
        "--dist",
        "loadfile",
        f"--junitxml={FOLDER / 'times.xml'}",
        tests,
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if done.returncode and (
        red := _red(FOLDER / "times.xml")
    ):  # coverage changes how processes end
        print(
            f"{len(red)} test(s) failed under coverage, and now once more without it: "
            f"{' '.join(red)}",
            flush=True,
        )
        done = subprocess.run([sys.executable, "-m", "pytest", *SUITE, *red], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"the tests end with status {done.returncode}: mend them first")
    _write_map(settings, environment)


def _write_map(settings: Path, environment: dict[str, str]) -> None:
    """The map, from what coverage kept."""
    coverage = [
        sys.executable,
        "-m",
        "coverage",
    ]  # not imported: a benchmark here has the same name
    report = FOLDER / "coverage.json"
    for verb in (
        ["combine", "--quiet"],
        ["json", "--quiet", "--ignore-errors", "--show-contexts", "-o", str(report)],
    ):
        subprocess.run(
            [*coverage, verb[0], f"--rcfile={settings}", *verb[1:]],
            cwd=ROOT,
            env=environment,
            check=True,
        )
    found = json.loads(report.read_text())["files"]
    files = {
        path: {line: sorted(_test_files(contexts)) for line, contexts in of["contexts"].items()}
        for path, of in found.items()
    }
    MAP.write_text(json.dumps({"lines": files, "seconds": _times(FOLDER / "times.xml")}))


def _test_files(contexts: list[str]) -> set[str]:
    """Of the contexts of a line: `file`, or in a process that a test started `file|file`."""
    return {
        name for context in contexts if (name := context.rpartition("|")[2]).startswith("tests/")
    }


def _red(report: Path) -> list[str]:
    """Files of the tests that failed, from pytest's report for machines."""
    from xml.etree import ElementTree

    cases = ElementTree.parse(report).iter("testcase")
    return sorted(
        {
            _file(case)
            for case in cases
            if case.find("failure") is not None or case.find("error") is not None
        }
    )


def _times(report: Path) -> dict[str, float]:
    """Seconds of each test file, from pytest's report for machines."""
    from xml.etree import ElementTree

    found: dict[str, float] = defaultdict(float)
    for case in ElementTree.parse(report).iter("testcase"):
        found[_file(case)] += float(case.get("time", 0))
    return found


def _file(case: Any) -> str:
    parts = case.get("classname", "").split(".")
    return next(
        (
            "/".join(parts[:n]) + ".py"
            for n in range(len(parts), 0, -1)
            if parts[n - 1].startswith("test_")
        ),
        "",
    )


def _tests_of(point: Point, known: dict[str, Any]) -> tuple[list[str], bool]:
    """Test files that run a point's line, and whether it is run at all; the narrowest first. What
    is run when the file is imported belongs to no test: then it is all that run any line of the
    file."""
    lines = known["lines"].get(point.file, {})
    own = [lines[str(line)] for line in range(point.line, point.end_line + 1) if str(line) in lines]
    run, found = bool(own), {name for names in own for name in names}
    found = found or {name for names in lines.values() for name in names}
    width: Counter[str] = Counter(
        name for of in known["lines"].values() for names in of.values() for name in names
    )
    return sorted(
        found, key=lambda name: (width[name] * known["seconds"].get(name, 1.0), name)
    ), run


def _try(point: Point, known: dict[str, Any], kept: Path) -> None:
    if any(line["point"] == vars(point) for line in _lines(kept)):
        return
    tests, run = _tests_of(point, known)
    patience = SECONDS + 10 * sum(known["seconds"].get(name, 60.0) for name in tests)
    begun = time.monotonic()
    with _put(ROOT, point):
        result, by = _noticed(ROOT, tests, patience)
    before = point.before((ROOT / point.file).read_text("utf-8"))
    line = {
        "point": vars(point),
        "before": before,
        "run": run,
        "result": result,
        "by": by,
        "seconds": round(time.monotonic() - begun),
    }
    with kept.open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    print(f"{result}: {point.file}:{point.line}: {before!r} -> {point.after!r} {by}", flush=True)


def _noticed(root: Path, tests: list[str], patience: float) -> tuple[str, str]:
    if not tests:
        return "lives", ""
    command = [
        sys.executable,
        "-m",
        "pytest",
        *SUITE,
        "-x",
        "--no-header",
        "-rfE",
        "--tb=no",
        *tests,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "BENCH_THREADS": "1"}
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as child:
        try:
            said, _ = child.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return "noticed", f"no end in {patience:.0f} s"
    if child.returncode == 0:
        return "lives", ""
    failed = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return "noticed", failed[0][:200] if failed else said[-200:]


@contextmanager
def _put(root: Path, point: Point) -> Iterator[None]:
    """A block in which a file has the fault. Its time differs each time: Python would take the
    older bytecode otherwise."""
    path = root / point.file
    source = path.read_text("utf-8")
    path.write_text(point.put(source), "utf-8")
    os.utime(path, (time.time(), 1e9 + random.SystemRandom().randrange(10**8)))
    try:
        yield
    finally:
        path.write_text(source, "utf-8")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _found(seed: int) -> list[dict[str, Any]]:
    return [line for path in sorted(FOLDER.glob(f"{seed}-*.jsonl")) for line in _lines(path)]


def _show(found: list[dict[str, Any]]) -> None:
    """Shares by folder, and each fault that lives."""
    rows = []
    for room in (*PRODUCT, ""):
        of = [line for line in found if line["point"]["file"].startswith(room)]
        noticed = sum(line["result"] == "noticed" for line in of)
        rows.append(
            [room or "all", len(of), noticed, f"{100 * noticed / len(of):.0f}" if of else "-"]
        )
    print(table(["folder", "faults", "noticed", "%"], rows), end="\n\n")
    for line in found:
        if line["result"] == "lives":
            point = Point(**line["point"])
            where = f"{point.file}:{point.line}{'' if line['run'] else ' (no test runs it)'}"
            print(
                f"* {where}: `{' '.join(line['before'].split())}` -> "
                f"`{' '.join(point.after.split())}`"
            )


def _quick() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "toy.py").write_text(
            "def larger(a, b):\n    if a > b:\n        return a + 0\n    return b\n"
        )
        (root / "test_toy.py").write_text(
            "import toy\n\ndef test_larger():\n    assert toy.larger(2, 1) == 2\n"
        )
        for point in points("toy.py", (root / "toy.py").read_text()):
            with _put(root, point):
                print(
                    point.line, point.kind, point.after, *_noticed(root, ["test_toy.py"], SECONDS)
                )


if __name__ == "__main__":
    main()
