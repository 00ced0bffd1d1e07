"""The grey trunk that MDN and CVAE share (sections 6.2 and 6.3): five convolutions and a fully
connected layer."""

from __future__ import annotations

from torch import Tensor, nn

from .encoder_decoder import block
from .presets import Preset


class Trunk(nn.Module):
    """Features `(B, C, s, s)` to `(B, outputs)`.

    Convolutions without bias, ReLU, batch norm; FC(4096) with tanh; linear output; dropout before
    each fully connected layer.
    """

    def __init__(
        self, shape: tuple[int, int, int], outputs: int, preset: Preset, dropout: float
    ) -> None:
        super().__init__()
        widths = [shape[0], *(preset.channels(c) for c in (384, 320, 288, 256, 128))]
        layers: list[nn.Module] = []
        for i, stride in enumerate((1, 1, 1, 2, 1)):
            layers += block(widths[i], widths[i + 1], 5, stride, bias=False)
        self.convolutions = nn.Sequential(*layers)
        side = (shape[1] + 1) // 2
        hidden = preset.channels(4096)
        self.full = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(widths[-1] * side * side, hidden),
            nn.Tanh(),
            nn.Dropout(dropout),
        )
        self.last = nn.Linear(hidden, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.last(self.full(self.convolutions(features).flatten(1)))
