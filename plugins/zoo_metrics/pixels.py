"""Metrics that compare each picture with its original, pixel by pixel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.photo import color
from zoo.registry.contracts import Picture
from zoo_metrics.parts import mean_over_parts


class ChromaError:
    """Mean distance in the a*b* plane, in L*a*b* units; 2 is about the smallest that people see. Lower is better."""

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar."""
        distance: Tensor = (fake.chroma - real.chroma).norm(dim=1).mean() * color.AB_SCALE
        return distance


MOST_DECIBELS = 100.0
"""What a perfect picture counts in `PSNR`. 8 bits of sRGB, rounded, have 59."""


class PSNR:
    """Peak signal-to-noise ratio of sRGB, in dB: the mean of that of each picture. Higher is better.

    A picture like its original would have infinitely many, and the mean with it: 100 are the most that one counts.
    """

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar."""
        mse = (fake.rgb - real.rgb).square().mean(dim=(1, 2, 3))
        decibels: Tensor = (-10 * mse.log10()).clamp_max(MOST_DECIBELS)
        return decibels.mean()


class CIEDE2000:
    """Mean colour difference CIEDE2000 (CIE 142-2001): 1 is about the smallest that people see. Lower is better.

    Like chroma_error it looks at the colours that were predicted, whether sRGB has them or not; unlike it, it weighs
    differences as eyes do: less between saturated colours than near grey.
    """

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar."""
        return mean_over_parts(
            lambda *parts: ciede2000(_lab(*parts[:2]), _lab(*parts[2:])).mean(dim=(1, 2)),
            fake.lightness, fake.chroma, real.lightness, real.chroma,
        )  # fmt: skip


class SSIM:
    """Structural similarity (Wang et al. 2004) of red, green and blue, the mean over the three. Higher is better.

    With the settings of the paper: a Gaussian window of 11 pixels and σ = 1.5, K1 = 0.01, K2 = 0.03, only where the
    whole window is inside of the picture. At most 1. As the lightness is given, grey pictures have much of it, too.
    """

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar."""
        return mean_over_parts(structural_similarity, fake.rgb, real.rgb)


def _lab(lightness: Tensor, chroma: Tensor) -> Tensor:
    return torch.cat(((lightness + 1) * color.LIGHTNESS_SCALE, chroma * color.AB_SCALE), 1)


def ciede2000(first: Tensor, second: Tensor) -> Tensor:
    """Compare colours in L*a*b*, (N, 3, …) each: (N, …), in units of CIEDE2000.

    As Sharma, Wu and Dalal (2005) write it, The CIEDE2000 color-difference formula, with kL = kC = kH = 1.
    """
    (l1, a1, b1), (l2, a2, b2) = first.unbind(1), second.unbind(1)
    chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    stretch = 1.5 - _saturation(chroma) / 2  # 1 + G
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = (torch.atan2(b, a) % math.tau for a, b in ((a1, b1), (a2, b2)))
    between = h2 - h1
    far, has_hues = between.abs() > math.pi, c1 * c2 > 0
    between = torch.where(far, between - math.tau * between.sign(), between)
    around = h1 + h2
    hue = torch.where(far, around + torch.where(around < math.tau, math.tau, -math.tau), around) / 2
    hue = torch.where(has_hues, hue, around)
    lightness, chroma = (l1 + l2) / 2 - 50, (c1 + c2) / 2
    t = (
        1
        - 0.17 * torch.cos(hue - math.radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + math.radians(6))
        - 0.20 * torch.cos(4 * hue - math.radians(63))
    )
    by_lightness = (l2 - l1) / (1 + 0.015 * lightness.square() / (20 + lightness.square()).sqrt())
    by_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    by_hue = 2 * (c1 * c2).sqrt() * torch.sin(between / 2) / (1 + 0.015 * chroma * t)
    turn = math.radians(30) * torch.exp(-((torch.rad2deg(hue) - 275) / 25).square())
    rotation = -torch.sin(2 * turn) * 2 * _saturation(chroma)
    squares = by_lightness.square() + by_chroma.square() + by_hue.square() + rotation * by_chroma * by_hue
    return squares.clamp_min(0).sqrt()


def _saturation(chroma: Tensor) -> Tensor:
    seventh = chroma**7
    return (seventh / (seventh + 25.0**7)).sqrt()


_RADIUS = 5
_GAUSSIAN = [math.exp(-((place / 1.5) ** 2) / 2) for place in range(-_RADIUS, _RADIUS + 1)]
_WINDOW = [weight / sum(_GAUSSIAN) for weight in _GAUSSIAN]


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """Compare pictures of the range [0, 1], (N, C, H, W) of at least 11 pixels a side: (N,), the mean over channels."""
    # Around 0, squares lose less of their digits.
    x, y = first - 0.5, second - 0.5
    mean_x, mean_y = _blurred(x), _blurred(y)
    variances = _blurred(x * x) - mean_x * mean_x + _blurred(y * y) - mean_y * mean_y
    covariance = _blurred(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + 0.5, mean_y + 0.5
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    similarity: Tensor = luminance * (2 * covariance + c2) / (variances + c2)
    return similarity.mean(dim=(1, 2, 3))


def _blurred(pictures: Tensor) -> Tensor:
    """Take the mean under a Gaussian window, where all of it is inside."""
    for side in (-1, -2):
        inside = pictures.shape[side] - 2 * _RADIUS
        # Shifted pictures, added up: a third of the time of a convolution with one channel per group.
        shifted = [pictures.narrow(side, place, inside) for place in range(len(_WINDOW))]
        total = shifted[0] * _WINDOW[0]
        for one, weight in zip(shifted[1:], _WINDOW[1:], strict=True):
            total.add_(one, alpha=weight)
        pictures = total
    return pictures
