"""4×4 convolutions of stride 2, computed as products of matrices where a CPU takes many times as long otherwise.

The innermost levels of a U-Net have few pixels and most of the weights. oneDNN, which computes convolutions for torch,
copies those weights into a layout of its own and back for each of them; a product reads them as they lie.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST_WINDOWS = 512  # in a batch; beyond them the convolution is as fast


class Halving(nn.Conv2d):
    """Convolution (N, inputs, H, W) -> (N, outputs, H/2, W/2), for even H and W."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__(inputs, outputs, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H/2, W/2)."""
        if not _as_products(self.weight, x, x[:, 0].numel() // 4):
            return super().forward(x)
        return F.linear(_Gathered.apply(x), _matrix(self.weight), self.bias).permute(0, 3, 1, 2)


class Doubling(nn.ConvTranspose2d):
    """Transposed convolution (N, inputs, H, W) -> (N, outputs, 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__(inputs, outputs, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, 2H, 2W)."""
        if not _as_products(self.weight, x, x[:, 0].numel()):
            return super().forward(x, output_size)
        y: Tensor = _Scattered.apply(x.permute(0, 2, 3, 1) @ _matrix(self.weight))
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]


def _as_products(weight: Tensor, x: Tensor, windows: int) -> bool:
    # Channels-last weights are a matrix as they lie; weights of one channel are laid out in both ways at once, and say
    # nothing of the network's layout.
    channels_last = weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    return channels_last and x.device.type == "cpu" and windows <= MOST_WINDOWS and not torch.compiler.is_compiling()


def _matrix(weight: Tensor) -> Tensor:
    """(A, B, 4, 4), channels-last -> (A, 16B), the same memory."""
    return weight.permute(0, 2, 3, 1).flatten(1)


class _Gathered(torch.autograd.Function):
    """Windows of 4×4 pixels, 2 apart: (N, C, H, W) -> (N, H/2, W/2, 16C)."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        windows = padded.unfold(1, 4, 2).unfold(2, 4, 2)  # (N, H/2, W/2, C, 4, 4)
        return windows.permute(0, 1, 2, 4, 5, 3).flatten(3)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        x: Tensor = _Scattered.apply(gradient)
        return x


class _Scattered(torch.autograd.Function):
    """The sum of windows of 4×4 pixels, 2 apart: (N, H, W, 16C) -> (N, C, 2H, 2W)."""

    @staticmethod
    def forward(_: Any, windows: Tensor) -> Tensor:
        n, height, width, _values = windows.shape
        windows = windows.reshape(n, height, width, 4, 4, -1)
        padded = windows.new_zeros(n, 2 * height + 2, 2 * width + 2, windows.shape[-1])
        for row in range(4):
            for column in range(4):
                padded[:, row : row + 2 * height : 2, column : column + 2 * width : 2] += windows[:, :, :, row, column]
        x = padded[:, 1:-1, 1:-1].permute(0, 3, 1, 2)
        return x.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        windows: Tensor = _Gathered.apply(gradient)
        return windows
