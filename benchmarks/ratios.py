"""Speed as ratios measured in one run: `python benchmarks/ratios.py`. Absolute times on shared machines mean little."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.cluster import KMeans

from bench.methods.colour_nets import Decoder
from bench.methods.cvae_model import _centroids
from bench.methods.presets import PRESETS

REPEATS = 5


def ratio(slow: Callable[[], object], fast: Callable[[], object]) -> tuple[float, float, float]:
    """Median, smallest and largest of slow / fast over interleaved repeats."""
    ratios = [seconds(slow) / seconds(fast) for _ in range(REPEATS)]
    return statistics.median(ratios), min(ratios), max(ratios)


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def decoder_step(channels_last: bool) -> Callable[[], object]:
    """A forward and backward pass of the small decoder over 32 codes."""
    torch.manual_seed(0)
    network, code = Decoder(64, PRESETS["small"]), torch.randn(32, 64)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return lambda: network(code).square().mean().backward()

    def contiguous() -> None:
        hidden = code[:, :, None, None]
        for factor, layers in zip((4, 2, 2, 2), network.blocks, strict=True):
            hidden = layers(torch.nn.functional.interpolate(hidden, scale_factor=factor, mode="bilinear"))
        hidden = torch.nn.functional.interpolate(hidden, scale_factor=2, mode="bilinear")
        network.last(hidden).tanh().square().mean().backward()

    return contiguous


def main() -> None:
    """Print the ratios."""
    rng = np.random.default_rng(0)
    draws = (rng.normal(size=(256, 64)) @ rng.normal(size=(64, 8192))).astype(np.float32)
    cases = {
        "decoder step: contiguous / channels-last": (decoder_step(False), decoder_step(True)),
        "k-means of 256 draws: raw vectors / Gram coordinates": (
            lambda: KMeans(5, n_init=10, random_state=0).fit(draws),
            lambda: _centroids(draws, 5, 0),
        ),
    }
    for name, (slow, fast) in cases.items():
        seconds(slow), seconds(fast)
        print("{}: {:.1f} ({:.1f} to {:.1f})".format(name, *ratio(slow, fast)))


if __name__ == "__main__":
    main()
