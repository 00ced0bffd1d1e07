"""Other processes for checks: a job runs in a process, and a process group, of its own, and ends at
a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.store.files import read_json, write_json

TOKEN = "BENCH_CHECK_TOKEN"
POLL = 0.01


@dataclass(frozen=True)
class Job:
    """A job that was begun: its folder and the process that does it, which leads a process group."""

    folder: Path
    number: int

    def wait(self, name: str, seconds: float) -> bool:
        """Whether the file `name` appears in time; False as soon as the process has ended without
        it."""
        end = time.monotonic() + seconds
        while not (self.folder / name).is_file():
            if time.monotonic() > end or not alive(self.number):
                return (self.folder / name).is_file()
            time.sleep(POLL)
        return True

    def result(self, seconds: float) -> dict[str, Any] | None:
        """The report; None where the deadline has passed: the whole process group is then killed."""
        if self.wait("result.json", seconds):
            found: dict[str, Any] = read_json(self.folder / "result.json")
            return found
        if alive(self.number):
            self.kill()
            return None
        return {"error": f"the process died{self._last_words()}"}

    def kill(self) -> None:
        """Kill the process group, and wait until its leader is gone."""
        for kill in (os.killpg, os.kill):  # a process that has just begun leads no group yet
            with suppress(ProcessLookupError):
                kill(self.number, signal.SIGKILL)
        end = time.monotonic() + 10
        while alive(self.number) and time.monotonic() < end:
            time.sleep(POLL)

    def _last_words(self) -> str:
        log = self.folder / "log"
        lines = log.read_text("utf-8", "replace").strip().splitlines() if log.is_file() else []
        return f": {lines[-1]}" if lines else " without a word"


@dataclass
class Children:
    """Starts jobs. modules: imported before any, once, where the system can copy a process that has
    done so (Linux). slow: those as well that this process has by now.

    Every process that a job begins, and that begins another, carries a token by which it is found
    (`leftovers`).
    """

    folder: Path
    modules: Sequence[str] = ()
    slow: Sequence[str] = ()
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    forks: bool = sys.platform == "linux"
    _server: subprocess.Popen[str] | None = None
    _served: frozenset[str] = frozenset()

    def begin(self, task: str, description: Mapping[str, Any]) -> Job:
        """Begin a job (`bench.testing.child.JOBS`)."""
        folder = Path(tempfile.mkdtemp(prefix=f"{task}-", dir=self.folder))
        write_json(folder / "job.json", {"task": task, "path": sys.path, **description})
        return Job(folder, self._forked(folder) if self.forks else self._spawned(folder))

    def run(
        self, task: str, description: Mapping[str, Any], seconds: float
    ) -> tuple[Path, dict[str, Any] | None]:
        """Do a job; its folder, and its report or None where it took too long."""
        job = self.begin(task, description)
        try:
            return job.folder, job.result(seconds)
        finally:
            job.kill()

    def leftovers(self) -> set[int]:
        """Living processes that jobs have begun, wherever they went. OSError where the system can't
        tell."""
        mine = {self._server.pid} if self._server else set()
        return {
            number
            for number in map(int, filter(str.isdigit, os.listdir("/proc")))
            if self._marked(number)
        } - mine

    def close(self) -> None:
        """End the server, and whatever jobs have left behind."""
        with suppress(OSError):
            for number in self.leftovers():
                os.kill(number, signal.SIGKILL)
        if self._server and self._server.stdin and self._server.stdout:
            self._server.kill()
            self._server.wait()
            self._server.stdin.close()
            self._server.stdout.close()
            self._server = None

    def _forked(self, folder: Path) -> int:
        wanted = frozenset(self.modules) | {module for module in self.slow if module in sys.modules}
        if self._server is None or not wanted <= self._served:
            self.close()
            self._server, self._served = (
                self._start("--serve", *sorted(wanted), pipes=subprocess.PIPE),
                wanted,
            )
        assert self._server.stdin
        assert self._server.stdout
        print(folder, file=self._server.stdin, flush=True)
        answer = self._server.stdout.readline()
        if not answer:
            self.close()
            raise BenchError(
                "the process that checks begin others from has ended: is there enough memory?"
            )
        return int(answer)

    def _spawned(self, folder: Path) -> int:
        process = self._start(str(folder))
        threading.Thread(target=process.wait, daemon=True).start()  # so that its end is noticed
        return process.pid

    def _start(self, *arguments: str, pipes: int | None = None) -> subprocess.Popen[str]:
        environment = os.environ | {TOKEN: self.token}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.testing.child", *arguments],
            env=environment,
            text=True,
            start_new_session=True,
            stdin=pipes or subprocess.DEVNULL,
            stdout=pipes or subprocess.DEVNULL,
            stderr=None if pipes else subprocess.DEVNULL,
        )

    def _marked(self, number: int) -> bool:
        try:
            return f"{TOKEN}={self.token}".encode() in Path(f"/proc/{number}/environ").read_bytes()
        except OSError:
            return False  # ended, or somebody else's


def alive(number: int) -> bool:
    """Whether a process is there, and is no ended one that waits to be noticed."""
    try:
        os.kill(number, 0)
    except OSError:
        return False
    state = Path(f"/proc/{number}/stat")
    try:
        return state.read_text("utf-8", "replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists()  # gone meanwhile, or a system without such files
