"""Independent implementations of some built-in metrics, for `check_metric(..., reference=)`, and
files for those that need one."""

import itertools

import numpy as np
import scoringrules
import torch
from scipy.stats import entropy
from skimage.metrics import peak_signal_noise_ratio
from torch import nn

from bench.colour import lab_to_rgb
from bench.contracts.colour_weights import nearest_bin


def numbers(samples, truth, context):
    """Fields in float64 at the scale: `(B, k, 2, h, w)` and `(B, 1, 2, h, w)`."""
    return (x.numpy().astype(np.float64) / context.scale for x in (samples.ab, truth[:, None]))


def shares(samples):
    return (
        np.full(samples.ab.shape[:2], 1 / samples.ab.shape[1])
        if samples.weights is None
        else samples.weights.double().numpy()
    )


def absolute_error(samples, truth, context):
    ab, true = numbers(samples, truth, context)
    each = abs(ab - true).sum(2).mean((2, 3))
    return {"sum": each.mean(1), "mean": each.mean(1) / 2}


def error_of_best(samples, truth, context):
    ab, true = numbers(samples, truth, context)
    return {
        "sum": [
            min(abs(field - t[0]).sum(0).mean() for field in fields) for fields, t in zip(ab, true)
        ]
    }


def energy(**given):
    def reference(samples, truth, context):
        ab, true = (x.reshape(*x.shape[:2], -1) for x in numbers(samples, truth, context))
        weights = {} if given else {"ens_w": shares(samples)}
        return {
            "field": scoringrules.es_ensemble(true[:, 0], ab, backend="numpy", **given, **weights)
            / ab.shape[-1] ** 0.5
        }

    return reference


def crps(samples, truth, context):
    ab, true = numbers(samples, truth, context)
    found = scoringrules.crps_ensemble(true[:, 0], ab, m_axis=1, estimator="fair", backend="numpy")
    return {
        "ab": found.mean((1, 2, 3)),
        "a": found[:, 0].mean((1, 2)),
        "b": found[:, 1].mean((1, 2)),
    }


def variance(samples, truth, context):
    ab, _ = numbers(samples, truth, context)
    return {"ab": ab.var(1).mean((1, 2, 3))}


def pairwise(samples, truth, context):
    ab, _ = numbers(samples, truth, context)
    values = []
    for fields, w in zip(ab, shares(samples)):
        pairs = list(itertools.combinations(range(len(fields)), 2))
        both = [w[i] * w[j] for i, j in pairs]
        distances = [np.sqrt(((fields[i] - fields[j]) ** 2).sum(0)).mean() for i, j in pairs]
        values.append(np.average(distances, weights=both) if pairs else 0.0)
    return {"ab": values}


def psnr(samples, truth, context):
    light = context.grey[:, 0].double().unfold(1, 4, 4).unfold(2, 4, 4).mean((-1, -2))
    values = []
    for plane, fields, true, w in zip(light, samples.ab.double(), truth.double(), shares(samples)):
        picture = lab_to_rgb(plane, true).numpy()
        each = [
            peak_signal_noise_ratio(picture, lab_to_rgb(plane, field).numpy(), data_range=1)
            for field in fields
        ]
        values.append((w * each).sum())
    return {"mean-of-n": values}


def truth_entropy(samples, truth, context):
    return {
        "truth": [
            entropy(np.bincount(b.flatten(), minlength=313), base=2)
            for b in nearest_bin(truth).numpy()
        ]
    }


REFERENCES = {
    "absolute-error": absolute_error,
    "error-of-best": error_of_best,
    "energy-score": energy(),
    "variance": variance,
    "fair-energy-score": energy(estimator="fair"),
    "fair-crps": crps,
    "pairwise-distance": pairwise,
    "psnr": psnr,
    "colour-entropy": truth_entropy,
}

ALEXNET = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
"""Convolutions of torchvision's `alexnet().features`: place, and (out, in, side)."""


def write_alexnet(path):
    """A random backbone."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for place, (out, into, side) in ALEXNET.items():
        scale = (2 / (into * side * side)) ** 0.5
        state[f"features.{place}.weight"] = scale * torch.randn(
            out, into, side, side, generator=generator
        )
        state[f"features.{place}.bias"] = torch.zeros(out)
    torch.save(state, path)


class Pooled(nn.Module):
    """Features: the picture on 2x2 points."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(pictures.float(), 2).flatten(1)
