"""After Welsh et al. 2002, without neighbourhoods: lightness is matched by its rank, and colour
follows lightness."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d, adaptive_avg_pool2d

from bench.contracts import ColorDistribution, FitContext, Method, PreparedSet, SampleSet
from bench.seeds import uniform


class PaletteTransfer(Method):
    palettes: (
        Tensor  # (N, 2, levels): mean ab of each training photograph's pixels, by rank of lightness
    )

    def __init__(self, *, levels: int) -> None:
        self.levels = levels

    def fit(self, train: PreparedSet, context: FitContext) -> None:
        found = []
        for rows in (slice(start, start + 64) for start in range(0, len(train), 64)):
            order = by_lightness(train.grey(rows))[:, None].expand(-1, 2, -1)
            found.append(
                adaptive_avg_pool1d(train.truth(rows).flatten(2).gather(2, order), self.levels)
            )
        self.palettes = torch.cat(found)

    def save(self, folder: Path) -> None:
        save_file({"palettes": self.palettes}, folder / "palettes.safetensors")

    def load(self, folder: Path, context: FitContext) -> None:
        self.palettes = load_file(folder / "palettes.safetensors")["palettes"]

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> ColorDistribution:
        return Transferred(
            self.palettes, by_lightness(grey).argsort(1) * self.levels // 4096, seeds
        )


class Transferred(ColorDistribution):
    """Any palette `(N, 2, levels)`, all alike in probability, on photographs' pixels `(B, 4096)`,
    given as levels."""

    def __init__(self, palettes: Tensor, pixels: Tensor, seeds: Sequence[int]) -> None:
        self.palettes, self.pixels, self.seeds = palettes, pixels, seeds

    def sample(self, n: int) -> SampleSet:
        chosen = (uniform(self.seeds, (n, 1))[..., 0].double() * len(self.palettes)).long()
        fields = self.palettes[chosen].gather(3, self.pixels[:, None, None].expand(-1, n, 2, -1))
        return SampleSet(fields.unflatten(3, (64, 64)), "iid", n_drawn=n)

    def present(self, k: int) -> SampleSet:
        return self.sample(k)


def by_lightness(grey: Tensor) -> Tensor:
    """Pixels of the 64x64 photograph from dark to light, `(B, 4096)`."""
    return adaptive_avg_pool2d(grey, 64).flatten(1).argsort(dim=1, stable=True)
