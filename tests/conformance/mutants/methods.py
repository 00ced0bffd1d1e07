"""A healthy method, and others that do one thing wrong each."""

import os
import subprocess
import sys
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from bench.contracts import ColorDistribution, Method, SampleSet
from bench.seeds import normal


class Tint(ColorDistribution):
    """Field: the photograph's lightness as a colour, and one normal tint of the whole picture."""

    def __init__(self, base, deviation, seeds):
        self.base, self.deviation, self.seeds = base, deviation, seeds

    def noise(self, n):
        return normal(self.seeds, (n, 2))

    def sample(self, n):
        return SampleSet(self.fields(self.noise(n)), "iid", n_drawn=n)

    def fields(self, noise):
        return self.base[:, None] + (self.deviation * noise)[..., None, None]

    def present(self, k):
        return self.sample(k)

    def mean(self):
        return self.base


class Healthy(Method):
    law = Tint

    def __init__(self, *, spread, flavour):
        self.spread, self.flavour = spread, flavour

    def fit(self, train, context):
        tints = torch.from_numpy(train.ab.mean(axis=(2, 3)))
        self.deviation = tints.std(0) * (1 + 0.1 * normal([context.seed], (2,))[0])
        context.notes["deviation"] = self.deviation.tolist()

    def save(self, folder):
        save_file({"deviation": self.deviation}, folder / "tint.safetensors")

    def load(self, folder, context):
        self.deviation = load_file(folder / "tint.safetensors")["deviation"]

    def predict(self, grey, seeds):
        return self.law(self.base(grey), self.spread * self.deviation, seeds)

    def base(self, grey):
        small = torch.nn.functional.adaptive_avg_pool2d(grey - 50, 64) / 2
        return small.expand(-1, 2, -1, -1).clone()


def with_law(name, **methods):
    """A method whose distribution has other methods."""
    return type(name, (Healthy,), {"law": type(f"{name}Law", (Tint,), methods)})


class NotAMethod:
    pass


class Unfinished(Method):
    def predict(self, grey, seeds): ...


class ReadsInConstructor(Healthy):
    def __init__(self, *, spread, flavour):
        super().__init__(spread=spread, flavour=flavour)
        with open(__file__) as file:
            file.read(1)


class BuildsInConstructor(Healthy):
    def __init__(self, *, spread, flavour):
        super().__init__(spread=spread, flavour=flavour)
        self.layer = torch.nn.Identity()


class RollsInConstructor(Healthy):
    def __init__(self, *, spread, flavour):
        super().__init__(spread=spread, flavour=flavour)
        torch.rand(1)


class ForgetsParameter(Healthy):
    def __init__(self, *, spread, flavour):
        self.spread = spread


class LacksParameter(Healthy):
    def __init__(self, *, spread):
        super().__init__(spread=spread, flavour="plain")


class JudgesInConstructor(Healthy):
    def __init__(self, *, spread, flavour):
        super().__init__(spread=spread, flavour=flavour)
        if flavour == "bitter":
            raise ValueError("not that one")


class SaysFalse(Healthy):
    def incompatible(self, dataset, count):
        return False


class RaisesInFit(Healthy):
    def fit(self, train, context):
        raise RuntimeError("no")


class NeverEnds(Healthy):
    def fit(self, train, context):
        while True:
            time.sleep(1)


class Dies(Healthy):
    def fit(self, train, context):
        os._exit(9)


class OddNotes(Healthy):
    def fit(self, train, context):
        super().fit(train, context)
        context.notes["loss"] = np.float32(3)


class WantsMany(Healthy):
    def incompatible(self, dataset, count):
        return "it needs a thousand photographs" if count < 1000 else None


class RaisesInPredict(Healthy):
    def predict(self, grey, seeds):
        raise RuntimeError("no")


class Infinite(Healthy):
    def base(self, grey):
        made = super().base(grey)
        made[0, 0, 0, 0] = float("nan")
        return made


class Scaled(Healthy):
    def base(self, grey):
        return 255 * super().base(grey)


class ChangesGrey(Healthy):
    def base(self, grey):
        grey -= 50
        return super().base(grey + 50)


class SeedsTorch(Healthy):
    def fit(self, train, context):
        torch.manual_seed(context.seed)
        super().fit(train, context)


class RollsNumpy(Healthy):
    def predict(self, grey, seeds):
        np.random.rand()  # noqa: NPY002
        return super().predict(grey, seeds)


class SetsThreads(Healthy):
    def fit(self, train, context):
        torch.set_num_threads(3)
        super().fit(train, context)


class SetsThreadsLater(Healthy):
    def predict(self, grey, seeds):
        torch.set_num_threads(3)
        return super().predict(grey, seeds)


