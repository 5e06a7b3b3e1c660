"""Colours as classes: Zhang et al. (2016), Colorful Image Colorization."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Bins(nn.Module):
    """Predicts how likely each of side² colours is, and learns it by cross entropy.

    Args:
        width: channels between its convolutions.
        side: colours along each of a* and b*.
        temperature: of the annealed mean: 0 would be the likeliest colour, 1 the mean of all.
    """

    def __init__(self, *, width: int = 8, side: int = 7, temperature: float = 0.38) -> None:
        super().__init__()
        self.temperature = temperature
        self.net = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, side**2, 3, padding=1))
        line = torch.linspace(-0.9, 0.9, side)
        self.register_buffer("centres", torch.cartesian_prod(line, line))

    def forward(self, lightness: Tensor) -> Tensor:
        return self._mean(self.net(lightness) / self.temperature)

    def learn(self, real):
        logits = self.net(real.lightness)
        nearest = torch.cdist(real.chroma.permute(0, 2, 3, 1).flatten(0, 2), self.centres).argmin(1)
        target = nearest.view(len(logits), *logits.shape[2:])
        return self._mean(logits), {"cross-entropy": F.cross_entropy(logits.float(), target)}

    def _mean(self, logits: Tensor) -> Tensor:
        return torch.einsum("nkhw,kc->nchw", logits.float().softmax(1), self.centres)
