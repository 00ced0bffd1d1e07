"""The conditional VAE, with the decoder losses of the VAE.

The grey code is concatenated to the decoder's input, as in section 6.3, and to the input of the
encoder's last layer. The paper says "encoder input", and not how a field of 64x64 takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import ColorDistribution, FitContext, Method, PreparedSet, SampleSet
from bench.errors import BenchError
from bench.extend import (
    Schedule,
    channels_last,
    feature_extractor,
    load_weights,
    read_config,
    save_weights,
    seeded,
    stored_features,
    train,
    with_precision,
)
from bench.seeds import normal

from .cvae import STEPS
from .nets.codes import Balance, code_size, describe_codes, too_few
from .nets.encoder_decoder import SCALE, Decoder, Encoder, cat
from .nets.fast_decoder import PhasedDecoder
from .nets.losses import DecoderLoss, LossChoice, fit_loss, kl_divergence, reparameterise
from .nets.presets import PRESETS, steps
from .nets.trunk import Trunk

AT_ONCE = 32
"""Codes decoded at once: at the paper's widths what a layer makes of 64 of them takes a quarter
longer to read and write."""


class Cvae(Method):
    """Encoder Q(z | C, G) and decoder f(z, G), both given a grey code from the MDN's trunk."""

    d: int

    def __init__(
        self,
        *,
        preset: str,
        features: str,
        d: int | str,
        loss: str,
        norm: str,
        mah: float,
        grad: float,
        mix: float,
        weight_scale: str,
        kl: float | str,
        draws: int,
        dropout: float,
        steps: int | str,
        rate: float,
        batch: int,
    ) -> None:
        self.preset, self.features, self.code_size = preset, features, d
        self.choice = LossChoice(loss, norm, mah, grad, mix, weight_scale)
        self.kl, self.draws, self.dropout = kl, draws, dropout
        self.steps, self.rate, self.batch = steps, rate, batch

    def incompatible(self, dataset: str, count: int) -> str | None:
        return too_few(self.choice.loss, count)

    def fit(self, train_set: PreparedSet, context: FitContext) -> None:
        self.precision = context.precision
        self.d = code_size(self.code_size, train_set.dataset)
        self.extractor = feature_extractor(context, "features", "take zhang")
        features = stored_features(context, "features", train_set)
        with seeded(context.seed):
            self._build(context.device)
        objective = _Objective(
            self.network, fit_loss(self.choice, train_set, context.weights, context.seed), self.kl
        )

        def fetch(rows: np.ndarray) -> dict[str, Tensor]:
            return {
                "features": torch.from_numpy(features[rows].astype(np.float32)),
                "ab": train_set.truth(rows),
            }

        schedule = Schedule(steps(self.steps, STEPS, self.preset), self.rate, self.batch)
        train(objective, fetch, len(train_set), schedule, context, "cvae")
        context.notes.update(
            self._describe(fetch, train_set, context) | {"kl_weight": objective.balance.weight}
        )

    def save(self, folder: Path) -> None:
        save_weights(folder, self.network, {"d": self.d})

    def load(self, folder: Path, context: FitContext) -> None:
        self.precision = context.precision
        self.d = read_config(folder)["d"]
        self.extractor = feature_extractor(context, "features", "take zhang")
        self._build(context.device)
        load_weights(folder, self.network, context.device)

    @torch.inference_mode()
    def predict(self, grey: Tensor, seeds: Sequence[int]) -> CvaeDistribution:
        grey_code = with_precision(
            self.precision, self.network.trunk, self.extractor.features(grey)
        )
        return CvaeDistribution(self._decode, grey_code, seeds, self.draws)

    def _decode(self, code: Tensor, grey_code: Tensor) -> Tensor:
        return with_precision(self.precision, self.drawn, cat(code, grey_code))

    def _build(self, device: str) -> None:
        network = _Network(self.d, self.extractor.feature_shape, self.preset, self.dropout)
        self.network = channels_last(network, device)
        self.drawn = PhasedDecoder(self.network.decoder)

    def _describe(
        self,
        fetch: Callable[[np.ndarray], dict[str, Tensor]],
        train_set: PreparedSet,
        context: FitContext,
    ) -> dict[str, float]:
        out = np.empty((min(512, len(train_set)), 2, self.d), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(out), 64):
                rows = np.arange(start, min(start + 64, len(out)))
                batch = {k: v.to(context.device) for k, v in fetch(rows).items()}
                mean, log_variance = self.network.encode(
                    batch["ab"] / SCALE, self.network.trunk(batch["features"])
                )
                out[rows] = torch.stack([mean, (0.5 * log_variance).exp()], dim=1).cpu().numpy()
        both = torch.from_numpy(out)
        return describe_codes(both[:, 0], both[:, 1])


