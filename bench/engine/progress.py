"""Progress: rich bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.contracts import Progress, ProgressTask
from bench.text import one_line, say

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID


class Lines:
    """A plain log: a line when a step begins, every ten seconds, and when it ends."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        """A step of `total` parts."""
        bar = _LineBar(self, description, total)
        yield bar
        bar.finish()

    def say(self, line: str) -> None:
        """One line on standard error."""
        say(line, err=True)


class Bars:
    """Rich bars with what is being done, how far it is and an estimate; several at once where
    several processes work."""

    def __init__(self) -> None:
        from rich import progress as rich
        from rich.console import Console

        described, note = (
            rich.TextColumn(f"{{task.{name}}}", markup=False)
            for name in ("description", "fields[note]")
        )
        columns = (
            described,
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TimeRemainingColumn(),
            note,
        )
        self.console = Console(stderr=True)
        self._display = rich.Progress(*columns, console=self.console)
        self._open, self._turn = 0, threading.Lock()

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        """A bar on the terminal; the display is live while there is one."""
        with self._turn:
            self._open += 1
            if self._open == 1:
                self._display.start()
        bar = self._display.add_task(one_line(description), total=total, note="")
        try:
            yield _RichBar(self._display, bar)
        finally:
            with self._turn:
                self._open -= 1
                if self._open == 0:
                    self._display.stop()
                    self._forget()

    def say(self, line: str) -> None:
        """One line above the bars."""
        self.console.print(
            one_line(line), markup=False, highlight=False, emoji=False, soft_wrap=True
        )

    def _forget(self) -> None:
        """Bars that are done stay on the screen, and are not drawn again."""
        for number in self._display.task_ids:
            self._display.remove_task(number)


def choose() -> Progress:
    """Bars where standard error is a terminal, else lines."""
    return Bars() if sys.stderr.isatty() else Lines()


class _RichBar:
    def __init__(self, display: Display, task: TaskID) -> None:
        self.display, self.task = display, task

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.display.update(self.task, advance=steps, note=one_line(note))


class _LineBar:
    def __init__(self, log: Lines, description: str, total: int) -> None:
        self.log, self.description, self.total, self.done = log, description, total, 0
        self.start = self.shown = time.monotonic()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps
        now = time.monotonic()
        if now - self.shown >= 10:
            self.shown = now
            left = (now - self.start) / max(1, self.done) * max(0, self.total - self.done)
            self.log.say(
                f"{self.description}: {self.done}/{self.total}, about {left:.0f} s "
                f"left{f'; {note}' if note else ''}"
            )

    def finish(self) -> None:
        self.log.say(f"{self.description}: done in {time.monotonic() - self.start:.1f} s")
