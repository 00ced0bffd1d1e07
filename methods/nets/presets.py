"""Presets: one width multiplier and one input size, in one place, and the parameters that all
trained methods share."""

from __future__ import annotations

from dataclasses import dataclass

from bench.specs import Parameter


@dataclass(frozen=True)
class Preset:
    """`width` multiplies every layer's channels; `grey` is the side of the grey photograph that
    networks see."""

    width: float
    grey: int

    def channels(self, paper: int) -> int:
        """Channels of a layer that has `paper` of them in the paper."""
        return max(1, round(paper * self.width))

    @property
    def feature_grey(self) -> int:
        """Side of the photograph from which features are taken: 224 of 256, as the paper."""
        return self.grey * 7 // 8


PRESETS = {"paper": Preset(1.0, 256), "small": Preset(1 / 4, 128), "tiny": Preset(1 / 8, 64)}

PRESET = Parameter(
    "preset",
    "str",
    "small",
    "network widths and sizes: paper; small, a quarter; tiny, an eighth",
    choices=tuple(PRESETS),
)


def training(steps: dict[str, int], rate: float) -> tuple[Parameter, ...]:
    """The parameters of training: steps by preset, and the learning rate."""
    by_preset = ", ".join(f"{n} for {p}" for p, n in steps.items())
    return (
        Parameter(
            "steps",
            "int",
            "auto",
            f"optimizer steps; auto: {by_preset}",
            allow=("auto",),
            minimum=1,
        ),
        Parameter("rate", "float", rate, "peak learning rate of Adam", minimum=0),
        Parameter("batch", "int", 32, "photographs in a training batch", minimum=2),
    )


def steps(given: int | str, by_preset: dict[str, int], preset: str) -> int:
    """The number of steps that a parameter `steps` stands for."""
    return by_preset[preset] if given == "auto" else int(given)
