"""Sums over many pictures, in float64."""

from __future__ import annotations

from torch import Tensor


def in_float64(numbers: Tensor) -> Tensor:
    """Return numbers in float64: on their device, or on the CPU where that has no such numbers."""
    return numbers.cpu().double() if numbers.device.type == "mps" else numbers.double()
