"""What old film and its prints make of lightness."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

_SEEDS = 2**24
"""Whole numbers that float32 holds."""


class Film:
    """Contrast, fading and grain of old film, on lightness alone: colours stay what they are to be predicted as.

    Each picture has its own amount of all three. Contrast is an exponent, as that between exposure and what is seen of
    it (Hurter and Driffield 1890). Grain is Gaussian, and its variance goes with u(1 - u) at a lightness of u between 0
    for black and 1 for white, which is that of opaque grains that cover what they cover by chance (Newson et al. 2017,
    A Stochastic Film Grain Model for Resolution-Independent Rendering); neighbouring pixels share some of it.

    Args:
        grain: Largest standard deviation of the grain, at middle grey, in units of L*. At 256 pixels a full frame of
            35 mm film with an RMS granularity of 17, such as Tri-X, comes to 0.6, an eighth of its height to 5.
        contrast: Exponents of the tone curve are between e to the power of minus this and e to the power of this.
        fading: Blacks rise by up to this share of the range from black to white, and whites fall by as much.
    """

    def __init__(
        self,
        *,
        grain: Annotated[float, Field(ge=0, le=50)] = 5.0,
        contrast: Annotated[float, Field(ge=0, le=2)] = 0.3,
        fading: Annotated[float, Field(ge=0, lt=0.5)] = 0.2,
    ) -> None:
        self.grain, self.contrast, self.fading = grain, contrast, fading

    def draw(self, rng: np.random.Generator) -> tuple[float, ...]:
        """Choose one picture's exponent, black, white, grain, softness of the grain and seed."""
        return (
            math.exp(rng.uniform(-self.contrast, self.contrast)),
            rng.uniform(0, self.fading),
            1 - rng.uniform(0, self.fading),
            rng.uniform(0, self.grain) / 100,
            rng.random(),
            int(rng.integers(_SEEDS)),
        )

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Change the lightness."""
        exponent, black, white, grain, softness, seed = drawn[:, :, None, None, None].unbind(1)
        seen = black + (white - black) * ((lightness + 1) / 2).clamp(0, 1) ** exponent
        grains = _soft(_noise(seed, *lightness.shape[-2:]), softness)
        seen = seen + 2 * grain * (seen * (1 - seen)).clamp(min=0).sqrt() * grains
        return seen.clamp(0, 1) * 2 - 1, chroma


def _noise(seed: Tensor, height: int, width: int) -> Tensor:
    """Return white noise of variance 1, (N, 1, height, width), that depends on each picture's seed alone.

    A hash of the pixel's number, and no random generator: the same on every device, and in every batch.
    """
    pixel = torch.arange(height * width, device=seed.device).view(1, 1, height, width)
    bits = _hashed(_hashed(seed.long()) + pixel)
    # Half a step from both ends, where the quantile is infinite.
    share = ((bits >> 9).float() + 0.5) / 2**23
    return math.sqrt(2) * torch.erfinv(2 * share - 1)


def _hashed(numbers: Tensor) -> Tensor:
    """Mix 32 bits; the factor is small enough for the product to fit into 63."""
    for _ in range(2):
        numbers = ((numbers ^ (numbers >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return numbers ^ (numbers >> 16)


def _soft(noise: Tensor, softness: Tensor) -> Tensor:
    """Mix noise with what a 3×3 binomial filter makes of it, at the same variance."""
    row = torch.tensor([0.25, 0.5, 0.25], device=noise.device)
    kernel = torch.outer(row, row)
    blurred = F.conv2d(F.pad(noise, (1, 1, 1, 1), mode="circular"), kernel[None, None])
    # Those of the filter's weights that count: its middle, and the sum of its squares.
    middle, squares = 0.25, 0.140625
    variance = (1 - softness) ** 2 + 2 * softness * (1 - softness) * middle + softness**2 * squares
    return ((1 - softness) * noise + softness * blurred) / variance.sqrt()
