"""What people give a generator beside the lightness of a photograph: hints and extras, as it takes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from zoo.conditioning import HINTS, Conditions, Noise, extras_taken, names_taken
from zoo.errors import UsageError
from zoo.networks import size_of
from zoo.photo import Hint, Photo
from zoo.photo.hint import paint_hints
from zoo.photo.scaling import resize


@dataclass(frozen=True)
class Beside:
    """What a generator is given beside the lightness of one photograph, where it takes more."""

    hints: Tensor | None = None
    """(3, h, w), see `zoo.conditioning.Conditions`."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """(3, h, w) each, by name."""


def check_beside(generator: nn.Module, name: str, *, hints: bool, extras: Collection[str]) -> None:
    """See that a generator takes what there is, and lacks nothing.

    Args:
        generator: the generator.
        name: what to call it.
        hints: whether there are any.
        extras: the names of those that there are.

    Raises:
        UsageError: otherwise.
    """
    if hints and HINTS not in names_taken(generator):
        raise UsageError(
            f"the generator {name} takes no hints: train one whose forward has a parameter `hints`, with "
            "`zoo run --gen NAME` (docs/knowing-more.md, Generators that are told more)"
        )
    taken = extras_taken(generator)
    if unknown := sorted(set(extras) - set(taken)):
        takes = f"it takes {', '.join(taken)}" if taken else "it takes none"
        raise UsageError(f"the generator {name} takes no extra {unknown[0]!r} ({takes})")
    if missing := [extra for extra in taken if extra not in extras]:
        raise UsageError(
            f"the generator {name} needs the extra {missing[0]!r} beside each photograph: --extra {missing[0]}=FOLDER"
        )


def make_beside(photo: Photo, seen: Tensor, hints: Sequence[Hint], extras: Mapping[str, Tensor]) -> Beside:
    """Make what there is beside a photograph as a generator takes it.

    Args:
        photo: the photograph.
        seen: what the generator sees of it: lightness (1, h, w).
        hints: colours that somebody gave.
        extras: RGB pictures, float (3, H, W) in [0, 1], of any size, by name.

    Raises:
        UsageError: a hint is outside of the photograph.
    """
    size = size_of(seen[None])
    return Beside(
        paint_hints(hints, (photo.height, photo.width), size) if hints else None,
        {name: resize(extra, *size) for name, extra in extras.items()},
    )


def conditions_of(beside: Sequence[Beside], noise: Noise | None, lightness: Tensor, device: torch.device) -> Conditions:
    """Put together what there is beside several photographs, on a device.

    Args:
        beside: of each; or nothing at all.
        noise: theirs.
        lightness: (N, 1, h, w).
        device: where the generator is.
    """
    blank = lightness.new_zeros(3, *lightness.shape[2:])
    hints = [blank if one.hints is None else one.hints for one in beside]
    given = any(one.hints is not None for one in beside)
    extras = {name: torch.stack([one.extras[name] for one in beside]) for name in (beside[0].extras if beside else ())}
    return Conditions(
        noise, torch.stack(hints).to(device) if given else None, {name: one.to(device) for name, one in extras.items()}
    )
