"""Losses that know more than two pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import Judgement, Step
from zoo.registry.contracts import PhotoDataset, Picture


class Warm:
    """Squared error of the chroma, whose weight rises.

    Args:
        until: share of the run after which it is 1.
    """

    def __init__(self, *, until: float = 0.2) -> None:
        self.until = until

    def __call__(self, fake: Picture, real: Picture, step: Step) -> Tensor:
        # Nothing at the very start would leave nothing to learn from.
        return (0.01 + step.progress / self.until).clamp(max=1) * F.mse_loss(fake.chroma, real.chroma)


class Uncertain(nn.Module):
    """Absolute error of a* and of b*, each weighed by what is learned of its uncertainty (Kendall et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(2))

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        errors = (fake.chroma - real.chroma).abs().mean(dim=(0, 2, 3))
        return (errors * (-self.log_scale).exp() + self.log_scale).mean()


class Relativistic:
    """Originals should look more real than fakes, not real as such (Jolicoeur-Martineau 2018, relativistic GAN)."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(fake - real).mean()

    def generator(self, fake: Tensor, real: Tensor) -> Tensor:
        return F.softplus(real - fake).mean()


class Matching:
    """Distance between means of what the critic sees (Salimans et al. 2016)."""

    def __call__(self, fake: Picture, real: Picture, step: Step) -> Tensor:
        pairs = zip(step.fake_features, step.real_features, strict=True)
        return torch.stack([(f.mean(dim=0) - r.mean(dim=0)).square().mean() for f, r in pairs]).sum()


class Rare(nn.Module):
    """Absolute error of the chroma, each pixel's weighed by how rare its colour is (Zhang et al. 2016).

    Args:
        side: pixels of the thumbnails in which colours are counted.
    """

    weights: Tensor

    def __init__(self, photos: PhotoDataset, restoring: bool, *, side: int = 8) -> None:
        super().__init__()
        self.register_buffer("weights", torch.ones(4))
        if restoring:
            return
        counts = torch.zeros(4)
        for index in range(len(photos)):
            thumbnail = F.adaptive_avg_pool2d(photos[index].float(), side)
            red, green, blue = thumbnail.unbind()
            counts += torch.bincount(self._classes(red - green, (red + green) / 2 - blue).flatten(), minlength=4)
        self.weights = 1 / (0.5 * counts / counts.sum() + 0.125)

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        weights = self.weights[self._classes(*real.chroma.unbind(dim=1))]
        return (weights * (fake.chroma - real.chroma).abs().mean(dim=1)).mean()

    @staticmethod
    def _classes(a: Tensor, b: Tensor) -> Tensor:
        """Return the quadrant of the a*b* plane, roughly: 0 to 3."""
        return (a > 0).long() + 2 * (b > 0).long()


class Telling(nn.Module):
    """A critic that says what it saw.

    Args:
        width: channels between its convolutions.
    """

    def __init__(self, *, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.second = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.head = nn.Conv2d(2 * width, 1, 1)

    def forward(self, lightness: Tensor, chroma: Tensor) -> Judgement:
        x = F.leaky_relu(self.first(torch.cat([lightness, chroma], dim=1)), 0.2)
        y = F.leaky_relu(self.second(x), 0.2)
        return Judgement(self.head(y), [x, y])
