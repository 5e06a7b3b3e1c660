"""Components of every kind that break their contract in one way each: what a run says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from right import Game, Gen, Judge, Photos
from torch import Tensor


class Pair(Gen):
    """Returns a list."""

    def forward(self, lightness: Tensor) -> Any:
        return [super().forward(lightness)]


class Whole(Gen):
    """Returns whole numbers."""

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness).long()


class Named(Judge):
    """Returns a dict."""

    def forward(self, lightness: Tensor, chroma: Tensor) -> Any:
        return {"logits": super().forward(lightness, chroma)}


class Silent(Judge):
    """Returns no scale."""

    def forward(self, lightness: Tensor, chroma: Tensor) -> Any:
        return []


class Crooked(Gen):
    """Has a fault."""

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness) + {"shift": 1}["shfit"]


class Arrays(Photos):
    """Photographs as arrays."""

    def __getitem__(self, index: int) -> Any:
        return np.asarray(super().__getitem__(index))


class Torn(Photos):
    """Has a fault."""

    def __getitem__(self, index: int) -> Tensor:
        return [super().__getitem__(index)][index + 1]


class HalfGame:
    """One side of the game."""

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class Often(Game):
    """A penalty at every half step."""

    penalty_every = 0.5

    def penalty(self, *_: Any) -> Tensor:
        return torch.zeros(())


class Vector(Game):
    """No scalar."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return (fake - real).flatten()


def number() -> Any:
    """Return a float."""
    return lambda fake, real: 0.5


def constant() -> Any:
    """Return a constant."""
    return lambda fake, real: torch.ones(())


def many() -> Any:
    """Return a number per picture."""
    return lambda fake, real: torch.ones(2)


def nobody() -> Any:
    """Return nothing."""
    return lambda fake, real: None
