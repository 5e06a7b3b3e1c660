"""Many pictures, a few at a time: what is computed between takes no more memory than theirs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_PIXELS = 2**20
"""Pixels that are measured at a time: 16 pictures of 256 × 256."""


def over_parts(measure: Callable[..., Tensor], *pictures: Tensor, pixels: int = _PIXELS) -> Tensor:
    """Return what a function makes of pictures, (N, …) of each argument, called with as many as have so many pixels."""
    height, width = pictures[0].shape[-2:]
    parts = zip(*(torch.split(one, max(1, pixels // (height * width))) for one in pictures), strict=True)
    return torch.cat([measure(*part) for part in parts])


def mean_over_parts(measure: Callable[..., Tensor], *pictures: Tensor, pixels: int = _PIXELS) -> Tensor:
    """Return the mean of a number for each picture: a scalar."""
    return over_parts(measure, *pictures, pixels=pixels).mean()
