"""Metrics that compare coloured photographs with their originals, all of them at once."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.photo import color
from zoo.registry.contracts import Picture


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


class Colourfulness:
    """Hasler & Süsstrunk (2003), Measuring colourfulness in natural images, as a ratio to the originals'."""

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar: 1 is as colourful as the originals are."""
        return self.compare(self.features(fake), self.features(real))

    def features(self, picture: Picture) -> Tensor:
        """Return the colourfulness of each picture, (N, 1), in the paper's units."""
        return color.colourfulness(picture.rgb).unsqueeze(1)

    def compare(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the ratio of the means."""
        return _ratio(fake.mean(), real.mean())


class Variety:
    """Spread of the pictures' mean colours, as a ratio to the originals'.

    A generator that gives every picture the same colours (mode collapse, or averaging) falls towards 0.
    """

    smallest = 2

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar: 1 is as varied as the originals are."""
        return self.compare(self.features(fake), self.features(real))

    def features(self, picture: Picture) -> Tensor:
        """Return the mean colour of each picture, (N, 2), as chroma."""
        return picture.chroma.mean(dim=(2, 3))

    def compare(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the ratio of the spreads."""
        return _ratio(_spread(fake), _spread(real))


def _spread(colours: Tensor) -> Tensor:
    spread: Tensor = torch.linalg.vector_norm(colours.std(dim=0, correction=0))
    return spread


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    # Chosen on the device, which nobody needs to wait for.
    return torch.where(b > 0, a / b, 1.0)
