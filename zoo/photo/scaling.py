"""Photographs as tensors at other sizes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def central_crop(photo: Tensor, size: int) -> Tensor:
    """Cut the largest square out of the middle of a photo, uint8 (3, H, W), and resize it."""
    height, width = photo.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(photo[:, top : top + side, left : left + side], size, size)


def resize(photo: Tensor, height: int, width: int) -> Tensor:
    """Resize (C, H, W), of whatever type, with antialiasing."""
    if photo.shape[1:] == (height, width):
        return photo.contiguous()
    return F.interpolate(photo[None], (height, width), mode="bilinear", antialias=True)[0]
