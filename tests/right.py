"""Components of every kind that are right: those that are wrong begin with one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo import Run, hookimpl
from zoo.registry.contracts import Picture, Split


class Gen(nn.Module):
    """A generator that is right.

    Args:
        width: Channels.
    """

    multiple = 2

    def __init__(self, *, width: int = 2) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, width, 2, stride=2)
        self.up = nn.ConvTranspose2d(width, 2, 2, stride=2)

    def forward(self, lightness: Tensor) -> Tensor:
        return self.up(self.down(lightness))


class Judge(nn.Module):
    """A critic that is right."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        return self.conv(torch.cat([lightness, chroma], dim=1))


class Game:
    """An adversarial loss that is right."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return (fake - real).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class Photos:
    """A data set that is right."""

    fingerprint = "always the same"

    def __init__(self, *, split: Split) -> None:
        self.split = split
        self.fingerprint = f"photos, {split}"

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Tensor:
        seed = torch.Generator().manual_seed(index + 100 * (self.split == "val"))
        return torch.randint(256, (3, 20, 24), generator=seed, dtype=torch.uint8)


def difference(*, power: Literal[1, 2] = 1) -> Callable[[Picture, Picture], Tensor]:
    """A loss that is right.

    Args:
        power: Of the difference.
    """
    return lambda fake, real: (fake.chroma - real.chroma).abs().pow(power).mean()


def distance() -> Callable[[Picture, Picture], Tensor]:
    """Make a metric that is right."""
    return lambda fake, real: (fake.chroma - real.chroma).abs().mean()


class Diary:
    """A tracker that is right."""

    @hookimpl
    def zoo_alarm(self, run: Run, message: str) -> None:
        (run.path / "diary.txt").write_text(message)


class Brighter:
    """An augmentation that is right."""

    def draw(self, rng: Any) -> tuple[float, ...]:
        return (rng.random() / 10, 1.0)

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return lightness.lerp(torch.ones_like(lightness), drawn[:, :1, None, None]), chroma


class Descent(torch.optim.SGD):
    """An optimizer that is right."""

    def __init__(self, params: Any, *, lr: float) -> None:
        super().__init__(params, lr=lr, momentum=0.9)