class CvaeDistribution(ColorDistribution):
    """Fields decoded from codes z ~ N(0, I) beside a photograph's grey code `(B, d)`."""

    def __init__(
        self,
        decode: Callable[[Tensor, Tensor], Tensor],
        grey_code: Tensor,
        seeds: Sequence[int],
        draws: int,
    ) -> None:
        self.decode, self.grey_code, self.seeds, self.draws = decode, grey_code, seeds, draws

    @torch.inference_mode()
    def sample(self, n: int) -> SampleSet:
        """n decoded draws of the prior."""
        code = (
            normal(self.seeds, (n, self.grey_code.shape[1])).to(self.grey_code.device).flatten(0, 1)
        )
        grey_code = self.grey_code.repeat_interleave(n, dim=0)
        fields = [
            self.decode(z, g)
            for z, g in zip(code.split(AT_ONCE), grey_code.split(AT_ONCE), strict=True)
        ]
        return SampleSet((torch.cat(fields) * SCALE).unflatten(0, (-1, n)), "iid", n_drawn=n)

    def present(self, k: int) -> SampleSet:
        """k-means centroids of the draws (section 6.3), the largest cluster first; weights are the
        clusters' shares."""
        if k > self.draws:
            raise BenchError(
                f"cvae clusters {self.draws} draws and can't present {k}: use cvae[draws={k}] or "
                "more"
            )
        fields = self.sample(self.draws).ab.flatten(2)
        done = [
            _centroids(f.cpu().numpy(), k, seed) for f, seed in zip(fields, self.seeds, strict=True)
        ]
        ab = torch.from_numpy(np.stack([c for c, _ in done])).unflatten(2, (2, 64, 64))
        return SampleSet(
            ab, "centroids", torch.from_numpy(np.stack([w for _, w in done])), n_drawn=self.draws
        )


def _centroids(fields: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centroids `(k, n)` and shares `(k,)` of draws, by k-means with ten starts.

    Draws lie in the span of their differences: their coordinates there, from the Gram matrix, have
    the same distances as the 8,192 numbers themselves and are some thirty times fewer.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    mean = fields.mean(0)
    centred = (fields - mean).astype(np.float64)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    coordinates = vectors * np.sqrt(values.clip(min=0))
    with threadpool_limits(1):  # the problem is small: more threads only wait for one another
        labels = KMeans(k, n_init=10, random_state=seed % 2**32).fit_predict(coordinates)
    shares = np.bincount(labels, minlength=k) / len(labels)
    order = np.argsort(-shares, kind="stable")
    centroids = np.stack([fields[labels == c].mean(0) if shares[c] else mean for c in order])
    return centroids.astype(np.float32), shares[order].astype(np.float32)


class _Network(nn.Module):
    def __init__(self, d: int, shape: tuple[int, int, int], preset: str, dropout: float) -> None:
        super().__init__()
        self.trunk = Trunk(shape, d, PRESETS[preset], dropout)
        self.encoder = Encoder(d, PRESETS[preset], extra=d, dropout=dropout)
        self.decoder = Decoder(2 * d, PRESETS[preset])

    def encode(self, field: Tensor, grey_code: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder(field, grey_code)

    def decode(self, code: Tensor, grey_code: Tensor) -> Tensor:
        return self.decoder(cat(code, grey_code))


class _Objective(nn.Module):
    def __init__(self, network: _Network, loss: DecoderLoss, kl: float | str) -> None:
        super().__init__()
        self.network, self.loss, self.balance = network, loss, Balance(kl)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        truth = batch["ab"] / SCALE
        grey_code = self.network.trunk(batch["features"])
        mean, log_variance = self.network.encode(truth, grey_code)
        code = reparameterise(mean, log_variance) if self.training else mean
        reconstruction = self.loss(self.network.decode(code, grey_code), truth).mean()
        return {
            "loss": self.balance(
                reconstruction, kl_divergence(mean, log_variance).mean(), truth[0].numel()
            )
        }
