"""What models are given beside the lightness of photographs that are measured: noise, hints and extras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from zoo.beside import Beside, check_beside
from zoo.conditioning import HINTS, extras_taken
from zoo.data.crops import middle, resized_with
from zoo.errors import UsageError
from zoo.model import join_chroma
from zoo.networks import size_of
from zoo.photo import Hint, Photo
from zoo.photo.hint import SIDE, paint_hints
from zoo.registry.spec import names_in

if TYPE_CHECKING:
    from zoo.model import Model

_SEEN = 256
"""Short side, in pixels, at which a drawn hint is as large as what it takes its colour from."""


@dataclass(frozen=True)
class Given:
    """A photograph without its colours, and what there is beside it."""

    photo: Photo
    place: int
    """Its place among those that are measured."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """By name, those that have its pixels as large as it is."""
    hints: tuple[Hint, ...] = ()


def colorize(model: Model, given: Given, *, size: int | None = None, seed: int = 0) -> Tensor:
    """Colour a photograph by a model, with what it takes of what is given: uint8 (3, H, W).

    Raises:
        UsageError: an extra that it takes is not there.
    """
    taken = extras_taken(model.generator)
    if missing := [name for name in taken if name not in given.extras]:
        raise UsageError(
            f"the generator {names_in(model.recipe.generator)} needs the extra {missing[0]!r} beside each photograph, "
            f"and there is {', '.join(given.extras) or 'none'}: --extra {missing[0]}=FOLDER, or a data set that hands "
            "it out"
        )
    photo = given.photo
    seen = model.network_input(photo, size)
    height, width = size_of(seen[None])
    extras = {name: resized_with(given.extras[name], photo.lightness, height, width) for name in taken}
    hints = given.hints if HINTS in model.takes else ()
    painted = paint_hints(hints, (photo.height, photo.width), (height, width)) if hints else None
    return join_chroma(photo, model.predict(seen[None], seed=seed, beside=[Beside(painted, extras)])[0])


def shown(photo: Tensor, extras: Mapping[str, Tensor], crop: int | None) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Return a photograph as it is measured: all of it, or its middle square, scaled to the side of `crop` pixels.

    What has its pixels is cut and scaled with it.
    """
    if crop is None:
        return photo, extras
    cut = middle((photo, extras), crop)
    return cut.photo, cut.extras


def draw_hints(rgb: Tensor, count: int, seed: int) -> tuple[Hint, ...]:
    """Draw colours of an original, as somebody would give them who knows it: at places that are all as likely.

    The first few of many are the same as of few. Each is the mean colour of a square as large as the hint is where a
    generator sees the photograph at 256 pixels.

    Args:
        rgb: uint8 (3, H, W).
        count: how many.
        seed: another one gives other places; they are a photograph's own, whichever others there are.
    """
    height, width = rgb.shape[1:]
    reach = round(min(height, width) * SIDE / _SEEN / 2)
    # A sum tells photographs apart, and is the same on every computer.
    rng = np.random.default_rng((seed, height, width, int(rgb.long().sum())))
    hints = []
    for down, across in rng.random((count, 2)).tolist():
        y, x = int(down * height), int(across * width)
        square = rgb[:, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        red, green, blue = square.float().mean((1, 2)).round().int().tolist()
        hints.append(Hint(x, y, (red, green, blue)))
    return tuple(hints)


def check_given(models: Mapping[str, Model], extras: Mapping[str, object] | None, hints: int) -> list[str]:
    """See that models have what they need, and that something needs what there is; say what is worth knowing of hints.

    Args:
        models: by name.
        extras: those that there are, by name; None where a data set brings some, which are not known yet.
        hints: how many are drawn for each photograph.

    Raises:
        UsageError: a model lacks an extra, or no model takes what there is.
    """
    takers = [name for name, model in models.items() if HINTS in model.takes]
    if extras is not None:
        known = {name for model in models.values() for name in extras_taken(model.generator)}
        if unknown := [name for name in extras if name not in known]:
            raise UsageError(f"--extra {unknown[0]}: no model takes it ({', '.join(sorted(known)) or 'none'} is taken)")
        for model in models.values():
            mine = [name for name in extras if name in extras_taken(model.generator)]
            check_beside(model.generator, names_in(model.recipe.generator), hints=False, extras=mine)
    if hints and not takers:
        raise UsageError(f"--draw-hints {hints}: no model takes hints")
    if hints:
        return [f"{name} takes no hints, and is given none" for name in models if name not in takers]
    return [f"{name} takes hints, and is given none: --draw-hints N draws some from the originals" for name in takers]
