"""What the broken parts do."""

import os
import time

import numpy as np

from bench.contracts import Dataset, Metric, Score, SetScore


class SoundOne(Metric):
    def score(self, samples, truth, context):
        return [Score("values", "all", np.ones(len(truth)))]


class RaisesInCombine(SoundOne):
    def combine(self, columns):
        raise RuntimeError("not combined")


class RaisesInFinish(SoundOne):
    def finish(self):
        raise RuntimeError("not finished")


class RaisesOnceMade(SoundOne):
    """Can be made once in a process, which then is taken for usable."""

    made = 0

    def __init__(self):
        type(self).made += 1
        if self.made > 1:
            raise RuntimeError("made twice")


class HangsWhenMade(SoundOne):
    def __init__(self):
        time.sleep(600)


class AbortsWhenScoring(SoundOne):
    def score(self, samples, truth, context):
        os.abort()


class HangsWhenScoring(SoundOne):
    def score(self, samples, truth, context):
        time.sleep(600)


class HangsInFinish(SoundOne):
    def finish(self):
        time.sleep(600)
        return [SetScore("never", 0.0)]


class NamedBadly(Metric):
    def score(self, samples, truth, context):
        return [Score("bad \udcff", "all", np.ones(len(truth)))]


def report_raises(results, out):
    raise RuntimeError("no report \udcff")


def report_aborts(results, out):
    os.abort()


def report_sound(results, out):
    path = out.folder / "sound.md"
    path.write_text("sound\n")
    return [path]


class DataAborts(Dataset):
    """Its reading ends the process, as a fault in a library for pictures does."""

    def __init__(self, *, home):
        self.home = home

    def signature(self):
        return type(self).__name__

    def files(self):
        return [f"{i}.png" for i in range(10)]

    def read(self, wanted):
        os.abort()


class DataGreedy(DataAborts):
    """Takes 2 GiB, at once, and keeps them."""

    def read(self, wanted):
        held = np.ones(2**28)
        time.sleep(600)
        yield from ((name, held.tobytes()) for name in wanted)
