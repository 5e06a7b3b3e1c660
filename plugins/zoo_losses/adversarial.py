"""Both sides of the game between generator and critic, over logits of any shape, in float32.

The critic's side is the mean, not the sum, of what it gets wrong about originals and about fakes, as in pix2pix.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F


class CrossEntropy:
    """The non-saturating game of the first GAN (Goodfellow et al. 2014), over each patch.

    Args:
        smooth: By how much the critic's target for originals falls short of 1 (one-sided label smoothing, Salimans
            et al. 2016).
    """

    def __init__(self, *, smooth: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> None:
        self.smooth = smooth

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Tell originals from fakes."""
        return (cross_entropy(real, 1 - self.smooth) + cross_entropy(fake, 0.0)) / 2

    def generator(self, fake: Tensor) -> Tensor:
        """Pass for an original."""
        return cross_entropy(fake, 1.0)


class LeastSquares:
    """The game with squared errors: originals towards 1, fakes towards 0 (Mao et al. 2017, LSGAN)."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Tell originals from fakes."""
        return ((real.float() - 1).square().mean() + fake.float().square().mean()) / 2

    def generator(self, fake: Tensor) -> Tensor:
        """Pass for an original."""
        return (fake.float() - 1).square().mean()


class Hinge:
    """The game with a margin: originals above 1, fakes below -1 (Lim & Ye 2017, Geometric GAN)."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Tell originals from fakes."""
        return (F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()) / 2

    def generator(self, fake: Tensor) -> Tensor:
        """Pass for an original."""
        return -fake.float().mean()


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Return the mean cross-entropy between the sigmoid of logits and one target for all."""
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
