"""Speed as ratios measured in one run. Absolute times on shared machines mean little.

python benchmarks/ratios.py [--quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from measure import machine, ratio, seconds, spread, table
from sklearn.cluster import KMeans

from bench.machine import threads
from bench.methods.cvae_model import AT_ONCE, _centroids
from bench.methods.nets.encoder_decoder import Decoder
from bench.methods.nets.fast_decoder import PhasedDecoder
from bench.methods.nets.presets import PRESETS

Pair = tuple[Callable[[], object], Callable[[], object]]


def main() -> None:
    """Print how many times as fast the second of each pair is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small networks, nothing compiled, 1 turn: to see that it works",
    )
    quick = parser.parse_args().quick
    torch.set_num_threads(threads.cores())
    cases = {
        "decoder's training step, small: channels first / last": layouts("small"),
        **(
            {}
            if quick
            else {"decoder's training step, paper: channels first / last": layouts("paper")}
        ),
        "drawing, small: two steps / in phases": drawing(PhasedDecoder),
        **({} if quick else {"drawing, small: two steps / torch.compile": drawing(torch.compile)}),
        "k-means of 256 draws: raw vectors / Gram coordinates": clustering(),
    }
    rows = []
    for name, (slow, fast) in cases.items():
        seconds(slow)
        first = seconds(fast)
        rows.append([name, spread(ratio(slow, fast, 1 if quick else 5)), f"{first:.1f}"])
    print(machine(), end="\n\n")
    print(table(["what", "times as fast", "first call, s"], rows))


def layouts(preset: str) -> Pair:
    """A forward and backward pass over as many codes as a training batch has."""

    def step(layout: torch.memory_format) -> Callable[[], object]:
        network = Decoder(64, PRESETS[preset]).to(memory_format=layout)  # type: ignore[call-overload]
        code = torch.randn(AT_ONCE, 64)
        return lambda: network(code).square().mean().backward()

    return step(torch.contiguous_format), step(torch.channels_last)


def drawing(other: Callable[[Decoder], Callable[[torch.Tensor], torch.Tensor]]) -> Pair:
    """Decoding without gradients, by the decoder and by what is made of it."""
    network = Decoder(64, PRESETS["small"]).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    made, code = other(network), torch.randn(AT_ONCE, 64)

    def without_gradients(function: Callable[[torch.Tensor], torch.Tensor]) -> object:
        with torch.inference_mode():
            return function(code)

    return lambda: without_gradients(network), lambda: without_gradients(made)


def clustering() -> Pair:
    """Draws as a decoder makes them: few directions."""
    rng = np.random.default_rng(0)
    draws = (rng.normal(size=(256, 64)) @ rng.normal(size=(64, 8192))).astype(np.float32)
    return lambda: KMeans(5, n_init=10, random_state=0).fit(draws), lambda: _centroids(draws, 5, 0)


if __name__ == "__main__":
    main()
