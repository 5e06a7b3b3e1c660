"""Components that are wrong out of sight, or take their process with them; and right ones that look like them."""

from __future__ import annotations

import os
import signal

import torch
from right import Diary, Game, Gen, Judge, Photos
from torch import Tensor, nn

from zoo import ZooError, hookimpl
from zoo.registry.contracts import Picture, Split

# ------------------------------------------------------------------------------------------------- wrong out of sight


class Crowded(Gen):
    """Takes statistics of the batch, in evaluation, too."""

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness - lightness.mean(dim=0, keepdim=True))


class Numb(Gen):
    """Multiplies all that it has learned by zero."""

    def forward(self, lightness: Tensor) -> Tensor:
        return 0 * super().forward(lightness)


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


class Noisy(Gen):
    """Drops out in evaluation, too."""

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(lightness, 0.5, training=True))


class Hoarder(Gen):
    """Keeps what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, lightness: Tensor) -> Tensor:
        if self.training:
            self.seen.append(super().forward(lightness).mean())
        return super().forward(lightness)


class Curious(Judge):
    """A critic that is right: it compares the pictures of a batch."""

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        return super().forward(lightness, chroma) + (chroma - chroma.mean(dim=0)).abs().mean()


class Diarist:
    """Keeps every value with its graph."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        value = (fake.chroma - real.chroma).abs().mean()
        self.values.append(value)
        return value


class Growing:
    """Adds up what it returns."""

    def __init__(self) -> None:
        self.total = 0.0

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        value = (fake.chroma - real.chroma).abs().mean()
        self.total += value.item()
        return value + self.total


class Wavering(Growing):
    """Depends on whether it was called an even number of times."""

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        self.total = 1 - self.total
        return (fake.chroma - real.chroma).abs().mean() + self.total


class GrowingGame(Game):
    """Adds up what it returns."""

    calls = 0

    def generator(self, fake: Tensor) -> Tensor:
        self.calls += 1
        return super().generator(fake) + self.calls


class HoardingGame(Game):
    """Keeps every value with its graph."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []

    def generator(self, fake: Tensor) -> Tensor:
        self.values.append(super().generator(fake))
        return self.values[-1]


class Stepped(Game):
    """Has the right values, and no slope."""

    def generator(self, fake: Tensor) -> Tensor:
        return 0 * fake.mean() - (fake > 0).float().mean()


class OneOdd(Photos):
    """One photograph among many has an alpha channel."""

    def __len__(self) -> int:
        return 300

    def __getitem__(self, index: int) -> Tensor:
        photo = super().__getitem__(index)
        return torch.cat([photo, photo[:1]]) if index == 217 else photo


class OneUnreadable(Photos):
    """A data set that is right: it says that it cannot read one of its photographs."""

    def __len__(self) -> int:
        return 300

    def __getitem__(self, index: int) -> Tensor:
        if index == 217:
            raise ZooError("217.jpg cannot be read")
        return super().__getitem__(index)


class Salted(Photos):
    """Its fingerprint is another one in every process."""

    def __init__(self, *, split: Split) -> None:
        super().__init__(split=split)
        self.fingerprint = f"{split} {hash(split)}"


class Grey(Photos):
    """Black-and-white photographs."""

    def __getitem__(self, index: int) -> Tensor:
        return super().__getitem__(index)[:1].expand(3, -1, -1).clone()


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
