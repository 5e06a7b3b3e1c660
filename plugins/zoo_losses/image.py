"""Losses that compare the chroma of every pixel, or what a critic sees in it.

One unit of chroma is 110 units of a* or b*.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.registry.contracts import Picture, Step


class L1(nn.Module):
    """Mean absolute error of the chroma."""

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        """Compare two batches of pictures."""
        return F.l1_loss(fake.chroma.float(), real.chroma.float())


class Distance(nn.Module):
    """Mean distance in the a*b* plane: what `chroma_error` measures, in units of chroma.

    The norm of the difference, which no axis is special to; `l1` pulls a* and b* to grey one by one.
    """

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        """Compare two batches of pictures."""
        distance: Tensor = torch.linalg.vector_norm(fake.chroma.float() - real.chroma.float(), dim=1).mean()
        return distance


class L2(nn.Module):
    """Mean squared error of the chroma."""

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        """Compare two batches of pictures."""
        return F.mse_loss(fake.chroma.float(), real.chroma.float())


class SmoothL1(nn.Module):
    """Mean error of the chroma: squared, over twice `beta`, below `beta`; absolute, less half of `beta`, above.

    It is Huber's loss over `beta` (Girshick 2015, Fast R-CNN).

    Args:
        beta: Where the square turns into a straight line, in units of chroma (0.1 is 11 units of a* or b*).
    """

    def __init__(self, *, beta: Annotated[float, Field(gt=0)] = 0.1) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        """Compare two batches of pictures."""
        return F.smooth_l1_loss(fake.chroma.float(), real.chroma.float(), beta=self.beta)


class FeatureMatching(nn.Module):
    """Mean absolute difference of what a critic sees, over its layers (Wang et al. 2018, pix2pixHD).

    It needs a critic that offers its features, such as `patch:features=true`.
    """

    def forward(self, fake: Picture, real: Picture, step: Step) -> Tensor:  # noqa: ARG002
        """Compare the critic's features of two batches of pictures."""
        pairs = zip(step.fake_features, step.real_features, strict=True)
        return torch.stack([F.l1_loss(fake, real) for fake, real in pairs]).mean()
