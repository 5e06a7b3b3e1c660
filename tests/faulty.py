"""Components of every kind, wrong in one way each: what `zoo check` finds at once, and a run some of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from right import Brighter, Descent, Diary, Game, Gen, Judge, Photos
from torch import Tensor, nn

from zoo import Step, hookimpl
from zoo.registry.contracts import Critic, Picture, Split


class WrongShape(Gen):
    """Three channels instead of two."""

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness)[:, [0, 1, 1]]


class OddRefused(Gen):
    """Says nothing of the multiple that it needs."""

    multiple = 1


class Idle(Gen):
    """A layer that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Conv2d(1, 1, 1)


class NanOnBlack(Gen):
    """Divides by the light."""

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness / (lightness + 1).mean(dim=(2, 3), keepdim=True))


class Moody(Gen):
    """Different every time."""

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness) + random.random()


class Undocumented(Gen):
    """Says nothing of its option."""

    def __init__(self, *, width: int = 2, hidden: bool = False) -> None:
        super().__init__(width=width)


class Untyped(Gen):
    """Has an option of any type.

    Args:
        width: Channels.
    """

    def __init__(self, *, width=2) -> None:  # type: ignore[no-untyped-def]
        super().__init__(width=width)


class BadDefault(Gen):
    """Has a default that cannot be typed.

    Args:
        width: Channels.
    """

    def __init__(self, *, width: Annotated[int, Field(ge=4)] = 2) -> None:
        super().__init__(width=width)


class Forgetful(Gen):
    """Keeps a part of itself out of its state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = torch.rand(1)

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness) + self.shift


class Halved(Gen):
    """Returns half precision."""

    def forward(self, lightness: Tensor) -> Tensor:
        return super().forward(lightness).half()


class CannotBeMade(Gen):
    """Fails when it is made."""

    def __init__(self) -> None:
        raise RuntimeError("no such thing")


class Squashed(Judge):
    """Ends in a sigmoid."""

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        return super().forward(lightness, chroma).sigmoid()


class ColourBlind(Judge):
    """Looks at lightness alone."""

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        return super().forward(lightness, chroma.detach())


class CutOff(Judge):
    """Computes past autograd."""

    @torch.no_grad()
    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        return super().forward(lightness, chroma)


def nothing() -> object:
    """Return no network."""
    return object()


def per_pixel() -> Callable[[Picture, Picture], Tensor]:
    """Forget the mean."""
    return lambda fake, real: (fake.chroma - real.chroma).abs()


def root() -> Callable[[Picture, Picture], Tensor]:
    """Take a root whose slope at zero is infinite."""
    return lambda fake, real: (fake.chroma - real.chroma).square().sum().sqrt()


def of_nothing() -> Callable[[Picture, Picture], Tensor]:
    """Look at the original alone."""
    return lambda fake, real: real.chroma.abs().mean() + 0 * fake.chroma.mean()


class UpsideDown(Game):
    """Rewards what should cost."""

    def generator(self, fake: Tensor) -> Tensor:
        return fake.mean()


class IdleLoss(nn.Module):
    """A parameter that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Parameter(torch.zeros(()))

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        return (fake.chroma - real.chroma).abs().mean()


class IdleGame(nn.Module):
    """A parameter that only the critic's side uses."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Parameter(torch.ones(()))

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.spare * (fake - real).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class HalfKept(nn.Module):
    """Counts in a buffer, and once more beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.times = 0

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        self.calls += 1
        self.times += 1
        return (fake.chroma - real.chroma).abs().mean() / (self.calls + self.times)


class LateShape(nn.Module):
    """Makes a buffer of another shape where a saved one will come."""

    def __init__(self, restoring: bool) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1 if restoring else 2))

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        return (fake.chroma - real.chroma).abs().mean() + self.seen.sum()


class Steep:
    """Divides by what is left of the run."""

    def __call__(self, fake: Picture, real: Picture, step: Step) -> Tensor:
        return (fake.chroma - real.chroma).abs().mean() / (1 - step.progress)


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


class Overflowing(Game):
    """Takes the logarithm of a sigmoid."""

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.sigmoid().log().mean()


class OnceOnly(Game):
    """Forgets that the gradient's gradient is wanted."""

    def penalty(self, critic: Critic, real: Picture, fake: Picture) -> Tensor:
        chroma = real.chroma.detach().requires_grad_()
        logits = critic(real.lightness, chroma)
        assert isinstance(logits, Tensor)
        (gradient,) = torch.autograd.grad(logits.sum(), chroma)
        return gradient.square().sum()


class Floats(Photos):
    """Photographs from 0 to 1."""

    def __getitem__(self, index: int) -> Tensor:
        return super().__getitem__(index) / 255


class Small(Photos):
    """Photographs of 8 pixels."""

    def __getitem__(self, index: int) -> Tensor:
        return super().__getitem__(index)[:, :8]


class Restless(Photos):
    """Another photograph every time."""

    def __getitem__(self, index: int) -> Tensor:
        return super().__getitem__(random.randrange(10**6))


