"""The photographs that people shall look at: some drawn by lot, and the best and the worst by each number."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from zoo.errors import ZooError
from zoo.evaluation.evaluation import Card, Number
from zoo.evaluation.given import Given, draw_hints, shown
from zoo.evaluation.measure import Measurements, Method, without_colours
from zoo.evaluation.photographs import Photographs
from zoo.evaluation.protocol import Protocol

BY_LOT = "drawn by lot"
_DRAWN = 6
"""Photographs that nobody chose."""
_EXTREMES = 12
"""Photographs of a number, best and worst together: shared among the models."""
_SIDES, _QUALITY = (320, 240, 160), 84
"""Long sides that pictures are scaled down to, in pixels, the first that is small enough; of JPEG."""
BUDGET = 3_000_000
"""Bytes of all pictures together. A third comes on top of it where they stand in a page."""


def choose(made: Measurements, methods: tuple[str, ...], numbers: Sequence[Number], seed: int) -> dict[int, list[str]]:
    """Choose photographs to look at: place among the measured ones -> what each is there for."""
    chosen: dict[int, list[str]] = {}
    count = len(made.originals)
    for place in sorted(np.random.default_rng((seed, 1)).permutation(count)[:_DRAWN].tolist()):
        chosen.setdefault(place, []).append(BY_LOT)
    models = methods[2:]
    most = min(max(1, _EXTREMES // (2 * len(models))), count // 2)
    for number in (number for number in numbers if number.is_mean):
        for model in models:
            values = made.numbers[number.name][:, methods.index(model)]
            if np.isnan(values).all():
                continue  # measured of other methods alone
            order = np.argsort(values if number.best == "lowest" else -values, kind="stable").tolist()
            whose = f" ({model})" if len(models) > 1 else ""
            for words, places in (("best", order[:most]), ("worst", order[::-1][:most])):
                for place in places:
                    chosen.setdefault(place, []).append(f"{words} {number.name}{whose}")
    return chosen


def draw(
    photographs: Photographs,
    made: Measurements,
    methods: Mapping[str, Method],
    chosen: Mapping[int, Sequence[str]],
    protocol: Protocol,
) -> list[Card]:
    """Colour the chosen photographs once more, and make them small enough for a page."""
    for side in _SIDES:
        cards: list[Card] = []
        size = 0
        for card in _cards(photographs, made, methods, chosen, protocol, side):
            size += len(card.grey) + len(card.original) + sum(map(len, card.coloured.values()))
            if size > BUDGET and side != _SIDES[-1]:
                break
            if size > BUDGET:
                return cards
            cards.append(card)
        else:
            return cards
    return cards


def _cards(
    photographs: Photographs,
    made: Measurements,
    methods: Mapping[str, Method],
    chosen: Mapping[int, Sequence[str]],
    protocol: Protocol,
    side: int,
) -> Iterator[Card]:
    grey, *others = methods
    for place, why in chosen.items():
        original = made.originals[place]
        try:
            rgb, extras = shown(*photographs.item(original.index), protocol.crop)
            # As it was measured: `sepia` may depend on the place.
            hints = draw_hints(rgb, protocol.hints, protocol.seed)
            given = Given(without_colours(rgb), original.place, extras, hints)
            coloured = {name: _jpeg(method(given), side) for name, method in methods.items()}
        except (ZooError, OSError):
            continue  # it is gone since
        numbers = {
            name: dict(zip(methods, map(float, values[place]), strict=True)) for name, values in made.numbers.items()
        }
        shades = {name: coloured[name] for name in others}
        yield Card(original.name, tuple(why), coloured[grey], _jpeg(rgb, side), shades, numbers)


def _jpeg(rgb: Tensor, side: int) -> bytes:
    return as_jpeg(small(rgb, side))


def small(rgb: Tensor, side: int) -> Image.Image:
    """Make a picture, uint8 (3, H, W), so small that neither of its sides is longer than that."""
    picture = Image.fromarray(rgb.permute(1, 2, 0).contiguous().numpy())
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def as_jpeg(picture: Image.Image) -> bytes:
    """Return a picture as a JPEG file, for a page."""
    file = io.BytesIO()
    # Colours at their full resolution: they are what is looked at.
    picture.save(file, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return file.getvalue()
