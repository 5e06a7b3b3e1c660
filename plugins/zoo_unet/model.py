"""U-Nets: an encoder and a decoder whose levels are joined by skip connections (Isola et al. 2017, pix2pix)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo_unet.products import Doubling, Halving

Norm = Literal["batch", "instance", "none"]
Upsampling = Literal["transposed", "resize"]
Width = Annotated[int, Field(ge=1, le=512)]
Depth = Annotated[int, Field(ge=2, le=10)]

DEEPEST = 8


def unet_deep(
    *,
    size: int,
    base: Width = 64,
    depth: Depth | None = None,
    norm: Norm = "batch",
    dropout: bool = True,
    up: Upsampling = "transposed",
) -> UNet:
    """pix2pix's U-Net: U-Net-256 for crops of 256 pixels and up, U-Net-128 for crops of 128 (Isola et al. 2017).

    Args:
        size: Side of the training crops in pixels.
        base: Channels of the first level; the levels have 1, 2, 4, 8, 8, … times as many.
        depth: Number of levels, each of which halves the picture; without it, 8, or as many as the crop allows.
        norm: Normalization inside the levels.
        dropout: Drop half of the activations of the innermost decoder levels, in training.
        up: How the decoder doubles the picture: a transposed convolution as in pix2pix, or nearest-neighbour
            resizing and a convolution, which leaves no checkerboard (Odena et al. 2016).
    """
    if depth is None:
        depth = max(2, min(DEEPEST, size.bit_length() - 1))
    return UNet(base=base, depth=depth, norm=norm, dropout=dropout, up=up)


def unet_shallow(
    *,
    base: Width = 64,
    depth: Depth = 4,
    norm: Norm = "batch",
    dropout: bool = False,
    up: Upsampling = "transposed",
) -> UNet:
    """A U-Net of few levels: it sees less of the picture around a pixel, and is small and fast.

    Args:
        base: Channels of the first level; the levels have 1, 2, 4, 8, 8, … times as many.
        depth: Number of levels, each of which halves the picture.
        norm: Normalization inside the levels.
        dropout: Drop half of the activations of the innermost decoder levels, in training.
        up: How the decoder doubles the picture: a transposed convolution as in pix2pix, or nearest-neighbour
            resizing and a convolution, which leaves no checkerboard (Odena et al. 2016).
    """
    return UNet(base=base, depth=depth, norm=norm, dropout=dropout, up=up)


class UNet(nn.Module):
    """Lightness (N, 1, H, W) -> chroma (N, 2, H, W), for H and W that are multiples of `multiple`.

    The layout is that of pix2pix (Isola et al. 2017), but for the tanh at its end: chroma is not bounded by 1.
    """

    def __init__(self, *, base: int, depth: int, norm: Norm, dropout: bool, up: Upsampling) -> None:
        super().__init__()
        self.multiple = 2**depth
        channels = [base * min(2**level, 8) for level in range(depth)]
        # pix2pix drops activations at 3 of 8 levels and at 2 of 7.
        dropped = max(1, depth - 5) if dropout else 0
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, width in enumerate(channels):
            outermost, innermost = level == 0, level == depth - 1
            # The innermost level may be a single pixel, which has no statistics to normalize with.
            self.down.append(
                Down(
                    1 if outermost else channels[level - 1],
                    width,
                    norm="none" if outermost or innermost else norm,
                    activation=nn.ReLU(inplace=True) if innermost else nn.LeakyReLU(0.2, inplace=True),
                )
            )
        for level in reversed(range(depth)):
            outermost, innermost = level == 0, level == depth - 1
            self.up.append(
                Up(
                    channels[level] * (1 if innermost else 2),
                    2 if outermost else channels[level - 1],
                    norm="none" if outermost else norm,
                    dropout=not outermost and depth - 1 - level < dropped,
                    how=up,
                )
            )
        self.apply(initialize)

    def forward(self, lightness: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, 2, H, W)."""
        skips: list[Tensor] = []
        x: Tensor = lightness
        for down in self.down:
            x = down(x)
            skips.append(x)
        x = self.up[0](skips.pop())
        for up in self.up[1:]:
            x = up(torch.cat([skips.pop(), dense_gradient(x)], dim=1).relu_())
        return x


class Down(nn.Module):
    """One level of the encoder: (N, inputs, H, W) -> (N, outputs, H/2, W/2)."""

    def __init__(self, inputs: int, outputs: int, *, norm: Norm, activation: nn.Module) -> None:
        super().__init__()
        # A normalization takes the mean away, and a bias with it.
        self.conv = Halving(inputs, outputs, bias=norm == "none")
        self.norm = normalization(norm, outputs)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalize, activate."""
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y


class Up(nn.Module):
    """One level of the decoder: (N, inputs, H, W) -> (N, outputs, 2H, 2W). Its input is activated already."""

    def __init__(self, inputs: int, outputs: int, *, norm: Norm, dropout: bool, how: Upsampling) -> None:
        super().__init__()
        bias = norm == "none"
        self.resize: nn.Module
        self.conv: nn.Module
        if how == "transposed":
            self.resize = nn.Identity()
            self.conv = Doubling(inputs, outputs, bias=bias)
        else:
            self.resize = nn.Upsample(scale_factor=2, mode="nearest")
            self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
        self.norm = normalization(norm, outputs)
        self.dropout = nn.Dropout(0.5 if dropout else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Double, convolve, normalize, drop."""
        y: Tensor = self.dropout(self.norm(self.conv(self.resize(x))))
        return y


class _DenseGradient(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        # A slice of channels: they are neighbours in memory, or each is a plane.
        layout = torch.channels_last if gradient.stride(1) == 1 else torch.contiguous_format
        return gradient.contiguous(memory_format=layout)


def dense_gradient(x: Tensor) -> Tensor:
    """Return (N, C, H, W) as it is, and hand back a gradient without gaps in memory.

    `torch.cat` hands back slices, over which batch norm's backward pass takes many times as long on a CPU.
    """
    dense: Tensor = _DenseGradient.apply(x)
    return dense


def normalization(norm: Norm, channels: int) -> nn.Module:
    """Return the layer that the option `norm` stands for."""
    match norm:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "instance":
            return nn.InstanceNorm2d(channels, affine=True)
        case "none":
            return nn.Identity()


def initialize(module: nn.Module) -> None:
    """Draw the weights as pix2pix does: N(0, 0.02) for convolutions, N(1, 0.02) for normalizations, biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
