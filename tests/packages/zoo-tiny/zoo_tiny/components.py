"""The components themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.registry.contracts import Picture


class TinyGenerator(nn.Module):
    """Three convolutions, at half the size.

    Args:
        width: channels between them.
    """

    multiple = 2

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 2, 4, stride=2, padding=1),
        )

    def forward(self, lightness: Tensor) -> Tensor:
        chroma: Tensor = self.net(lightness)
        return chroma


class TinyCritic(nn.Module):
    """Judges the picture, and the picture at half its size."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, lightness: Tensor, chroma: Tensor) -> list[Tensor]:
        picture = torch.cat([lightness, chroma], dim=1)
        return [self.net(picture), self.net(F.avg_pool2d(picture, 2))]


def tiny_mean(*, power: Literal[1, 2] = 1) -> Callable[[Picture, Picture], Tensor]:
    """Compare the mean colours of pictures.

    Args:
        power: 1 for the absolute distance, 2 for its square.
    """

    def loss(fake: Picture, real: Picture) -> Tensor:
        return (fake.rgb.mean((2, 3)) - real.rgb.mean((2, 3))).abs().pow(power).mean()

    return loss


class TinyWgan:
    """The critic's difference of means (Arjovsky et al. 2017), without a penalty."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class TinyStripes:
    """Stripes whose colour follows from their lightness.

    Args:
        length: photographs in an epoch.
    """

    def __init__(self, *, split: Literal["train", "val"], length: int = 8) -> None:
        self.split, self.length = split, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Tensor:
        shift = index % 5 + (0 if self.split == "train" else 5)
        row = (torch.arange(40) * (7 + shift)) % 256
        return torch.stack([row, 255 - row, row // 2])[:, None].expand(3, 32, 40).to(torch.uint8)
