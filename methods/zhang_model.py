"""Training Zhang's network, drawing from its per-pixel distributions, and its features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.contracts import ColorDistribution, FitContext, Method, PreparedSet, SampleSet
from bench.contracts.colour_weights import bin_centres, nearest_bin
from bench.errors import BenchError
from bench.extend import (
    Schedule,
    channels_last,
    load_weights,
    save_weights,
    seeded,
    train,
    with_precision,
)
from bench.seeds import uniform

from .nets.presets import PRESETS, steps
from .nets.zhang import BINS, ZhangNet, shrink
from .zhang import STEPS

NEIGHBOURS, SIGMA = 10, 5.0
"""Soft encoding: the ten nearest bins with a Gaussian of 5."""


class Zhang(Method):
    """The ECCV16 network, trained from scratch on soft-encoded colours with class rebalancing."""

    def __init__(
        self,
        *,
        preset: str,
        temperature: float,
        mean_temperature: float,
        rebalance: float,
        mirror: bool,
        weights: str | None,
        steps: int | str,
        rate: float,
        batch: int,
    ) -> None:
        self.preset, self.temperature, self.mean_temperature = preset, temperature, mean_temperature
        self.rebalance, self.mirror, self.weights = rebalance, mirror, weights
        self.steps, self.rate, self.batch = steps, rate, batch

    @property
    def feature_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of `features`."""
        side = PRESETS[self.preset].feature_grey // 8
        return self.network.feature_channels, side, side

    def incompatible(self, dataset: str, count: int) -> str | None:
        return "zhang needs at least 4 training photographs" if count < 4 else None

    def fit(self, train_set: PreparedSet, context: FitContext) -> None:
        self.precision = context.precision
        with seeded(context.seed):
            self._build(context.device)
        if self.weights:
            self._read_release(context)
            return
        prior = soft_prior(train_set, context.seed)
        objective = _Objective(self.network, rebalancing(prior, self.rebalance), self.mirror)
        schedule = Schedule(
            steps(self.steps, STEPS, self.preset),
            self.rate,
            self.batch,
            betas=(0.9, 0.99),
            weight_decay=1e-3,
        )
        side = PRESETS[self.preset].grey

        def fetch(rows: np.ndarray) -> dict[str, Tensor]:
            return {"grey": shrink(train_set.grey(rows), side), "ab": train_set.truth(rows)}

        train(objective, fetch, len(train_set), schedule, context, "zhang")

    def save(self, folder: Path) -> None:
        save_weights(folder, self.network)

    def load(self, folder: Path, context: FitContext) -> None:
        self.precision = context.precision
        self._build(context.device)
        load_weights(folder, self.network, context.device)

    @torch.inference_mode()
    def predict(self, grey: Tensor, seeds: Sequence[int]) -> PixelDistribution:
        logits = with_precision(
            self.precision, self.network, shrink(grey.to(self.device), PRESETS[self.preset].grey)
        )
        logits = functional.interpolate(logits, size=(64, 64), mode="bilinear", align_corners=False)
        return PixelDistribution(logits, seeds, self.temperature, self.mean_temperature)

    @torch.inference_mode()
    def features(self, grey: Tensor) -> Tensor:
        """conv7 features `(B, *feature_shape)`."""
        return with_precision(
            self.precision,
            self.network.conv7,
            shrink(grey.to(self.device), PRESETS[self.preset].feature_grey),
        )

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def _build(self, device: str) -> None:
        self.network = channels_last(ZhangNet(PRESETS[self.preset]), device)

    def _read_release(self, context: FitContext) -> None:
        if self.preset != "paper":
            raise BenchError(f"zhang: weights={self.weights} needs preset=paper, not {self.preset}")
        from .zhang_weights import read_release

        read_release(Path(str(self.weights)), self.network)
        self.network.to(context.device).eval()
        context.notes["weights"] = Path(str(self.weights)).name


class PixelDistribution(ColorDistribution):
    """Independent distributions over the 313 colours; logits `(B, 313, 64, 64)`."""

    def __init__(
        self, logits: Tensor, seeds: Sequence[int], temperature: float, mean_temperature: float
    ) -> None:
        self.logits, self.seeds = logits, seeds
        self.temperature, self.mean_temperature = temperature, mean_temperature
        self.centres = torch.from_numpy(bin_centres()).to(logits.device)
        self.quantiles = Quantiles(logits, temperature)  # shared by all that are made by `reseeded`

    def sample(self, n: int) -> SampleSet:
        """n fields, every pixel drawn on its own by inverting its distribution function."""
        numbers = uniform(self.seeds, (n, *self.logits.shape[2:])).to(self.logits.device)
        return SampleSet(self.quantiles(numbers), "iid", n_drawn=n)

    def present(self, k: int) -> SampleSet:
        """k draws."""
        return self.sample(k)

    def mean(self) -> Tensor:
        """Annealed mean `(B, 2, 64, 64)`: the expectation at a low temperature (T = 0.38)."""
        return torch.einsum(
            "bqhw,qc->bchw", (self.logits / self.mean_temperature).softmax(1), self.centres
        )

    def mode(self) -> Tensor:
        """The most likely colour of every pixel `(B, 2, 64, 64)`."""
        return self.centres[self.logits.argmax(1)].permute(0, 3, 1, 2)

    @torch.inference_mode()
    def log_prob(self, ab: Tensor) -> Tensor:
        """Log probability `(B,)`, in nats, of each pixel's nearest bin, summed over the pixels."""
        index = nearest_bin(ab.to(self.logits.device))[:, None]
        return (
            (self.logits / self.temperature)
            .log_softmax(1)
            .gather(1, index)
            .double()
            .flatten(1)
            .sum(1)
        )


