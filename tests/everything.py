"""One run in which all is on that a run can do, of components that know more than pictures."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from packages_of_others import OddHints
from tiny import tiny
from torch import Tensor, nn

from zoo import Recipe
from zoo.registry.contracts import Picture
from zoo.testing import registered

RECIPE: dict[str, Any] = {
    "generator": "told",
    "critic": "odd-telling+0.5*patch:base=4,layers=1,norm=none",
    "loss": "odd-warm+odd-uncertain+0.1*odd-matching+odd-relativistic+fading",
    "data": "shuffled",
    "augment": "crop:smallest=0.6+flip+odd-lamp",
    "optimizer": "odd-sgd",
    "lr": 0.05,
    "critic_steps": 2,
    "warmup": 4,
    "progressive_sizes": (24,),
}


class Told(nn.Module):
    """Is told all that there is: noise, hints, a mask, and which frames are a clip; has a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(7, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(8, 2, 3, padding=1)
        )

    def forward(
        self, lightness: Tensor, noise: Callable[..., Tensor], hints: Tensor, given: Tensor, frames: int
    ) -> Tensor:
        clips = lightness.unflatten(0, (-1, frames))
        mean = clips.mean(dim=1, keepdim=True).expand_as(clips).flatten(0, 1)
        grain = noise(1, *lightness.shape[2:])
        return self.net(torch.cat([lightness, mean, grain, hints, given.to(lightness.dtype)], 1))  # type: ignore[no-any-return]

    def learn(
        self, real: Picture, noise: Callable[..., Tensor], hints: Tensor, given: Tensor, frames: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        chroma = self(real.lightness, noise, hints, given, frames)
        return chroma, {"saturation": F.l1_loss(chroma.norm(dim=1), real.chroma.norm(dim=1))}


class Shuffled:
    """A stream of clips with masks, in an order of chance."""

    def __init__(self, *, split: Any) -> None:
        self.photos = OddHints(split=split, length=12 if split == "train" else 2)
        self.random, self.waiting = random.Random(0), list[int]()

    def __len__(self) -> int:
        return len(self.photos)

    def __iter__(self) -> Iterator[Any]:
        while True:
            if not self.waiting:
                self.waiting = self.random.sample(range(len(self.photos)), len(self.photos))
            photo, extras = self.photos[self.waiting.pop()]
            yield torch.stack([photo, photo.roll(2, dims=-1)]), {"given": extras["given"]}

    def state_dict(self) -> Any:
        version, numbers, gauss = self.random.getstate()
        return {"waiting": self.waiting, "random": [version, list(numbers), gauss]}

    def load_state_dict(self, state: Any) -> None:
        version, numbers, gauss = state["random"]
        self.random.setstate((version, tuple(numbers), gauss))
        self.waiting = list(state["waiting"])


class Fading(nn.Module):
    """Counts its calls, and weighs less with each; its dice are torch's."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        self.calls += 1
        kept = torch.rand_like(real.lightness) < 0.5
        return ((fake.chroma - real.chroma).abs() * kept).mean() / self.calls.sqrt()


def everything(**changes: Any) -> Recipe:
    """Return the recipe of that run."""
    return tiny(**{**RECIPE, **changes})


@contextmanager
def known() -> Iterator[None]:
    """Have zoo know its components."""
    import zoo_odd.plugin

    with registered(odd=zoo_odd.plugin) as add:
        add("generator", "told", Told)
        add("dataset", "shuffled", Shuffled)
        add("loss", "fading", Fading)
        yield
