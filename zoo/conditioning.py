"""What a generator is given beside lightness, by its parameters' names: noise, hints, frames and extras."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from zoo.errors import UsageError

NOISE, HINTS, FRAMES = "noise", "hints", "frames"
_OWN = (NOISE, HINTS, FRAMES)
LARGEST_HINT = 9
"""Side of the largest square of a hint in training, in pixels."""
_NEXT_HINT = 7 / 8
"""How likely one more hint is: their number is geometric with p = 1/8."""
_MOST_HINTS = 64
"""In training: more would come in one picture of 5000."""
_ALL_GIVEN = 0.01
"""How likely it is that a picture in training is given with all of its colours."""
_COARSE = 4

Noise: TypeAlias = Callable[..., Tensor]
"""`noise(*shape)` draws from the standard normal distribution: (N, *shape), on the device."""


@dataclass(frozen=True)
class Conditions:
    """What there is beside the lightness of N pictures."""

    noise: Noise | None = None
    """None: drawn from torch's global random state, as in training."""
    hints: Tensor | None = None
    """(N, 3, H, W): a mask in {0, 1}, and a*/110 and b*/110 where it is 1, else 0. None: no colour is given."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """(N, …), by name. Those of lightness' height and width are padded as it is."""
    frames: int = 1
    """Of each clip, one after another in N; 1 for photographs."""


def bare(network: nn.Module) -> nn.Module:
    """Return a network without the wrappers of several processes and of the compiler."""
    if isinstance(network, DistributedDataParallel):
        network = network.module
    return getattr(network, "_orig_mod", network)


def has_learn(generator: nn.Module) -> bool:
    """Whether a generator has a training forward of its own."""
    return callable(getattr(generator, "learn", None))


def names_taken(generator: nn.Module) -> tuple[str, ...]:
    """Return what a generator takes beside lightness: the parameters of its forward, and of `learn` if it has one."""
    of_learn = parameters(generator.learn) if has_learn(generator) else ()  # type: ignore[arg-type]
    return tuple(dict.fromkeys((*parameters(generator.forward), *of_learn)))


def extras_taken(generator: nn.Module) -> tuple[str, ...]:
    """Return the names of those that only a data set, or an album, can give."""
    return tuple(name for name in names_taken(generator) if name not in _OWN)


def parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return what zoo fills in of a function's parameters, after the first one.

    These are `noise`, `hints` and `frames`, and whatever has no default.
    """
    try:
        _, *others = inspect.signature(function).parameters.values()
    except ValueError:  # none at all, or a function without a signature
        return ()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(
        one.name for one in others if one.kind in named and (one.name in _OWN or one.default is inspect.Parameter.empty)
    )


def filled_in(
    generator: nn.Module, function: Callable[..., Any], seen: Tensor, size: tuple[int, int], conditions: Conditions
) -> dict[str, Any]:
    """Return what to call a generator's function with, beside its first argument.

    Args:
        generator: whose function it is.
        function: its `forward` or its `learn`.
        seen: the lightness that it is called with, (N, 1, H, W), padded where that is needed.
        size: height and width without the padding.
        conditions: what there is.

    Raises:
        UsageError: it needs an extra that is not there.
    """
    filled: dict[str, Any] = {}
    for name in parameters(function):
        if name == NOISE:
            filled[name] = conditions.noise or functools.partial(torch.randn, len(seen), device=seen.device)
        elif name == HINTS:
            given = conditions.hints
            filled[name] = seen.new_zeros(len(seen), 3, *seen.shape[2:]) if given is None else _padded(given, seen)
        elif name == FRAMES:
            filled[name] = conditions.frames
        elif name not in conditions.extras:
            there = f"only {', '.join(sorted(conditions.extras))}" if conditions.extras else "none"
            raise UsageError(
                f"the generator {type(generator).__name__} needs the extra {name!r} beside each photograph (its "
                f"{function.__name__} has a parameter of that name), and there is {there}"
            )
        else:
            extra = conditions.extras[name]
            filled[name] = _padded(extra, seen, "replicate") if extra.shape[2:] == size else extra
    return filled


def _padded(given: Tensor, seen: Tensor, mode: str = "constant") -> Tensor:
    down, right = (wanted - there for wanted, there in zip(seen.shape[2:], given.shape[2:], strict=True))
    return F.pad(given, (0, right, 0, down), mode=mode) if down or right else given


def noise_of(lightness: Tensor, seed: int = 0, device: torch.device | None = None) -> Noise:
    """Return noise that is a picture's own: the same for the same picture and seed, alone and among others.

    It comes from the CPU, so that it is the same on every device. A picture is known by its lightness in 16 parts,
    in steps of one L*, which rounding on another computer hardly ever changes.

    Args:
        lightness: (N, 1, H, W).
        seed: another one gives another noise.
        device: where the noise shall be; by default, where lightness is.
    """
    streams = [torch.Generator().manual_seed(_seed_of(picture, seed)) for picture in lightness]

    def draw(*shape: int) -> Tensor:
        return torch.stack([torch.randn(shape, generator=stream) for stream in streams]).to(device or lightness.device)

    return draw


def _seed_of(picture: Tensor, seed: int) -> int:
    coarse = F.adaptive_avg_pool2d(picture[None].double(), _COARSE)
    known = (50 * coarse).round().int().flatten().tolist()
    return int.from_bytes(hashlib.blake2b(f"{seed} {known}".encode(), digest_size=7).digest(), "big")


def blank_extras(generator: nn.Module, lightness: Tensor) -> dict[str, Tensor]:
    """Return something for each extra that a generator takes, to measure it by: grey RGB pictures, (N, 3, H, W)."""
    return {
        name: lightness.new_full((len(lightness), 3, *lightness.shape[2:]), 0.5) for name in extras_taken(generator)
    }


def draw_hints(chroma: Tensor) -> Tensor:
    """Draw hints for training from the originals, as somebody might give them.

    As Zhang et al. (2017), Real-Time User-Guided Image Colorization with Learned Deep Priors: the number of points is
    geometric with p = 1/8, and may be 0; each is a square of 1 to 9 pixels' side that gives the mean colour in it; of
    one picture in a hundred, all colours are given. Points lie anywhere alike (theirs gather in the middle).

    It draws from torch's global random state, and never waits for the device.

    Args:
        chroma: (N, 2, H, W).

    Returns:
        (N, 3, H, W), see `Conditions.hints`.
    """
    (count, _, height, width), device = chroma.shape, chroma.device
    drawn = torch.rand(count, _MOST_HINTS, 4, device=device)
    # A point is there if all before it are.
    there = (drawn[..., 0] < _NEXT_HINT).float().cumprod(1)
    side = (1 + (drawn[..., 1] * LARGEST_HINT).floor()).clamp(max=min(height, width))
    rows, columns = (
        _band(drawn[..., place] * (length + 1 - side), side, length) for place, length in ((2, height), (3, width))
    )
    rows = rows * there[..., None]
    area = side.square()[..., None]
    means = torch.einsum("nkh,nchw,nkw->nkc", rows, chroma, columns) / area
    covered = torch.einsum("nkh,nkw->nhw", rows, columns)[:, None]
    # Where squares overlap, it is the mean of theirs.
    colours = torch.einsum("nkh,nkw,nkc->nchw", rows, columns, means) / covered.clamp(min=1)
    points = torch.cat([covered.clamp(max=1), colours], 1)
    whole = torch.cat([torch.ones_like(covered), chroma], 1)
    return torch.where(torch.rand(count, 1, 1, 1, device=device) < _ALL_GIVEN, whole, points)


def _band(start: Tensor, side: Tensor, length: int) -> Tensor:
    """Return 1 from a start (N, K) on, rounded down, for as many pixels as side says, else 0: (N, K, length)."""
    place = torch.arange(length, device=start.device)
    first = start.floor()[..., None]
    return ((place >= first) & (place < first + side[..., None])).float()
