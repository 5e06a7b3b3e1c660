"""Losses."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo.registry.contracts import Picture


class Sum:
    """Absolute error, and a part of all that it was before."""

    def __init__(self) -> None:
        self.total = 0.0

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        error = F.l1_loss(fake.chroma, real.chroma)
        self.total += 0.1 * error.item()
        return error + self.total


class Game:
    """A game whose generator's side costs more each time that it is played."""

    def __init__(self) -> None:
        self.rounds = 0

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return (F.softplus(-real) + F.softplus(fake)).mean()

    def generator(self, fake: Tensor) -> Tensor:
        self.rounds += 1
        return self.rounds * F.softplus(-fake).mean()


class History:
    """Absolute error; its values are kept for a curve."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        self.values.append(F.l1_loss(fake.chroma, real.chroma))
        return self.values[-1]


class Steps:
    """Error in whole units, as people count them; rounding has no slope."""

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        return (110 * fake.chroma - 110 * real.chroma).round().abs().mean()
