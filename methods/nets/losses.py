"""The VAE's losses (section 3.1). Fields are ab / 128; every term is a sum over a photograph's
8,192 numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.contracts import PreparedSet
from bench.contracts.colour_weights import ColourWeights
from bench.data.fields import Components, principal_components
from bench.extend import in_float32

from .encoder_decoder import SCALE

COMPONENTS = 20


@dataclass(frozen=True)
class LossChoice:
    """The declared parameters of a decoder loss."""

    loss: str
    norm: str
    mah: float
    grad: float
    mix: float
    weight_scale: str


class DecoderLoss(nn.Module):
    """L_dec of equation 4: `l2`, `mah` or `full` = L_hist + mah * L_mah + grad * L_grad; one value
    a photograph."""

    directions: Tensor
    variances: Tensor

    def __init__(
        self, choice: LossChoice, weights: ColourWeights | None, components: Components | None
    ) -> None:
        super().__init__()
        self.choice = choice
        self.weights = weights
        if components is not None:
            self.register_buffer(
                "directions", torch.from_numpy(components.directions), persistent=False
            )
            self.register_buffer(
                "variances", torch.from_numpy(components.variances), persistent=False
            )
        if weights is not None:
            self.divisor = weights.mean if choice.weight_scale == "mean" else 1.0

    @in_float32
    def forward(self, field: Tensor, truth: Tensor) -> Tensor:
        """Loss `(B,)` of fields `(B, 2, 64, 64)`."""
        difference = truth - field
        if self.choice.loss == "l2":
            return difference.square().flatten(1).sum(1)
        if self.choice.loss == "mah":
            return self.mahalanobis(difference)
        return (
            self.colourfulness(difference, truth)
            + self.choice.mah * self.mahalanobis(difference)
            + self.choice.grad * self.gradient(difference)
        )

    def mahalanobis(self, difference: Tensor) -> Tensor:
        """L_mah: squared projections over their variances, and the rest over the 20th variance."""
        flat = difference.flatten(1)
        projections = flat @ self.directions.T
        rest = flat.square().sum(1) - projections.square().sum(1)
        return (projections.square() / self.variances).sum(1) + rest.clamp_min(0) / self.variances[
            -1
        ]

    def colourfulness(self, difference: Tensor, truth: Tensor) -> Tensor:
        """L_hist, equation 2: squared differences times the rarity weight of the true colour."""
        assert self.weights is not None
        weight = self.weights(truth * SCALE) / self.divisor
        return self._norm((self._mixed(weight) * difference.square()).flatten(1).sum(1))

    def gradient(self, difference: Tensor) -> Tensor:
        """L_grad, equation 3: forward differences, both directions and channels."""
        horizontal = difference.diff(dim=3).square().flatten(1).sum(1)
        vertical = difference.diff(dim=2).square().flatten(1).sum(1)
        return self._norm(horizontal + vertical)

    def _mixed(self, weight: Tensor) -> Tensor:
        return (1 - self.choice.mix) * weight + self.choice.mix

    def _norm(self, squares: Tensor) -> Tensor:
        return (squares + 1e-8).sqrt() if self.choice.norm == "root" else squares


def fit_loss(
    choice: LossChoice, train: PreparedSet, weights: ColourWeights, seed: int
) -> DecoderLoss:
    """The loss with what it needs of the training photographs."""
    components = principal_components(train.ab, COMPONENTS, seed) if choice.loss != "l2" else None
    return DecoderLoss(choice, weights if choice.loss == "full" else None, components)


def min_photographs(loss: str) -> int:
    """Training photographs that a loss needs: the specificity term has 20 principal components."""
    return COMPONENTS + 1 if loss != "l2" else 2


@in_float32
def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats, `(B,)` (equation 5)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)


@in_float32
def reparameterise(mean: Tensor, log_variance: Tensor) -> Tensor:
    """A draw of the code by the reparameterisation trick."""
    return mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
