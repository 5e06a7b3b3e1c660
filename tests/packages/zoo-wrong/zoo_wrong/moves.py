"""Augmentations, an optimizer and a metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo.registry.contracts import Picture


class Mean:
    """Brings every picture to the lightness that the batch has in the mean."""

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        own = lightness.mean(dim=(1, 2, 3), keepdim=True)
        return (lightness - own + own.mean()).clamp(-1, 1), chroma


class Grain:
    """Adds grain that is drawn on the device, past the numbers that zoo keeps."""

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return (lightness + 0.05 * torch.randn_like(lightness)).clamp(-1, 1), chroma


class Amnesia(torch.optim.Optimizer):
    """Gradient descent with a momentum that is kept beside its state."""

    def __init__(self, params: Any, *, lr: float) -> None:
        super().__init__(params, {"lr": lr})
        self.momentum: dict[Any, Tensor] = {}

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    before = self.momentum.get(parameter, torch.zeros_like(parameter))
                    self.momentum[parameter] = 0.9 * before + parameter.grad
                    parameter -= group["lr"] * self.momentum[parameter]


class Eraser:
    """The mean error; it overwrites what it is given on the way."""

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        return fake.chroma.sub_(real.chroma).abs_().mean()
