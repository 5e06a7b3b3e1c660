"""Critics that judge every patch of a picture by itself (Isola et al. 2017, pix2pix)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from zoo.errors import UsageError
from zoo.registry.contracts import Judgement

Norm = Literal["batch", "instance", "spectral", "none"]
Width = Annotated[int, Field(ge=1, le=512)]


def patch(
    *,
    base: Width = 64,
    layers: Annotated[int, Field(ge=1, le=5)] = 3,
    norm: Norm = "batch",
    features: bool = False,
) -> Critic:
    """PatchGAN: one logit per overlapping patch of the picture (Isola et al. 2017).

    Args:
        base: Channels of the first convolution; the next ones have 2, 4, 8, 8, … times as many.
        layers: Convolutions that halve the picture; 1 to 5 judge patches of 16, 34, 70, 142 or 286 pixels.
        norm: Normalization: of activations, over the batch or over each picture, or of the weights by their spectral
            norm (Miyato et al. 2018), which bounds the critic's slope.
        features: Offer what every convolution but the last sees to losses such as `feature-matching`.
    """
    widths = [base * min(2**layer, 8) for layer in range(layers + 1)]
    blocks: list[nn.Module] = []
    inputs = 3
    for layer, width in enumerate(widths):
        halves = layer < layers
        blocks.append(Block(inputs, width, kernel=4, stride=2 if halves else 1, norm=norm, first=layer == 0))
        inputs = width
    # The two convolutions that don't halve take one row each away, and one must be left.
    return Critic(blocks, convolution(inputs, 1, kernel=4, norm=norm), smallest=3 * 2**layers, features=features)


def pixel(*, base: Width = 64, norm: Norm = "batch") -> Critic:
    """PixelGAN: one logit per pixel, from that pixel's colour alone (Isola et al. 2017).

    Args:
        base: Channels of the first convolution; the second has twice as many.
        norm: Normalization: of activations, over the batch or over each picture, or of the weights by their spectral
            norm (Miyato et al. 2018), which bounds the critic's slope.
    """
    blocks: list[nn.Module] = [
        Block(3, base, kernel=1, norm=norm, first=True),
        Block(base, 2 * base, kernel=1, norm=norm),
    ]
    return Critic(blocks, convolution(2 * base, 1, kernel=1, norm=norm), smallest=2 if norm == "instance" else 1)


class Critic(nn.Module):
    """Lightness (N, 1, H, W) and chroma (N, 2, H, W) -> logits (N, 1, h, w). No side may be below `smallest`.

    With `features`, a `Judgement`: logits, and what each of the blocks returns.
    """

    def __init__(self, blocks: list[nn.Module], head: nn.Module, *, smallest: int, features: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.head = head
        self.smallest = smallest
        self.features = features

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor | Judgement:
        """Judge pictures."""
        height, width = lightness.shape[-2:]
        if min(height, width) < self.smallest:
            raise UsageError(
                f"the critic cannot judge pictures of {width} × {height} pixels: "
                f"it needs at least {self.smallest} on every side. Train on larger crops, or give it fewer layers."
            )
        x = torch.cat([lightness, chroma], dim=1)
        seen: list[Tensor] = []
        for block in self.blocks:
            x = block(x)
            seen.append(x)
        logits: Tensor = self.head(x)
        return Judgement(logits, seen) if self.features else logits


class Block(nn.Module):
    """Convolution, normalization (not on the first block) and leaky ReLU."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int = 1, norm: Norm, first: bool = False
    ) -> None:
        super().__init__()
        self.norm: nn.Module = nn.Identity()
        if norm == "batch" and not first:
            self.norm = nn.BatchNorm2d(outputs)
        elif norm == "instance" and not first:
            self.norm = nn.InstanceNorm2d(outputs, affine=True)
        if not isinstance(self.norm, nn.Identity):
            nn.init.normal_(self.norm.weight, 1.0, 0.02)
        # A normalization takes the mean away, and a bias with it.
        bias = isinstance(self.norm, nn.Identity)
        self.conv = convolution(inputs, outputs, kernel=kernel, stride=stride, norm=norm, bias=bias)
        self.activation = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalize, activate."""
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y


class Float32WeightConv2d(nn.Conv2d):
    """A convolution that makes its weight in float32, also under autocast.

    Under a spectral norm, making the weight means an iteration towards its largest singular value, and in bfloat16
    that value would be a coarse guess.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.weight
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def convolution(inputs: int, outputs: int, *, kernel: int, stride: int = 1, norm: Norm, bias: bool = True) -> nn.Module:
    """Return a convolution with pix2pix's initial weights, N(0, 0.02), and a spectral norm if `norm` says so."""
    kind = Float32WeightConv2d if norm == "spectral" else nn.Conv2d
    conv = kind(inputs, outputs, kernel, stride=stride, padding=1 if kernel > 1 else 0, bias=bias)
    nn.init.normal_(conv.weight, 0.0, 0.02)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return parametrizations.spectral_norm(conv) if norm == "spectral" else conv
