"""A generator that is given noise, and one that is given hints."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Noisy(nn.Module):
    """Predicts one of many colourings: which one, noise says.

    Args:
        width: channels between its convolutions.
    """

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(width, 2, 3, padding=1)
        )

    def forward(self, lightness, noise):
        mood, grain = noise(1, 1, 1), noise(1, *lightness.shape[2:])
        return self.net(torch.cat([lightness, grain, mood.expand_as(lightness)], 1))


class Hinted(nn.Module):
    """Spreads colours that somebody gave.

    Args:
        width: channels between its convolutions.
    """

    multiple = 8

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(4, width, 9, padding=4), nn.ReLU(), nn.Conv2d(width, 2, 9, padding=4))

    def forward(self, lightness: Tensor, hints: Tensor) -> Tensor:
        return self.net(torch.cat([lightness, hints], 1))
