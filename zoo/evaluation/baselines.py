"""What a model has to be better than: leaving a photograph grey, and giving each lightness its usual colour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.photo import Photo, color

GREY = "grey"
SEPIA = "sepia"
LEARNED_FROM = 1000
"""Photographs that `sepia` learns from, at most."""

_PIXELS = 4096
"""Of each photograph, spread over it: a large one counts as much as a small one."""
_LEVELS = 21
"""Lightnesses with a colour of their own, 5 L* apart; in between, colours are interpolated."""
_STEP = 0.5
"""Units of a* and b* that are told apart."""
_CHROMA = np.arange(-110, 110, _STEP) + _STEP / 2


@dataclass(frozen=True)
class Sepia:
    """The median chroma of every lightness: what can be known of colours without looking at what is in the picture."""

    ab: Tensor
    """float32 (2, levels): a* and b* of the lightnesses from 0 to 100."""

    @classmethod
    def learned(cls, photos: Iterable[Tensor]) -> Sepia:
        """Learn from photographs, uint8 (3, H, W), one at a time."""
        counts = np.zeros((2, _LEVELS, len(_CHROMA)))
        for photo in photos:
            pixels = photo.flatten(1)
            pixels = pixels[:, torch.linspace(0, pixels.shape[1] - 1, min(_PIXELS, pixels.shape[1])).long()]
            lab = color.rgb_to_lab(pixels[:, None])[:, 0].numpy()
            level = np.rint(lab[0] * ((_LEVELS - 1) / 100)).astype(int).clip(0, _LEVELS - 1)
            for channel in (0, 1):
                bin_ = ((lab[1 + channel] + 110) / _STEP).astype(int).clip(0, len(_CHROMA) - 1)
                np.add.at(counts[channel], (level, bin_), 1 / len(level))
        return cls(torch.from_numpy(_medians(counts)).float())

    def colorize(self, photo: Photo) -> Tensor:
        """Give a photograph the colours of its lightnesses: uint8 (3, H, W)."""
        place = (photo.lightness[0] * ((_LEVELS - 1) / 100)).clamp(0, _LEVELS - 1)
        below = place.floor().clamp(max=_LEVELS - 2).long()
        share = place - below
        return color.join(photo.lightness, self.ab[:, below] * (1 - share) + self.ab[:, below + 1] * share)


def grey(photo: Photo) -> Tensor:
    """Leave a photograph grey: uint8 (3, H, W)."""
    return color.join(photo.lightness, torch.zeros(2, *photo.lightness.shape[1:]))


def sepia_of_halves(photos: Callable[[int], Iterable[Tensor]]) -> Sequence[Sepia]:
    """Learn twice, where there are no other photographs: what colours one half learned from the other half.

    Args:
        photos: from 0 or 1 to the photographs of that half.

    Returns:
        For each half, what it may be coloured by.
    """
    return [Sepia.learned(photos(1)), Sepia.learned(photos(0))]


def _medians(
    counts: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Take the median of each histogram; where there is none, that of the nearest lightness."""
    filled = counts.sum((0, 2)) > 0
    if not filled.any():
        return np.zeros((2, _LEVELS))
    half = counts.sum(2, keepdims=True) / 2
    medians = _CHROMA[(counts.cumsum(2) >= half).argmax(2)]
    levels = np.arange(_LEVELS)
    return np.stack([np.interp(levels, levels[filled], channel[filled]) for channel in medians])
