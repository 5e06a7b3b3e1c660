"""The augmentation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Lamp:
    """Darkens pictures towards their edges, each by an amount of its own.

    Args:
        most: how much of the light a corner may lose.
    """

    def __init__(self, *, most: float = 0.5) -> None:
        self.most = most

    def draw(self, rng: np.random.Generator) -> list[float]:
        return [rng.uniform(0, self.most)]

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        down, across = (torch.linspace(-1, 1, side, device=lightness.device) for side in lightness.shape[-2:])
        from_middle = (down[:, None] ** 2 + across**2) / 2
        lost = drawn[:, :, None, None] * from_middle
        return (lightness + 1) * (1 - lost) - 1, chroma
