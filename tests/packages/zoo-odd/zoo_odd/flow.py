"""Flow matching: Lipman et al. (2023), Flow Matching for Generative Modeling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Flow(nn.Module):
    """Learns in which direction noise becomes colours, and goes there in a few Euler steps.

    Args:
        width: channels between its convolutions.
        steps: Euler steps from noise to colours.
    """

    def __init__(self, *, width: int = 8, steps: int = 4) -> None:
        super().__init__()
        self.steps = steps
        self.net = nn.Sequential(nn.Conv2d(4, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, 2, 3, padding=1))

    def velocity(self, lightness: Tensor, chroma: Tensor, time: Tensor) -> Tensor:
        return self.net(torch.cat([lightness, chroma, time.expand_as(lightness)], 1)).float()

    def forward(self, lightness, noise):
        chroma = noise(2, *lightness.shape[2:])
        for step in range(self.steps):
            time = lightness.new_full((1, 1, 1, 1), step / self.steps)
            chroma = chroma + self.velocity(lightness, chroma, time) / self.steps
        return chroma

    def learn(self, real, noise):
        start = noise(2, *real.lightness.shape[2:])
        time = torch.rand(len(start), 1, 1, 1, device=start.device)
        between = (1 - time) * start + time * real.chroma
        velocity = self.velocity(real.lightness, between, time)
        return between + (1 - time) * velocity, {"flow": F.mse_loss(velocity, real.chroma - start)}
