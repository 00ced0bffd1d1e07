"""How near networks come to the machine's matrix products, and how much faster they are than a
straightforward version.

    python benchmarks/networks.py [--preset paper] [--device cpu] [--batch 32] [--turns 3] [--only WORD] [--json FILE] [--quick]

The straightforward version is the same layers in float32 and channels first, all draws of a
photograph decoded at once, scikit-learn's k-means on the fields. Everything that is compared takes
turns in this process. The share is the time that the multiplications of the straightforward version
would take as products of large square matrices in the same number format, over the time taken; it
may be over 100 %, since drawing makes fewer (`bench.methods.nets.fast_decoder`): the second share counts those
made. Where the device does not compute with bfloat16, those rows say so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import in_turns, machine, quotients, spread, table
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from bench.extend.precision import Network, channels_last, with_precision
from bench.machine import precision, threads
from bench.methods import cvae_model, mdn_model, vae_model, zhang_model
from bench.methods.nets.encoder_decoder import SCALE, Decoder
from bench.methods.nets.fast_decoder import PhasedDecoder
from bench.methods.nets.losses import DecoderLoss, LossChoice
from bench.methods.nets.presets import PRESETS, Preset
from bench.methods.nets.trunk import Trunk
from bench.methods.nets.zhang import BINS, ZhangNet

D, COMPONENTS, DRAWS, K = 128, 8, 256, 5
FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Learner = tuple[nn.Module, dict[str, Tensor]]
"""What a method minimises, and a batch for it."""
ABSENT = "not on this machine"
PRODUCTS = 5
"""Matrix products, or batches to decode, that are timed as one."""


PACKED = {
    torch.ops.mkldnn._convolution_pointwise: lambda x, kernel, *_, out_shape, **__: conv_flop_count(
        x, kernel, out_shape
    )
}
"""How the multiplications of convolutions with packed kernels are counted, which PyTorch does not
know."""


@dataclass(frozen=True)
class Bench:
    """What the cases share. name: of the preset. size: photographs in a training batch; side: rows
    of the matrices whose product is timed."""

    name: str
    preset: Preset
    device: str
    turns: int
    size: int
    side: int

    @property
    def few(self) -> int:
        """Photographs in a batch of Zhang's network, whose multiplications are some thirty times
        those of the others."""
        return max(1, self.size // 8)

    def put(self, network: Network, plain: bool = False) -> Network:
        """A network where the case runs, laid out as the methods do it, or plainly."""
        return network.to(self.device) if plain else channels_last(network, self.device)

    def random(self, *shape: int) -> Tensor:
        """Normal numbers."""
        return torch.randn(shape, device=self.device)

    def rest(self, function: Callable[[], object]) -> None:
        """Call a function, and wait until the device is at rest."""
        function()
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)


def main() -> None:
    """Print a table; write its numbers as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, default="paper")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=32, help="photographs of a training step")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default="", metavar="WORD", help="rows whose name has this word")
    parser.add_argument("--json", type=Path, help="file for every turn's numbers")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="tiny networks, batches of 2, 1 turn: to see that it works",
    )
    asked = parser.parse_args()
    if asked.quick:
        asked.preset, asked.batch, asked.turns = "tiny", 2, 1
    torch.manual_seed(0)
    torch.set_num_threads(threads.cores())
    bench = Bench(
        asked.preset,
        PRESETS[asked.preset],
        asked.device,
        asked.turns,
        asked.batch,
        256 if asked.quick else 4096,
    )
    found = {}
    for kind in FORMATS:
        for name, case in cases(kind).items():
            if asked.only in name:
                print(name, file=sys.stderr, flush=True)
                found[name] = (
                    case(bench, kind)
                    if kind == "float32" or precision.has_bfloat16(asked.device)
                    else {}
                )
    where = (
        torch.cuda.get_device_name(asked.device) if asked.device.startswith("cuda") else machine()
    )
    print(
        f"{where}; preset {asked.preset}, batches of {bench.size}, torch {torch.__version__}",
        end="\n\n",
    )
    print(
        table(
            [
                "what",
                "share, %",
                "of those made, %",
                "a second",
                "times as fast as straightforward",
            ],
            [[name, *columns(values)] for name, values in found.items()],
        )
    )
    if asked.json:
        asked.json.write_text(
            json.dumps({"machine": where, "preset": asked.preset, "found": found}, indent=1)
        )


def cases(kind: str) -> dict[str, Callable[[Bench, str], dict[str, list[float]]]]:
    """What is measured in a number format, by the name of its row."""
    steps = {"VAE": vae_objective, "MDN": mdn_objective, "Zhang": zhang_objective}
    return {
        f"decoding {cvae_model.AT_ONCE} codes, {kind}": decoding,
        f"CVAE, {K} of {DRAWS} draws, {kind}": presenting,
        **{
            f"training step of {name}, {kind}": partial(training, make)
            for name, make in steps.items()
        },
    }


def columns(values: dict[str, list[float]]) -> list[str]:
    """A row's cells: shares, of all multiplications and of those made, photographs (or codes) a
    second, times as fast."""
    if not values:
        return [ABSENT] * 4
    shares = [spread([100 * v for v in values[name]], 0) for name in ("share", "made")]
    return [*shares, spread(values["rate"], 2), spread(values["ratio"])]


def decoding(bench: Bench, kind: str) -> dict[str, list[float]]:
    """The decoder alone, on several batches, as it is used; the rate is of codes."""
    network, plain = drawing_and_plain(bench, D)
    codes = bench.random(PRODUCTS, cvae_model.AT_ONCE, D)
    return compare(
        bench,
        kind,
        lambda: [with_precision(kind, network, code) for code in codes],
        lambda: [plain(code) for code in codes],
        len(codes) * cvae_model.AT_ONCE,
    )