class ByPlace(Healthy):
    def base(self, grey):
        return super().base(grey) + torch.arange(len(grey))[:, None, None, None]


class ByBatch(Healthy):
    def base(self, grey):
        return super().base(grey) - grey.mean() / 10


def modes(self, k, **given):
    """The middle and one deviation to either side, with weights."""
    fields = self.fields(
        torch.tensor([0.0, 1.0, -1.0]).repeat(len(self.base), 1)[:, :k, None].expand(-1, -1, 2)
    )
    return SampleSet(fields, "modes", torch.full(fields.shape[:2], 1.0), n_drawn=k)


def called(kind, n_drawn=0):
    def present(self, k):
        return SampleSet(self.fields(self.noise(k)), kind, n_drawn=n_drawn or k)

    return present


def mirrored(self, n):
    made = normal(self.seeds, (n, 2))
    made[:, 1::2] = -made[:, : n - n % 2 : 2]
    return made


def clustered(self, n):
    return 0.6 * normal(self.seeds, (n, 2)) + 0.8 * normal(
        [seed ^ 1 for seed in self.seeds], (1, 2)
    )


def same_size(self, n):
    """Uncorrelated, but all draws of a photograph are as far from the middle as one another."""
    direction = torch.nn.functional.normalize(normal(self.seeds, (n, 2)), dim=-1)
    return direction * normal([seed ^ 1 for seed in self.seeds], (1, 2))[..., :1].abs()


def repelled(self, n):
    """Pushed away from the draws before, which copies share."""
    made = normal(self.seeds, (n, 2))
    if n == 1:
        before = self.__dict__.setdefault("before", [])
        made = made - (0.5 * before[-1] if before else 0)
        before.append(made)
    return made


def share_before(self, seeds):
    self.__dict__.setdefault("before", [])
    return ColorDistribution.reseeded(self, seeds)


def unseeded(self, n):
    generator = torch.Generator()
    generator.seed()
    return torch.randn((len(self.seeds), n, 2), generator=generator)


Doubles = with_law("Doubles", fields=lambda self, noise: Tint.fields(self, noise).double())
Small = with_law("Small", fields=lambda self, noise: Tint.fields(self, noise)[..., ::2, ::2])
OneTooMany = with_law(
    "OneTooMany",
    sample=lambda self, n: Tint.sample(self, n + 1),
    present=lambda self, k: Tint.sample(self, k),
)
HeavyWeights = with_law("HeavyWeights", present=modes)
Forgetful = with_law("Forgetful", noise=unseeded)
SeedBlind = with_law("SeedBlind", noise=lambda self, n: normal([0] * len(self.seeds), (n, 2)))
NoPrefix = with_law("NoPrefix", noise=lambda self, n: normal(self.seeds, (2, n)).transpose(1, 2))
Repelled = with_law("Repelled", noise=repelled, reseeded=share_before)
Mirrored = with_law("Mirrored", noise=mirrored)
Clustered = with_law("Clustered", noise=clustered)
Widening = with_law(
    "Widening", noise=lambda self, n: normal(self.seeds, (n, 2)) * (1 + torch.arange(n)[:, None])
)
SameSize = with_law("SameSize", noise=same_size)
DrawsAsModes = with_law("DrawsAsModes", present=called("modes"))
WrongName = with_law("WrongName", present=called("modes"))
SeveralPoints = with_law("SeveralPoints", present=called("point"))
FewDrawn = with_law("FewDrawn", present=called("centroids"))


class AtRandom(Healthy):
    def fit(self, train, context):
        super().fit(train, context)
        self.deviation = self.deviation * (1 + os.urandom(1)[0] / 100)


class Pickles(Healthy):
    def save(self, folder):
        torch.save(self.deviation, folder / "tint.pt")

    def load(self, folder, context):
        self.deviation = torch.load(folder / "tint.pt")


class Renamed(Pickles):
    def save(self, folder):
        torch.save(self.deviation, folder / "tint.safetensors")


class ForgetsToLoad(Healthy):
    def load(self, folder, context):
        self.deviation = torch.ones(2)


KEPT = {}


class KeptInMemory(Healthy):
    def fit(self, train, context):
        super().fit(train, context)
        KEPT.setdefault("deviation", self.deviation)

    def load(self, folder, context):
        self.deviation = KEPT["deviation"]


class LeavesDaemon(Healthy):
    def fit(self, train, context):
        if "BENCH_CHECK_TOKEN" in os.environ:  # elsewhere only: nothing is left of the tests
            sleep = [sys.executable, "-c", "import time; time.sleep(1800)"]
            subprocess.Popen(sleep, start_new_session=True)  # first: the fit is killed half way
        super().fit(train, context)
