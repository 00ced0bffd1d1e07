"""The mixture density network: training on codes, presenting its heaviest means, drawing from the
mixture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import ColorDistribution, FitContext, Method, PreparedSet, SampleSet
from bench.errors import BenchError
from bench.extend import (
    Features,
    Schedule,
    feature_extractor,
    load_weights,
    map_batches,
    save_weights,
    seeded,
    stored_features,
    train,
    with_precision,
)
from bench.seeds import normal, uniform

from .mdn import STEPS
from .nets.codes import Codec, codec, codes
from .nets.presets import PRESETS, steps
from .nets.trunk import Trunk


class Mdn(Method):
    """P(z | G): a mixture of Gaussians over the codec's codes, its means and weights from Zhang's
    features."""

    def __init__(
        self,
        *,
        preset: str,
        features: str,
        vae: str,
        components: int,
        sigma2: float | str,
        loss: str,
        start: str,
        dropout: float,
        steps: int | str,
        rate: float,
        batch: int,
    ) -> None:
        self.preset, self.features, self.vae, self.components = preset, features, vae, components
        self.sigma2, self.loss, self.start, self.dropout = sigma2, loss, start, dropout
        self.steps, self.rate, self.batch = steps, rate, batch

    def incompatible(self, dataset: str, count: int) -> str | None:
        if self.start == "kmeans" and count < self.components:
            return f"mdn starts its {self.components} components by k-means: {count} training photographs are too few"
        return None

    def fit(self, train_set: PreparedSet, context: FitContext) -> None:
        self.precision = context.precision
        self._attach(context)
        features = stored_features(context, "features", train_set)
        mean, deviation = codes(self.codec, train_set, context)
        with seeded(context.seed):
            self._build(context.device)
            if self.start == "kmeans":
                self._start(mean, context.seed)
        objective = _Objective(self.network, self.loss)

        def fetch(rows: np.ndarray) -> dict[str, Tensor]:
            return {
                "features": torch.from_numpy(features[rows].astype(np.float32)),
                "mean": mean[rows],
                "deviation": deviation[rows],
            }

        schedule = Schedule(steps(self.steps, STEPS, self.preset), self.rate, self.batch)
        train(objective, fetch, len(train_set), schedule, context, "mdn")
        self._finish(features, mean, train_set, context)

    def save(self, folder: Path) -> None:
        save_weights(folder, self.network)

    def load(self, folder: Path, context: FitContext) -> None:
        self.precision = context.precision
        self._attach(context)
        self._build(context.device)
        load_weights(folder, self.network, context.device)

    @torch.inference_mode()
    def predict(self, grey: Tensor, seeds: Sequence[int]) -> Mixture:
        means, log_weights = with_precision(
            self.precision, self.network, self.extractor.features(grey)
        )
        return Mixture(means, log_weights, self.network.variance, self.codec, seeds)

    def _attach(self, context: FitContext) -> None:
        self.extractor, self.codec = (
            feature_extractor(context, "features", "take zhang"),
            codec(context, "vae"),
        )

    def _build(self, device: str) -> None:
        first = 1.0 if self.sigma2 == "fit" else float(self.sigma2)
        trunk = Trunk(
            self.extractor.feature_shape,
            (self.codec.d + 1) * self.components,
            PRESETS[self.preset],
            self.dropout,
        )
        self.network = _Network(trunk, self.components, self.codec.d, first).to(device=device)

    def _start(self, mean: Tensor, seed: int) -> None:
        """Means start at the centres of the training codes, so that they spread at once."""
        from sklearn.cluster import KMeans

        centres = (
            KMeans(self.components, n_init=10, random_state=seed % 2**32)
            .fit(mean.numpy())
            .cluster_centers_
        )
        last = self.network.trunk.last
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias[: centres.size] = torch.from_numpy(centres.reshape(-1)).to(last.bias)

    def _finish(
        self, features: Features, mean: Tensor, train_set: PreparedSet, context: FitContext
    ) -> None:
        """Fit the variances if asked to, and note which components are in use."""
        nearest = np.empty((len(train_set), 2 + self.codec.d), dtype=np.float32)

        def used(rows: slice) -> Tensor:
            means, log_weights = self.network(
                torch.from_numpy(features[rows].astype(np.float32)).to(self.network.device)
            )
            code = mean[rows].to(means.device)
            m = _nearest(means, code)
            residual = code - means[torch.arange(len(m)), m]
            return torch.cat(
                [m[:, None].float(), log_weights.argmax(1, keepdim=True).float(), residual], dim=1
            )

        map_batches(train_set, context, "mixture", used, nearest)
        if self.sigma2 == "fit":
            self.network.variance.copy_(torch.from_numpy(np.square(nearest[:, 2:]).mean(0) + 1e-6))
        share = np.bincount(nearest[:, 0].astype(int), minlength=self.components) / len(nearest)
        top = np.bincount(nearest[:, 1].astype(int), minlength=self.components) / len(nearest)
        context.notes.update(
            components_in_use=int((share > 0.01).sum()),
            nearest_shares=share.round(3).tolist(),
            heaviest_shares=top.round(3).tolist(),
            residual_variance=float(np.square(nearest[:, 2:]).mean()),
        )


class Mixture(ColorDistribution):
    """A mixture of Gaussians in code space: means `(B, M, d)`, log weights `(B, M)`, variance
    `(d,)`, and a decoder."""

    def __init__(
        self,
        means: Tensor,
        log_weights: Tensor,
        variance: Tensor,
        decoder: Codec,
        seeds: Sequence[int],
    ) -> None:
        self.means, self.log_weights, self.variance = means, log_weights, variance
        self.decoder, self.seeds = decoder, seeds

    def present(self, k: int) -> SampleSet:
        """The decoded means of the k heaviest components (section 6.2), heaviest first."""
        if k > self.means.shape[1]:
            raise BenchError(
                f"mdn has {self.means.shape[1]} components and can't present {k}: use "
                f"mdn[components={k}]"
            )
        weights, order = self.log_weights.exp().topk(k, dim=1)
        chosen = self.means.gather(1, order[:, :, None].expand(-1, -1, self.means.shape[2]))
        return SampleSet(
            self._decode(chosen), "modes", weights / weights.sum(1, keepdim=True), n_drawn=k
        )

    def sample(self, n: int) -> SampleSet:
        """n decoded draws from the mixture."""
        numbers = uniform(self.seeds, (n, 1))[..., 0].to(self.means.device)
        cumulative = self.log_weights.exp().cumsum(1)
        index = torch.searchsorted(cumulative, numbers * cumulative[:, -1:], right=True).clamp_max(
            self.means.shape[1] - 1
        )
        centre = self.means.gather(1, index[:, :, None].expand(-1, -1, self.means.shape[2]))
        noise = normal([seed ^ 1 for seed in self.seeds], (n, self.means.shape[2])).to(
            centre.device
        )
        return SampleSet(self._decode(centre + self.variance.sqrt() * noise), "iid", n_drawn=n)

    def mean(self) -> Tensor:
        """The decoded mean of the mixture's means, `(B, 2, 64, 64)`."""
        return self.decoder.decode((self.log_weights.exp()[..., None] * self.means).sum(1))

    def log_prob(self, ab: Tensor) -> Tensor:
        """Log density `(B,)` of the codes of colour fields, in nats, in the codec's code space."""
        code, _ = self.decoder.encode(ab)
        return mixture_log_prob(self.means, self.log_weights, self.variance, code)

    def _decode(self, code: Tensor) -> Tensor:
        fields = self.decoder.decode(code.flatten(0, 1))
        return fields.unflatten(0, code.shape[:2])


