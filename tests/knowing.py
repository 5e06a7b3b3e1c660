"""Losses that know more than pictures, the smallest of each kind, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import Step
from zoo.registry.contracts import PhotoDataset, Picture
from zoo.testing import registered


def ramp(fake: Picture, real: Picture, step: Step) -> Tensor:
    """Rise over the first half."""
    return (2 * step.progress).clamp(max=1) * F.l1_loss(fake.chroma, real.chroma) + 0 * step.number


class Uncertain(nn.Module):
    """Weigh itself (Kendall et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(()))
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        return F.mse_loss(fake.chroma, real.chroma) * (-self.log_variance).exp() + self.log_variance


class Counting(nn.Module):
    """Fall with each call, and be no number at some."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        self.calls += 1
        return F.l1_loss(fake.chroma, real.chroma) / self.calls


class Relativistic:
    """The relativistic game (Jolicoeur-Martineau 2018)."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(fake - real).mean()

    def generator(self, fake: Tensor, real: Tensor) -> Tensor:
        assert not real.requires_grad
        return F.softplus(real - fake).mean()


class Margin(nn.Module):
    """A game with a margin that is learned, and a penalty that rises."""

    def __init__(self) -> None:
        super().__init__()
        self.margin = nn.Parameter(torch.ones(()))

    def critic(self, real: Tensor, fake: Tensor, step: Step) -> Tensor:
        return F.softplus(fake - real).mean() + 0 * step.number

    def generator(self, fake: Tensor, step: Step) -> Tensor:
        return (self.margin - fake).square().mean() * (1 - step.progress)

    def penalty(self, critic: Any, real: Picture, fake: Picture, step: Step) -> Tensor:
        logits = critic(fake.lightness, real.chroma)
        assert isinstance(logits, Tensor)
        return step.progress * logits.square().mean()


class Rare(nn.Module):
    """Weigh colours by how rare they are (Zhang et al. 2016)."""

    looked_at = 0
    weights: Tensor

    def __init__(self, photos: PhotoDataset, restoring: bool) -> None:
        super().__init__()
        found = torch.zeros(2)
        if not restoring:
            Rare.looked_at += len(photos)
            for index in range(len(photos)):
                found += photos[index].float().mean(dim=(1, 2))[1:] / 255
        self.register_buffer("weights", found)

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        return ((fake.chroma - real.chroma).abs() * self.weights.view(1, 2, 1, 1)).mean()


@contextmanager
def knowing_losses() -> Iterator[None]:
    """Have zoo know them."""
    with registered() as add:
        add("loss", "ramp", lambda: ramp)
        for name, loss in (("uncertain", Uncertain), ("counting", Counting), ("rare", Rare)):
            add("loss", name, loss)
        add("loss", "relativistic", Relativistic, adversarial=True)
        add("loss", "margin", Margin, adversarial=True)
        yield