class Leaking(Photos):
    """Holds out what it trains on."""

    def __getitem__(self, index: int) -> Tensor:
        self.split = "train"
        return super().__getitem__(index)


class Empty(Photos):
    """Holds nothing."""

    def __len__(self) -> int:
        return 0


class Numbered(Photos):
    """Another fingerprint every time."""

    def __init__(self, *, split: Split) -> None:
        super().__init__(split=split)
        self.fingerprint = str(random.random())


def meddling() -> Callable[[Picture, Picture], Tensor]:
    """Make a metric that takes the colours away."""
    return lambda fake, real: fake.chroma.mul_(0.5).mean()


def shares() -> Callable[[Picture, Picture], dict[str, Tensor]]:
    """Make a metric of several numbers that is right."""
    return lambda fake, real: {"a": fake.chroma[:, 0].abs().mean(), "b": fake.chroma[:, 1].abs().mean()}


class Extent:
    """A metric over whole sets that is right."""

    smallest = 2

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        return self.compare(self.features(fake), self.features(real))

    def features(self, picture: Picture) -> Tensor:
        return picture.chroma.mean(dim=(2, 3))

    def compare(self, fake: Tensor, real: Tensor) -> Tensor:
        return (fake.std(dim=0) - real.std(dim=0)).norm()


class SaysOtherwise(Extent):
    """Calling it comes to something else."""

    def __call__(self, fake: Picture, real: Picture) -> Tensor:
        return super().__call__(fake, real) + 1


class Relative(Extent):
    """Keeps of a picture what depends on the others."""

    def features(self, picture: Picture) -> Tensor:
        return super().features(picture) - super().features(picture).mean(dim=0)


class OfPixels(Extent):
    """Keeps more of larger pictures."""

    def features(self, picture: Picture) -> Tensor:
        return picture.chroma.flatten(1)


class Flat(Extent):
    """Keeps a number without a row."""

    def features(self, picture: Picture) -> Tensor:
        return picture.chroma.mean(dim=(1, 2, 3))


class Rounded(Extent):
    """Keeps whole numbers."""

    def features(self, picture: Picture) -> Tensor:
        return (100 * super().features(picture)).long()


class FromNone(Extent):
    """Needs no picture at all."""

    smallest = 0


def unnamed() -> Callable[[Picture, Picture], dict[str, Tensor]]:
    """Make a metric of several numbers, without one."""
    return lambda fake, real: {}


def numbered() -> Callable[[Picture, Picture], dict[int, Tensor]]:
    """Make a metric of several numbers without names."""
    return lambda fake, real: {1: fake.chroma.mean()}


def maps() -> Callable[[Picture, Picture], dict[str, Tensor]]:
    """Make a metric of names for what are no numbers."""
    return lambda fake, real: {"map": fake.chroma}


class Misspelt:
    """Implements a hook that is none."""

    @hookimpl
    def zoo_metriks(self, step: int) -> None: ...


class Lost(Diary):
    """Cannot go on where another one stopped."""

    @hookimpl
    def zoo_run_started(self, step: int) -> None:
        if step:
            raise RuntimeError("where was I")


class Outside:
    """Chooses a square that leaves the photograph."""

    def window(self, rng: Any, height: int, width: int) -> tuple[int, int, int]:
        return 1, 0, min(height, width)


class Whimsical(Brighter):
    """Draws from elsewhere."""

    def draw(self, rng: Any) -> tuple[float, ...]:
        return (random.random(), 1.0)


class Unsteady(Brighter):
    """Draws more and more."""

    def draw(self, rng: Any) -> tuple[float, ...]:
        return (1.0,) * int(rng.integers(1, 5))


class InPlace(Brighter):
    """Writes to what it is given."""

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return lightness.mul_(0.5), chroma


class Averaged(Brighter):
    """Goes by the mean of the batch."""

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return lightness * 0 + lightness.mean().clamp(-1, 1), chroma


class Grainy(Brighter):
    """Makes its noise when it is called."""

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return (lightness + 1e-6 * torch.rand_like(lightness)).clamp(-1, 1), chroma


class Glaring(Brighter):
    """Leaves the range."""

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return lightness + 1, chroma


class Stubborn(Descent):
    """Keeps the learning rate that it began with."""

    def __init__(self, params: Any, *, lr: float) -> None:
        super().__init__(params, lr=lr)
        self.rate = lr

    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            group["lr"] = self.rate
        super().step()


class Amnesiac(Descent):
    """Forgets its momentum when it is saved."""

    def state_dict(self) -> Any:
        return {**super().state_dict(), "state": {}}


class Uphill(Descent):
    """Goes the wrong way."""

    def __init__(self, params: Any, *, lr: float) -> None:
        super().__init__(params, lr=lr)
        for group in self.param_groups:
            group["maximize"] = True


class Secretive(Descent):
    """Has a state that cannot be kept."""

    def state_dict(self) -> Any:
        return {**super().state_dict(), "secret": object()}
