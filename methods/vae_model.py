"""The VAE's network, training and reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import ColorDistribution, FitContext, Method, PreparedSet, SampleSet
from bench.errors import BenchError
from bench.extend import (
    Schedule,
    channels_last,
    load_weights,
    read_config,
    save_weights,
    seeded,
    train,
    with_precision,
)
from bench.seeds import normal

from .nets.codes import Balance, code_size, describe_codes, too_few
from .nets.encoder_decoder import SCALE, Decoder, Encoder
from .nets.fast_decoder import PhasedDecoder
from .nets.losses import DecoderLoss, LossChoice, fit_loss, kl_divergence, reparameterise
from .nets.presets import PRESETS, steps
from .vae import STEPS


class Vae(Method):
    """Encoder and decoder of section 6.1, trained with one of the losses of section 3.1."""

    d: int

    def __init__(
        self,
        *,
        preset: str,
        d: int | str,
        loss: str,
        norm: str,
        mah: float,
        grad: float,
        mix: float,
        weight_scale: str,
        kl: float | str,
        dropout: float,
        steps: int | str,
        rate: float,
        batch: int,
    ) -> None:
        self.preset, self.code_size, self.dropout = preset, d, dropout
        self.choice = LossChoice(loss, norm, mah, grad, mix, weight_scale)
        self.kl, self.steps, self.rate, self.batch = kl, steps, rate, batch

    def incompatible(self, dataset: str, count: int) -> str | None:
        return too_few(self.choice.loss, count)

    def fit(self, train_set: PreparedSet, context: FitContext) -> None:
        self.precision = context.precision
        self.d = code_size(self.code_size, train_set.dataset)
        loss = fit_loss(self.choice, train_set, context.weights, context.seed)
        with seeded(context.seed):
            self._build(context.device)
        objective = _Objective(self.network, loss, self.kl)
        schedule = Schedule(steps(self.steps, STEPS, self.preset), self.rate, self.batch)
        train(
            objective,
            lambda rows: {"ab": train_set.truth(rows)},
            len(train_set),
            schedule,
            context,
            "vae",
        )
        context.notes.update(self._describe(train_set, objective))

    def save(self, folder: Path) -> None:
        save_weights(folder, self.network, {"d": self.d})

    def load(self, folder: Path, context: FitContext) -> None:
        self.precision = context.precision
        self.d = read_config(folder)["d"]
        self._build(context.device)
        load_weights(folder, self.network, context.device)

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> ColorDistribution:
        raise BenchError("vae does not colourize: it only reconstructs; take mdn or cvae")

    @torch.inference_mode()
    def reconstruct(self, ab: Tensor, seeds: Sequence[int]) -> SampleSet:
        """Decoded draw of the encoder's posterior of the truth (section 7.2)."""
        mean, deviation = self.encode(ab)
        code = mean + deviation * normal(seeds, (1, self.d))[:, 0].to(mean.device)
        return SampleSet(self.decode(code)[:, None], "reconstruction", n_drawn=1)

    @torch.inference_mode()
    def encode(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and standard deviation `(B, d)`."""
        mean, log_variance = with_precision(
            self.precision, self.network.encoder, ab.to(self.device) / SCALE
        )
        return mean, (0.5 * log_variance).exp()

    @torch.inference_mode()
    def decode(self, code: Tensor) -> Tensor:
        """Fields `(B, 2, 64, 64)` in CIELAB units."""
        return with_precision(self.precision, self.drawn, code.to(self.device)) * SCALE

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def _build(self, device: str) -> None:
        self.network = channels_last(_Network(self.d, self.preset, self.dropout), device)
        self.drawn = PhasedDecoder(self.network.decoder)

    def _describe(self, train_set: PreparedSet, objective: _Objective) -> dict[str, float]:
        rows = np.arange(min(512, len(train_set)))
        mean, deviation = self.encode(train_set.truth(rows))
        return {"d": self.d, "kl_weight": objective.balance.weight} | describe_codes(
            mean, deviation
        )


class _Network(nn.Module):
    def __init__(self, d: int, preset: str, dropout: float) -> None:
        super().__init__()
        self.encoder = Encoder(d, PRESETS[preset], dropout=dropout)
        self.decoder = Decoder(d, PRESETS[preset])


class _Objective(nn.Module):
    def __init__(self, network: _Network, loss: DecoderLoss, kl: float | str) -> None:
        super().__init__()
        self.network, self.loss = network, loss
        self.balance = Balance(kl)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        truth = batch["ab"] / SCALE
        mean, log_variance = self.network.encoder(truth)
        code = reparameterise(mean, log_variance) if self.training else mean
        reconstruction = self.loss(self.network.decoder(code), truth).mean()
        return {
            "loss": self.balance(
                reconstruction, kl_divergence(mean, log_variance).mean(), truth[0].numel()
            )
        }