class Quantiles:
    """Colours of numbers in [0, 1): every pixel's distribution function over the bins, inverted.

    order: along which bins the distribution function grows `(313,)`; their own, by a and then b,
    unless given.
    """

    def __init__(self, logits: Tensor, temperature: float, order: np.ndarray | None = None) -> None:
        self.logits, self.temperature = logits, temperature
        self.order = torch.from_numpy(np.arange(BINS) if order is None else order).to(logits.device)
        self.colours = torch.from_numpy(bin_centres()).to(logits.device)[self.order]

    @torch.inference_mode()
    def __call__(self, numbers: Tensor) -> Tensor:
        """Colours `(B, n, 2, h, w)` of numbers `(B, n, h, w)`."""
        scaled = numbers.permute(0, 2, 3, 1).contiguous() * self._cumulative[..., -1:]
        index = torch.searchsorted(self._cumulative, scaled, right=True).clamp_max(BINS - 1)
        return self.colours[index].permute(0, 3, 4, 1, 2).contiguous()

    @cached_property
    def _cumulative(self) -> Tensor:
        """`(B, h, w, 313)`, made once for all draws."""
        share = (self.logits / self.temperature).softmax(1)[:, self.order]
        return share.permute(0, 2, 3, 1).cumsum(-1).contiguous()


class _Objective(nn.Module):
    factor: Tensor
    centres: Tensor

    def __init__(self, network: ZhangNet, factor: np.ndarray, mirror: bool) -> None:
        super().__init__()
        self.network, self.mirror = network, mirror
        self.register_buffer(
            "factor", torch.from_numpy(factor.astype(np.float32)), persistent=False
        )
        self.register_buffer("centres", torch.from_numpy(bin_centres()), persistent=False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        grey, ab = batch["grey"], batch["ab"]
        if self.mirror and self.training and float(torch.rand(())) < 0.5:
            grey, ab = grey.flip(-1), ab.flip(-1)
        logits = self.network(
            grey
        ).float()  # the loss is taken in float32, whatever the network computes with
        step = ab.shape[-1] // logits.shape[2]
        logits = logits.permute(0, 2, 3, 1).reshape(-1, BINS)
        colours = (
            ab[:, :, ::step, ::step].permute(0, 2, 3, 1).reshape(-1, 2)
        )  # every step-th pixel, as the release
        index, share = soft_encode(colours, self.centres)
        likelihood = logits.log_softmax(1).gather(1, index)
        return {"loss": -(self.factor[index[:, 0]] * (share * likelihood).sum(1)).mean()}


def soft_encode(colours: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Ten nearest bins of colours `(N, 2)` and their Gaussian shares, `(N, 10)` each; the nearest
    first."""
    distance, index = torch.cdist(colours, centres).topk(NEIGHBOURS, largest=False)
    share = (-distance.square() / (2 * SIGMA**2)).exp()
    return index, share / share.sum(1, keepdim=True)


def soft_prior(train_set: PreparedSet, seed: int, most: int = 200_000) -> np.ndarray:
    """The distribution of soft-encoded colours over the bins `(313,)`, from a random sample of
    training pixels."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(train_set))[:2000])
    pixels = np.asarray(train_set.ab[rows])[:, :, ::4, ::4].transpose(0, 2, 3, 1).reshape(-1, 2)
    pixels = pixels[rng.permutation(len(pixels))[:most]]
    centres = torch.from_numpy(bin_centres())
    prior = torch.zeros(BINS, dtype=torch.float64)
    for chunk in torch.from_numpy(pixels).split(20_000):
        index, share = soft_encode(chunk, centres)
        prior.index_add_(0, index.flatten(), share.flatten().double())
    return (prior / prior.sum()).numpy()


def rebalancing(prior: np.ndarray, mix: float) -> np.ndarray:
    """Weights of the bins `(313,)`: 1 / ((1 - mix) prior + mix / 313), rescaled to a mean of 1
    under the prior.

    >>> float(rebalancing(np.full(313, 1 / 313), 0.5).mean().round(6))
    1.0
    """
    factor: np.ndarray = 1 / ((1 - mix) * prior + mix / BINS + 1e-12)
    return factor / (prior * factor).sum()
