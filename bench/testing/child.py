"""The far side of `bench.testing.children`: a process that does one job, described by a folder, and
ends.

`python -m bench.testing.child FOLDER` does one. `python -m bench.testing.child --serve [MODULE...]`
imports the modules and then makes a copy of itself for every folder that it reads: the copy has
computed nothing, and has not waited for the imports.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

JOBS = {
    "register": "bench.testing.registering:register",
    "fit": "bench.testing.fitting:fit",
    "load": "bench.testing.fitting:load",
}
"""Functions of (description, folder) that return what is reported, by the name of the job."""


def work(folder: Path) -> None:
    """Do the job `job.json`; the report, or the error in one line, is `result.json`."""
    from bench.store.files import read_json, write_json

    job = read_json(folder / "job.json")
    sys.path[:] = job["path"]
    try:
        _load_local(job["plugins"])
        module, _, name = JOBS[job["task"]].partition(":")
        result = getattr(importlib.import_module(module), name)(job, folder)
    except BaseException as error:  # noqa: BLE001 - whatever a plugin raises, an exit included, is what the parent wants to know
        from bench.testing.results import describe

        result = {"error": describe(error)}
    write_json(folder / "result.json", result)


def _load_local(paths: list[str]) -> None:
    """Import local plugins, under the names that the parent's have."""
    if paths:
        from bench.plugins import local

        for plugin in (one for path in paths for one in local.find(Path(path))):
            with suppress(
                Exception, SystemExit
            ):  # if it is the one that is checked, its factory can't be imported, which says so
                plugin.load()


def serve(modules: list[str]) -> None:
    """For each folder on standard input, do its job in a forked copy and answer with the copy's
    process id."""
    for module in modules:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # copies that end leave nothing to be waited for
    for line in sys.stdin:
        number = os.fork()
        if not number:
            _copy(Path(line.rstrip("\n")))
        print(number, flush=True)


def _copy(folder: Path) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        work(folder)
    finally:
        os._exit(0)


def report(folder: Path, name: str, value: Any) -> None:
    """Tell the parent something before the job is done."""
    from bench.store.files import write_text

    write_text(folder / f"{name}.json", json.dumps(value))


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2:])
    else:
        work(Path(sys.argv[1]))
