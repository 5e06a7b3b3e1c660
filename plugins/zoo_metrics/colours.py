"""Metrics that compare which colours there are, in all pictures together, with those of the originals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.photo import color
from zoo.registry.contracts import Picture
from zoo_metrics.precision import in_float64

BIN = 10
"""Units of a* and b* along a bin, as in Zhang et al. (2016), Colorful image colorization. Grey is the middle of one."""
_FARTHEST = 11  # bins from the middle one: sRGB reaches as far as 108 units
_SIDE = 2 * _FARTHEST + 1


class Colourfulness:
    """Hasler & Süsstrunk (2003), Measuring colourfulness in natural images, as a ratio to the originals'.

    The differences of opponent colours are signed, as in the paper; the common implementation takes their absolute
    values and comes to about 10% less.
    """

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


class ABHistogram:
    """Jensen-Shannon divergence between the a*b* histograms of pictures and originals, in bits. Lower is better.

    0 is the same colours in the same shares, wherever they are; 1 is none in common. Bins are 10 units wide, and each
    picture counts as much as another, whatever its size.
    """

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar, from 0 to 1."""
        return self.compare(self.features(fake), self.features(real))

    def features(self, picture: Picture) -> Tensor:
        """Return the histogram of each picture, (N, 529), which sums up to 1."""
        return picture.cached((ABHistogram, BIN), lambda: histograms(picture.chroma))

    def compare(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the divergence of the mean histograms."""
        p, q = (in_float64(one).mean(dim=0) for one in (fake, real))
        bits = (_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2) / math.log(2)
        return bits.clamp_min(0)


class Bins:
    """How many a*b* bins there are colours in: effectively, and as a share of the originals'. Higher is better.

    `effective` is the exponential of the entropy of the mean a*b* histogram: the number of bins that, equally full,
    would be as diverse (Hill 1973). It is 1 for greys. `covered` is the share of the bins with any colour of the
    originals in which the pictures have any, too. Bins are 10 units wide.
    """

    def __call__(self, fake: Picture, real: Picture) -> dict[str, Tensor]:
        """Return `effective`, at least 1, and `covered`, from 0 to 1."""
        return self.compare(self.features(fake), self.features(real))

    def features(self, picture: Picture) -> Tensor:
        """Return the histogram of each picture, (N, 529), which sums up to 1."""
        return picture.cached((ABHistogram, BIN), lambda: histograms(picture.chroma))

    def compare(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return the numbers of the mean histograms."""
        p, q = (in_float64(one).mean(dim=0) for one in (fake, real))
        covered = ((p > 0) & (q > 0)).sum() / (q > 0).sum()
        return {"effective": _entropy(p).exp(), "covered": torch.where(p.isnan().any(), p.sum(), covered)}


def histograms(chroma: Tensor) -> Tensor:
    """Return the share of a picture's pixels in each a*b* bin: (N, 2, H, W) -> (N, 529), in float32.

    Colours beyond ±115 units count in the outermost bins; a picture with what is no number has none but such.
    """
    place = (chroma.nan_to_num() * (color.AB_SCALE / BIN)).round().clamp(-_FARTHEST, _FARTHEST).long() + _FARTHEST
    bins = (place[:, 0] * _SIDE + place[:, 1]).flatten(1)
    counts = torch.zeros(len(bins), _SIDE**2, dtype=torch.int64, device=bins.device)
    counts.scatter_add_(1, bins, torch.ones_like(bins))
    known = chroma.isfinite().flatten(1).all(dim=1, keepdim=True)
    return (counts.float() / bins.shape[1]).masked_fill(~known, math.nan)


def _entropy(shares: Tensor) -> Tensor:
    entropy: Tensor = torch.special.entr(shares).sum()
    return entropy


def _spread(colours: Tensor) -> Tensor:
    spread: Tensor = torch.linalg.vector_norm(colours.std(dim=0, correction=0))
    return spread


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    # Chosen on the device, which nobody needs to wait for.
    return torch.where(b > 0, a / b, 1.0)
