"""A healthy metric, and others that do one thing wrong each."""

import numpy as np
import torch

from bench.contracts import Metric, Score
from bench.errors import BenchError


class HealthyError(Metric):
    """Mean absolute error, weighted."""

    def score(self, samples, truth, context):
        return [Score("error", "all", self.values(samples, truth, context).numpy())]

    def values(self, samples, truth, context):
        return self.mean(samples, self.error(samples, truth).mean((2, 3, 4)))

    def error(self, samples, truth):
        return (samples.ab.double() - truth.double()[:, None]).abs()

    def mean(self, samples, each):
        weights = (
            torch.full_like(each, 1 / each.shape[1])
            if samples.weights is None
            else samples.weights.double()
        )
        return (each * weights).sum(1)


class NeedsFile(HealthyError):
    def __init__(self):
        raise BenchError("it needs a file")


class NoSingles(HealthyError):
    def mean(self, samples, each):
        if each.shape[1] == 1:
            raise ValueError("one sample is not enough")
        return super().mean(samples, each)


class Undeclared(HealthyError):
    def score(self, samples, truth, context):
        return [
            *super().score(samples, truth, context),
            Score("other", "all", np.zeros(len(truth))),
        ]


class Sometimes(HealthyError):
    def score(self, samples, truth, context):
        more = [Score("several", "all", np.zeros(len(truth)))] if len(truth) > 3 else []
        return [*super().score(samples, truth, context), *more]


class NeedsTwo(HealthyError):
    def mean(self, samples, each):
        return super().mean(samples, each) * (1 if each.shape[1] > 1 else float("nan"))


class InPlace(HealthyError):
    def error(self, samples, truth):
        return samples.ab.sub_(truth[:, None]).abs_().double()


class SeedsNumpy(HealthyError):
    def values(self, samples, truth, context):
        np.random.seed(0)  # noqa: NPY002
        return super().values(samples, truth, context)


class Noisy(HealthyError):
    def values(self, samples, truth, context):
        generator = torch.Generator()
        generator.seed()
        return super().values(samples, truth, context) + 0.01 * torch.rand(
            len(truth), generator=generator
        )


class SpoilsShared(HealthyError):
    def values(self, samples, truth, context):
        error = context.once("mutant-error", lambda: self.error(samples, truth))
        found = self.mean(samples, error.mean((2, 3, 4)))
        error.sqrt_()
        return found


class FirstOnly(HealthyError):
    def mean(self, samples, each):
        return each[:, 0]


class OfTheBatch(HealthyError):
    def values(self, samples, truth, context):
        return super().values(samples, truth, context) + truth.abs().mean()


class NoCards(HealthyError):
    def values(self, samples, truth, context):
        if bool((truth == 0).flatten(1).all(1).any()):
            raise ZeroDivisionError("a photograph without colour")
        return super().values(samples, truth, context)


class SkipsNan(HealthyError):
    def values(self, samples, truth, context):
        return self.mean(samples, self.error(samples, truth).flatten(2).nanmean(2))


class Half(HealthyError):
    def values(self, samples, truth, context):
        return super().values(samples, truth, context) / 2
