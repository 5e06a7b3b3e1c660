"""Checks of augmentations."""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler

import numpy as np
import torch
from torch import Tensor

from zoo.errors import one_line
from zoo.registry.made import what_is_wrong
from zoo.registry.offers import Component
from zoo.testing.subject import ContractError, Note, Subject, expect, pictures, short

_PHOTOGRAPHS = ((16, 16), (48, 64), (301, 200), (17, 4000))
"""Heights and widths of photographs that a square is taken from."""


def augmentation_made(subject: Subject) -> str:
    """The factory makes something that can be called, or chooses what is learned from."""
    problem = what_is_wrong(subject.made, _component(subject))
    expect(not problem, problem)
    abilities = [name for name in ("window", "draw") if hasattr(subject.made, name)]
    abilities += ["is called with pictures"] if callable(subject.made) else []
    return f"{type(subject.made).__name__}: {', '.join(abilities)}"


def windows(subject: Subject) -> str:
    """What it chooses is a square of the photograph, and follows from the generator it is given."""
    from zoo.data.augmentation import checked_window

    if not hasattr(subject.made, "window"):
        return "it leaves the choice of the square to others"
    for height, width in _PHOTOGRAPHS:
        for seed in range(20):
            found, again = (subject.made.window(np.random.default_rng(seed), height, width) for _ in range(2))
            checked_window(found, _component(subject), height, width)
            expect(
                tuple(found) == tuple(again),
                "the same generator gives another square: draw every random number from rng",
            )
    return f"squares of photographs of {len(_PHOTOGRAPHS)} sizes"


def draws(subject: Subject) -> str:
    """It draws always as many numbers, and they follow from the generator it is given."""
    first = _drawn(subject, 0)
    for seed in range(20):
        drawn = _drawn(subject, seed)
        expect(np.isfinite(drawn).all(), f"draw(…) returns {list(drawn)}, expected finite numbers")
        expect(len(drawn) == len(first), f"it draws {len(first)} numbers, and {len(drawn)} another time")
        expect(
            np.array_equal(drawn, _drawn(subject, seed)),
            "the same generator gives other numbers: draw every random number from rng",
        )
        expect(
            (np.abs(drawn) <= 2**24).all(),
            f"draw(…) returns {list(drawn)}: they come back in float32, which holds whole numbers up to 2**24",
        )
    return f"{len(first)} numbers for each picture"


def pictures_kept(subject: Subject) -> str:
    """Pictures keep their shape, stay in range and stay numbers, whatever they are; what it is given stays as it is."""
    if not callable(subject.made):
        return "it is not called with pictures"
    size = subject.size
    for batch, side in ((1, size), (3, size + 5)):
        picture = pictures(batch=batch, size=side, device=subject.device)
        black = torch.full_like(picture.lightness, -1)
        for name, lightness in (("colourful", picture.lightness), ("black", black), ("white", -black)):
            kept = lightness.clone(), picture.chroma.clone()
            changed, chroma = _changed(subject, lightness, picture.chroma, range(batch))
            expect(
                torch.equal(lightness, kept[0]) and torch.equal(picture.chroma, kept[1]),
                "it writes to the pictures that it is given: make new ones",
            )
            expect(
                bool(changed.isfinite().all() and chroma.isfinite().all()),
                f"a {name} picture becomes NaN or infinite",
            )
            expect(
                float(changed.abs().max()) <= 1 + 1e-4,
                f"a {name} picture's lightness is beyond [-1, 1]: it reaches {float(changed.abs().max()):.3g}",
            )
    return "colourful, black and white ones; lightness stays in [-1, 1]"


def each_by_itself(subject: Subject) -> str:
    """A picture becomes the same alone and among others: batches may be split."""
    if not callable(subject.made):
        return "it is not called with pictures"
    picture = pictures(batch=4, size=subject.size, device=subject.device)
    together, again = (_changed(subject, picture.lightness, picture.chroma, range(4)) for _ in range(2))
    if not all(torch.equal(a, b) for a, b in zip(together, again, strict=True)):
        return Note("cannot be told: the same numbers give another picture the second time")
    for index in range(4):
        one = slice(index, index + 1)
        alone = _changed(subject, picture.lightness[one], picture.chroma[one], [index])
        for name, whole, part in zip(("lightness", "chroma"), together, alone, strict=True):
            expect(
                torch.allclose(whole[one], part, atol=1e-5),
                f"a picture's {name} is another one alone than among others: let nothing depend on the batch",
            )
    return "a picture becomes the same alone and among others"


def same_picture(subject: Subject) -> str:
    """The same pictures and numbers give the same result: all that is random is drawn beforehand."""
    if not callable(subject.made):
        return "it is not called with pictures"
    picture = pictures(batch=2, size=subject.size, device=subject.device)
    first, second = (_changed(subject, picture.lightness, picture.chroma, range(2)) for _ in range(2))
    expect(
        all(torch.equal(a, b) for a, b in zip(first, second, strict=True)),
        "the same numbers give another picture: let draw(rng) return what is random, or a seed of it",
    )
    return "the same numbers give the same pictures"


def loaded_elsewhere(subject: Subject) -> str:
    """Processes that load can have it."""
    try:
        ForkingPickler.dumps(subject.made)
    except Exception as error:
        raise ContractError(f"it cannot be sent to a process that loads: {short(one_line(error))}") from None
    return "it can be sent to a process that loads"


def _component(subject: Subject) -> Component:
    return subject.component or Component("it", "", "", "", "", "", "augmentation")


def _drawn(subject: Subject, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    draw = getattr(subject.made, "draw", None)
    drawn = () if draw is None else draw(np.random.default_rng(seed))
    try:
        return np.array([float(number) for number in drawn])
    except (TypeError, ValueError):
        raise ContractError(f"draw(…) returns {drawn!r}, expected numbers") from None


def _changed(subject: Subject, lightness: Tensor, chroma: Tensor, seeds: range | list[int]) -> tuple[Tensor, Tensor]:
    from zoo.data.augmentation import checked_pictures

    rows = np.stack([_drawn(subject, seed) for seed in seeds]).astype(np.float32)
    drawn = torch.from_numpy(rows).to(subject.device)
    with torch.no_grad():
        return checked_pictures(subject.made(lightness, chroma, drawn), _component(subject), lightness, chroma)