def presenting(bench: Bench, kind: str) -> dict[str, list[float]]:
    """One photograph's colourizations of the CVAE, from its grey code."""
    network, plain = drawing_and_plain(bench, 2 * D)
    grey_code = bench.random(1, D)

    def decode(code: Tensor, grey_code: Tensor) -> Tensor:
        return with_precision(kind, network, torch.cat([code, grey_code], dim=1))

    def straightforward() -> np.ndarray:
        fields = (
            plain(torch.cat([bench.random(DRAWS, D), grey_code.expand(DRAWS, D)], dim=1)) * SCALE
        )
        return (
            KMeans(K, n_init=10, random_state=0)
            .fit(fields.flatten(1).cpu().numpy())
            .cluster_centers_
        )

    law = cvae_model.CvaeDistribution(decode, grey_code, [0], DRAWS)
    return compare(bench, kind, lambda: law.present(K), straightforward, 1)


def compare(
    bench: Bench,
    kind: str,
    ours: Callable[[], object],
    plain: Callable[[], object],
    count: int,
    gradients: bool = False,
) -> dict[str, list[float]]:
    """Shares of the rate of matrix products, things a second and times as fast as `plain`, one of
    each a turn."""
    square = bench.random(bench.side, bench.side).to(FORMATS[kind])
    product = torch.empty_like(
        square
    )  # in memory that is there: fresh memory costs a matrix product a fifth of its time

    def products() -> None:
        for _ in range(PRODUCTS):
            torch.mm(square, square, out=product)

    with torch.inference_mode(not gradients):
        made, counted = (
            _multiplications(ours),
            _multiplications(plain),
        )  # once before the clock runs, too
        found = in_turns(
            {
                "plain": lambda: bench.rest(plain),
                "ours": lambda: bench.rest(ours),
                "products": lambda: bench.rest(products),
            },
            bench.turns,
        )
    unit = [seconds / (PRODUCTS * 2 * bench.side**3) for seconds in found["products"]]
    own = found["ours"]
    return {
        "share": quotients([counted * u for u in unit], own),
        "made": quotients([made * u for u in unit], own),
        "rate": [count / s for s in own],
        "ratio": quotients(found["plain"], own),
    }


def _multiplications(function: Callable[[], object]) -> int:
    """Multiplications and additions of matrix products and convolutions."""
    with FlopCounterMode(display=False, custom_mapping=PACKED) as counter:
        function()
    return int(counter.get_total_flops())


def drawing_and_plain(bench: Bench, d: int) -> tuple[PhasedDecoder, nn.Module]:
    """A decoder as methods draw with it, and one with channels first."""
    ours, plain = (Decoder(d, bench.preset).eval() for _ in range(2))
    return PhasedDecoder(bench.put(ours)), bench.put(plain, plain=True)


def training(
    make: Callable[[Bench, bool, str], Learner], bench: Bench, kind: str
) -> dict[str, list[float]]:
    """Steps of Adam on one batch; the rate is of photographs."""
    ours = step(
        *make(bench, False, kind),
        torch.autocast(bench.device.partition(":")[0], torch.bfloat16, kind == "bfloat16"),
    )
    plain = step(
        *make(bench, True, "float32"), torch.autocast(bench.device.partition(":")[0], enabled=False)
    )
    return compare(
        bench,
        kind,
        ours,
        plain,
        bench.few if make is zhang_objective else bench.size,
        gradients=True,
    )


def step(
    objective: nn.Module, batch: dict[str, Tensor], autocast: AbstractContextManager[object]
) -> Callable[[], None]:
    """A training step."""
    optimizer = torch.optim.Adam(objective.parameters(), 1e-4)

    def run() -> None:
        optimizer.zero_grad()
        with autocast:
            loss = objective(batch)["loss"]
        loss.backward()
        optimizer.step()

    return run


def vae_objective(bench: Bench, plain: bool, kind: str) -> Learner:
    """The VAE with squared differences as its loss."""
    network = vae_model._Network(D, bench.name, 0.3)
    loss = DecoderLoss(LossChoice("l2", "root", 0.1, 0.001, 0.5, "mean"), None, None)
    return vae_model._Objective(bench.put(network, plain), loss, 1.0), {
        "ab": 20 * bench.random(bench.size, 2, 64, 64)
    }


def mdn_objective(bench: Bench, plain: bool, kind: str) -> Learner:
    """The MDN on features, as the method holds it."""
    shape = (
        bench.preset.channels(512),
        bench.preset.feature_grey // 8,
        bench.preset.feature_grey // 8,
    )
    trunk = Trunk(shape, COMPONENTS * (D + 1), bench.preset, 0.25)
    network = mdn_model._Network(trunk, COMPONENTS, D, 1.0).to(bench.device)
    batch = {
        "features": bench.random(bench.size, *shape),
        "mean": bench.random(bench.size, D),
        "deviation": torch.ones(bench.size, D, device=bench.device),
    }
    return mdn_model._Objective(network, "min"), batch  # channels first in both


def zhang_objective(bench: Bench, plain: bool, kind: str) -> Learner:
    """Zhang's network; its loss is the same in both."""
    network = bench.put(ZhangNet(bench.preset), plain)
    objective = zhang_model._Objective(network, np.ones(BINS), mirror=False).to(bench.device)
    return objective, {
        "grey": 50 + 20 * bench.random(bench.few, 1, bench.preset.grey, bench.preset.grey),
        "ab": 20 * bench.random(bench.few, 2, 64, 64),
    }


if __name__ == "__main__":
    main()
