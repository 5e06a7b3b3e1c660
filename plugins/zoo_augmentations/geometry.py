"""Where a picture is taken from, and which way round it is."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor


class Crop:
    """A random square of the photograph, resized to the recipe's `size`.

    Args:
        smallest: The square's side is at least this share of the photograph's short side.
    """

    def __init__(self, *, smallest: Annotated[float, Field(gt=0, le=1)] = 0.6) -> None:
        self.smallest = smallest

    def window(self, rng: np.random.Generator, height: int, width: int) -> tuple[int, int, int]:
        """Choose top, left and side, in pixels of the photograph."""
        side = max(1, round(min(height, width) * rng.uniform(self.smallest, 1)))
        return int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)), side


class Flip:
    """Mirrors half of the pictures, left for right."""

    def draw(self, rng: np.random.Generator) -> tuple[float]:
        """Decide for one picture."""
        return (float(rng.random() < 0.5),)

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Mirror those that it was decided for."""
        mirrored = drawn[:, :, None, None] > 0.5
        return torch.where(mirrored, lightness.flip(-1), lightness), torch.where(mirrored, chroma.flip(-1), chroma)

    def extra(self, tensor: Tensor, drawn: Tensor) -> Tensor:
        """Mirror what belongs to those pictures, too."""
        return torch.where(drawn[:, :, None, None] > 0.5, tensor.flip(-1), tensor)
