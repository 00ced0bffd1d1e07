"""Healthy data set, report, protocol and executor, and others that do one thing wrong each."""

import uuid

from bench.contracts import Executor
from bench.executors.serial import InThisProcess, Serial
from bench.pictures.images import Prepared
from bench.protocol import make_paper
from bench.testing.toy import Toy


class Healthy(Toy):
    pass


class Unsorted(Toy):
    def files(self):
        return super().files()[::-1]


class NewSignature(Toy):
    def signature(self):
        return uuid.uuid4().hex


class SkipsOne(Toy):
    def read(self, wanted):
        yield from list(super().read(wanted))[1:]


class Overlapping(Toy):
    def split(self, ids):
        return sorted(ids)[:20], sorted(ids)[10:]


class Shares(Toy):
    """Lightness in 0..1 for L in 0..100 is in range; a and b as bytes are not."""

    def develop(self, data, protocol, crop):
        made = super().develop(data, protocol, crop)
        return Prepared(made.grey, made.ab + 128, False)


class OtherLaw(Toy):
    def law(self, ids):
        return super().law([*ids[1:], ids[0]])


def report(results, out):
    return []


def alone(results):
    return []


def protocol():
    return make_paper(antialias=False, k=3)


def no_protocol():
    return {"k": 3}


def executor():
    return Serial()


class GivesTheSame(Executor):
    """Gives the same task back whenever it is asked."""

    def pool(self, job):
        return FirstAgain(job)


class FirstAgain(InThisProcess):
    def wait(self):
        task = self.begun[0]
        return task, self.job.perform(task)
