"""Generators and a critic."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

SEEN: list[Tensor] = []


class Plain(nn.Module):
    """Two convolutions, and nothing wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GELU(), nn.Conv2d(4, 2, 3, padding=1))

    def forward(self, lightness: Tensor) -> Tensor:
        return self.net(lightness)


class Company(Plain):
    """A norm that keeps no statistics: in evaluation, too, it takes those of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, track_running_stats=False)

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(self.norm(lightness))


class Zero(Plain):
    """A gate at the end that is shut, and a ReLU that keeps it so."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.tensor(-10.0))

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness) * self.gate.relu()


class Dice(Plain):
    """Grain from numbers that it draws itself."""

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness + 0.1 * torch.randn_like(lightness))


class Hoard(Plain):
    """Remembers the colours of each step, for a look at them some day."""

    def forward(self, lightness: Tensor) -> Tensor:
        chroma = super().forward(lightness)
        if self.training:
            SEEN.append(chroma.mean())
        return chroma


class Crash(nn.Module):
    """A critic in C++, as it were: it ends its process where a picture is black."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        if bool((lightness == -1).all()):
            os.abort()
        return self.net(torch.cat([lightness, chroma], 1))
