"""What the broken methods do."""

import json
import os
import stat
import subprocess
import sys
import time

import numpy as np
import torch

from bench.contracts import ColorDistribution, Method, SampleSet


class Fields(ColorDistribution):
    def __init__(self, ab, kind="point", seeds=()):
        self.ab, self.kind, self.seeds = ab, kind, seeds

    def present(self, k):
        return SampleSet(self.ab, self.kind)


class Sound(Method):
    def fit(self, train, context):
        pass

    def save(self, folder):
        pass

    def load(self, folder, context):
        pass

    def predict(self, grey, seeds):
        return Fields(self.fields(grey), self.kind())

    def fields(self, grey):
        return torch.zeros(len(grey), 1, 2, 64, 64)

    def kind(self):
        return "point"


class SlowOnce(Sound):
    """Notes each fit in a file; the first one, which finds none, goes on for ten minutes."""

    def fit(self, train, context):
        first = not os.path.exists(os.environ["SLOW_ONCE"])
        with open(os.environ["SLOW_ONCE"], "a") as log:
            log.write("fit\n")
        time.sleep(1800 if first else 2)


class InFit(Sound):
    def fit(self, train, context):
        raise RuntimeError("no luck\nsecond line")


class InPredict(Sound):
    def predict(self, grey, seeds):
        raise ZeroDivisionError("no photograph")


class Nan(Sound):
    def fields(self, grey):
        return super().fields(grey) * torch.nan


class Shape(Sound):
    def fields(self, grey):
        return torch.zeros(len(grey), 1, 2, 32, 32)


class WrongKind(Sound):
    def kind(self):
        return "iid"


class Garbage(Sound):
    def fields(self, grey):
        return super().fields(grey) + 255.0


class WritesInput(Sound):
    def predict(self, grey, seeds):
        grey /= 100
        return super().predict(grey, seeds)


class Endless(Sound):
    """Never ends, and starts a child that wants to outlive it."""

    def fit(self, train, context):
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(1800)"], start_new_session=True
        )
        with open(os.environ["BROKEN_METHODS_CHILD"], "w") as file:
            file.write(str(child.pid))
        while True:
            time.sleep(0.01)


class Greedy(Sound):
    """Takes 2 GiB, at once, and keeps them."""

    def fit(self, train, context):
        held = np.ones(2**28)
        time.sleep(1800)
        assert held.any()


class Crash(Sound):
    def fit(self, train, context):
        os.abort()


class Chatty(Sound):
    """Never ends, and reports all the time."""

    def fit(self, train, context):
        with context.progress.task("chatting", 10) as bar:
            while True:
                bar.advance(0)
                time.sleep(0.01)


class Exits(Sound):
    def fit(self, train, context):
        print("this is for the user", flush=True)
        sys.exit("no GPU here")


class Forks(Sound):
    """Leaves a copy of itself behind, which holds its pipes open, and dies."""

    def fit(self, train, context):
        if os.fork() == 0:
            time.sleep(1800)
            os._exit(0)
        os.kill(os.getpid(), 9)


class Late(Sound):
    def fit(self, train, context):
        with context.progress.task("fitting", 2) as bar:
            pass
        bar.advance()


class HangsWhenMade(Sound):
    def __init__(self):
        time.sleep(600)


class AbortsWhenMade(Sound):
    def __init__(self):
        os.abort()


class HangsWhenAsked(Sound):
    def incompatible(self, dataset, count):
        time.sleep(600)


class NotUtf8(Sound):
    """Names a file whose name is no UTF-8, as any OSError does."""

    def fit(self, train, context):
        raise ValueError("bad \udcff")


def shout(data):
    """Write into all pipes of this process but its standard streams."""
    for number in range(3, 256):
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                os.write(number, data)
        except OSError:
            continue


class Lies(Sound):
    """Says that it is done, and never ends."""

    def fit(self, train, context):
        result = {"reason": "", "seconds": 0.0, "trace": "", "lost": False, "fatal": False}
        shout(json.dumps({"result": result}).encode() + b"\n")
        time.sleep(600)


class LiesWell(Sound):
    """Sees to it that its process says of whatever it is asked for that it is done."""

    def predict(self, grey, seeds):
        from bench.contracts.execution import Result
        from bench.engine.work import Work

        Work.perform = lambda *_: Result()
        raise SystemExit


class Babbles(Sound):
    """Writes what is no message, what is one of another form, and what never ends."""

    def fit(self, train, context):
        events = [
            {"step": 5},
            {"step": ["x", "y", "z"]},
            {"advance": "x"},
            {"begin": [1]},
            {"begin": [{}, [], None]},
            {"end": []},
            {"say": 7},
            {"result": 3},
            {"result": {"reason": ""}, "token": ""},
            [1],
            "x",
            None,
            7,
            {"worker": -1},
        ]
        lines = [json.dumps(event).encode() for event in events]
        for line in (
            *lines,
            b"[" * 10**5,
            b'{"a":' * 10**5,
            b"\xff\xfe",
            b"",
            b"{",
            b"NaN",
            b"x" * 10**7,
        ):
            shout(line + b"\n")


def daemon():
    """Leave a process as `daemon(3)` does: forked twice, in a session of its own, without its
    parent's environment."""
    note = os.environ["DAEMONS"]
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(note, "a") as file:
                file.write(f"{os.getpid()}\n")
            os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"], {})
        os._exit(0)
    while not os.path.exists(note):
        time.sleep(0.01)


class Daemon(Sound):
    def fit(self, train, context):
        daemon()


class EndlessDaemon(Sound):
    def fit(self, train, context):
        daemon()
        time.sleep(600)


class DaemonOfOneThatDies(Sound):
    def fit(self, train, context):
        daemon()
        os.kill(os.getpid(), 11)
