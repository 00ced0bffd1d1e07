"""Zhang's ECCV16 network, layer by layer. Module names follow the public PyTorch release,
so that its checkpoint's keys fit as they are."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from .presets import Preset

BINS = 313


class ZhangNet(nn.Module):
    """L `(B, 1, s, s)` in 0..100 to logits `(B, 313, s/4, s/4)`.

    Eight blocks; blocks 1 to 7 end in batch norm; blocks 5 and 6 are dilated; no pooling, no skips.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        c = [preset.channels(n) for n in (64, 128, 256, 512, 512, 512, 512, 256)]
        self.model1 = _block(1, c[0], (1, 2))
        self.model2 = _block(c[0], c[1], (1, 2))
        self.model3 = _block(c[1], c[2], (1, 1, 2))
        self.model4 = _block(c[2], c[3], (1, 1, 1))
        self.model5 = _block(c[3], c[4], (1, 1, 1), dilation=2)
        self.model6 = _block(c[4], c[5], (1, 1, 1), dilation=2)
        self.model7 = _block(c[5], c[6], (1, 1, 1))
        self.model8 = nn.Sequential(
            nn.ConvTranspose2d(c[6], c[7], 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(c[7], c[7], 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c[7], c[7], 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c[7], BINS, 1),
        )
        self.feature_channels = c[6]

    def forward(self, grey: Tensor) -> Tensor:
        return self.model8(self.model7(self._to_conv6(grey)))

    def conv7(self, grey: Tensor) -> Tensor:
        """Features `(B, 512, s/8, s/8)`: the third convolution of block 7 after its ReLU, before
        its norm."""
        return self.model7[:6](self._to_conv6(grey))

    def _to_conv6(self, grey: Tensor) -> Tensor:
        hidden = (grey - 50) / 100
        for block in (self.model1, self.model2, self.model3, self.model4, self.model5, self.model6):
            hidden = block(hidden)
        return hidden


def shrink(grey: Tensor, size: int) -> Tensor:
    """L resized to a square, bilinear and antialiased."""
    if grey.shape[-1] == size:
        return grey
    return functional.interpolate(
        grey, size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )


def _block(inputs: int, outputs: int, strides: tuple[int, ...], dilation: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, stride in enumerate(strides):
        layers += [
            nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, stride, dilation, dilation),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs))