class _Network(nn.Module):
    variance: Tensor

    def __init__(self, trunk: Trunk, components: int, d: int, variance: float) -> None:
        super().__init__()
        self.trunk, self.components, self.d = trunk, components, d
        self.register_buffer("variance", torch.full((d,), variance))

    @property
    def device(self) -> torch.device:
        return self.variance.device

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        out = self.trunk(
            features
        ).float()  # the loss is taken in float32, whatever the network computes with
        means = out[:, : self.components * self.d].unflatten(1, (self.components, self.d))
        return means, out[:, self.components * self.d :].log_softmax(1)


class _Objective(nn.Module):
    def __init__(self, network: _Network, loss: str) -> None:
        super().__init__()
        self.network, self.exact = network, loss == "exact"

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        code = batch["mean"]
        if self.training:  # a fresh draw of the posterior each step
            code = code + batch["deviation"] * torch.randn_like(code)
        means, log_weights = self.network(batch["features"])
        if self.exact:
            return {
                "loss": -mixture_log_prob(means, log_weights, self.network.variance, code).mean()
            }
        return {"loss": min_loss(means, log_weights, self.network.variance, code).mean()}


def min_loss(means: Tensor, log_weights: Tensor, variance: Tensor, code: Tensor) -> Tensor:
    """Equation 7: -log pi_m + |z - mu_m|^2 / (2 sigma^2), m the component with the nearest mean;
    `(B,)`."""
    m = _nearest(means, code)
    rows = torch.arange(len(m), device=m.device)
    return ((code - means[rows, m]).square() / (2 * variance)).sum(1) - log_weights[rows, m]


def mixture_log_prob(means: Tensor, log_weights: Tensor, variance: Tensor, code: Tensor) -> Tensor:
    """Log of the mixture's density at codes `(B, d)`; equation 6."""
    squares = ((code[:, None] - means).square() / variance).sum(2)
    constant = 0.5 * (variance.log().sum() + code.shape[1] * math.log(2 * math.pi))
    return (log_weights - 0.5 * squares).logsumexp(1) - constant


def _nearest(means: Tensor, code: Tensor) -> Tensor:
    return (code[:, None] - means).square().sum(2).argmin(1)
