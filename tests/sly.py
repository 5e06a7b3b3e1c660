"""Components that are right and look like wrong ones; and some that take their process with them."""

from __future__ import annotations

import os
import signal

import torch
from right import Diary, Gen, Judge, Photos
from torch import Tensor, nn

from zoo import ZooError, hookimpl
from zoo.registry.contracts import Picture

# ------------------------------------------------------------------------------------------------- only looks wrong


class HalfNumb(Gen):
    """Has a layer that comes to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Conv2d(1, 2, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness) + 0 * self.spare(lightness)


class ZeroFirst(Gen):
    """A generator that is right: it begins grey, so that at first only its last layer learns."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.up.weight)


class Curious(Judge):
    """A critic that is right: it compares the pictures of a batch."""

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        return super().forward(lightness, chroma) + (chroma - chroma.mean(dim=0)).abs().mean()


class Wavering:
    """Depends on whether it was called an even number of times."""

    def __init__(self) -> None:
        self.total = 0.0

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        self.total = 1 - self.total
        return (fake.chroma - real.chroma).abs().mean() + self.total


class Counting(nn.Module):
    """Weighs more with each call, and checkpoints know."""

    power = 1
    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        self.calls += 1
        return (fake.chroma - real.chroma).abs().mean() * self.calls**self.power


class Fading(Counting):
    """Weighs less with each call, and checkpoints know."""

    power = -1


class OneUnreadable(Photos):
    """A data set that is right: it says that it cannot read one of its photographs."""

    def __len__(self) -> int:
        return 300

    def __getitem__(self, index: int) -> Tensor:
        if index == 217:
            raise ZooError("217.jpg cannot be read")
        return super().__getitem__(index)


class MostlyGrey(Photos):
    """Has few colours."""

    def __getitem__(self, index: int) -> Tensor:
        photo = super().__getitem__(index)
        return photo if index == 0 else photo[:1].expand(3, -1, -1).clone()


# ------------------------------------------------------------------------------------------------- ends the process


class Aborts(Diary):
    """Takes the process down with it, as a fault in C does."""

    @hookimpl
    def zoo_step(self) -> None:
        os.abort()


class Leaves(Diary):
    """Ends the process."""

    @hookimpl
    def zoo_step(self) -> None:
        print("farewell")
        os._exit(3)


class Starved(Diary):
    """Is killed, as the system does where memory runs out."""

    @hookimpl
    def zoo_step(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Endless(Diary):
    """Does not come back."""

    @hookimpl
    def zoo_step(self) -> None:
        while True:
            pass


def unmade() -> object:
    """Make nothing, and end the process."""
    os.abort()
