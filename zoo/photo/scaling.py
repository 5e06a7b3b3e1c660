"""Photographs as tensors at other sizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def central_crop(photo: Tensor, size: int) -> Tensor:
    """Cut the largest square out of the middle of a photo, (C, H, W) or (N, C, H, W), and resize it."""
    top, left, side = central_square(photo)
    return resize(photo[..., top : top + side, left : left + side], size, size)


def central_square(photo: Tensor) -> tuple[int, int, int]:
    """Return top, left and side of the largest square in the middle of (…, H, W)."""
    height, width = photo.shape[-2:]
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side


def resize(photo: Tensor, height: int, width: int) -> Tensor:
    """Resize (C, H, W) or (N, C, H, W), uint8 or floating-point, with antialiasing."""
    if photo.shape[-2:] == (height, width):
        return photo.contiguous()
    if photo.ndim == 3:
        return resize(photo[None], height, width)[0]
    if photo.dtype in (torch.float16, torch.bfloat16):
        return resize(photo.float(), height, width).to(photo.dtype)
    return F.interpolate(photo, (height, width), mode="bilinear", antialias=True)


def resize_labels(labels: Tensor, height: int, width: int) -> Tensor:
    """Resize (…, H, W) of any type, where values in between mean nothing: each pixel is that of the nearest one."""
    rows, columns = (
        ((torch.arange(new) + 0.5) * old / new).long().clamp(max=old - 1)
        for old, new in zip(labels.shape[-2:], (height, width), strict=True)
    )
    return labels[..., rows[:, None], columns]
