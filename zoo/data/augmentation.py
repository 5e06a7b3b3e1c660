"""Augmentation: what of a photograph is learned from, and what becomes of it before it is.

What is random is drawn where photographs are loaded, from a generator of each position's own; what it does to pictures
is done on the device, to a batch at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.data.batch import Batch
from zoo.errors import UsageError
from zoo.registry import Part
from zoo.registry.offers import Component


class Augmentations:
    """Those of a recipe, one after the other."""

    def __init__(self, parts: Sequence[Part] = ()) -> None:
        """Make them.

        Raises:
            UsageError: two of them choose what is learned from, or an option is wrong.
            ZooError: one of them cannot be made.
        """
        self._made: list[tuple[Component, Any]] = [(part.component, part.make()) for part in parts]
        framing = [part.name for part, (_, made) in zip(parts, self._made, strict=True) if hasattr(made, "window")]
        if len(framing) > 1:
            raise UsageError(f"--augment: {framing[0]} and {framing[1]} both choose a square to learn from: take one")
        self._framed = bool(framing)
        # How many numbers each of them draws: always as many.
        self._widths = [len(_drawn(component, made, np.random.default_rng(0))) for component, made in self._made]

    def frame(self, height: int, width: int, rng: np.random.Generator) -> tuple[tuple[int, int, int], list[float]]:
        """Choose the square of a photograph of this size that is learned from, and draw what is random about it.

        Returns:
            Top, left and side in pixels of the photograph, and the numbers for `__call__`.

        Raises:
            ZooError: one of them breaks its contract.
        """
        top, left, side = (0, 0, 0) if self._framed else _largest_square(height, width, rng)
        numbers: list[float] = []
        for (component, made), count in zip(self._made, self._widths, strict=True):
            if hasattr(made, "window"):
                top, left, side = checked_window(made.window(rng, height, width), component, height, width)
            drawn = _drawn(component, made, rng)
            if len(drawn) != count:
                raise component.broken(f"draw(…) returns {len(drawn)} numbers, and {count} before: always as many")
            numbers += drawn
        return (top, left, side), numbers

    @torch.no_grad()
    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Change pictures, on whatever device they are.

        Args:
            lightness: float32 (N, 1, H, W).
            chroma: float32 (N, 2, H, W).
            drawn: (N, …), what `frame` returned with each.

        Returns:
            Lightness and chroma of the same shapes.

        Raises:
            ZooError: one of them breaks its contract.
        """
        for (component, made), numbers in zip(self._made, torch.split(drawn, self._widths, dim=1), strict=True):
            if callable(made):
                lightness, chroma = checked_pictures(made(lightness, chroma, numbers), component, lightness, chroma)
        return lightness, chroma

    @torch.no_grad()
    def moved(self, batch: Batch) -> Batch:
        """Do to extras that have the photographs' pixels what moves those, where an augmentation says how.

        Args:
            batch: as it was loaded, on whatever device.

        Raises:
            ZooError: one of them breaks its contract.
        """
        if batch.drawn is None or not batch.aligned:
            return batch
        extras = dict(batch.extras)
        for (component, made), numbers in zip(self._made, torch.split(batch.drawn, self._widths, dim=1), strict=True):
            if hasattr(made, "extra"):
                for name in batch.aligned:
                    extras[name] = checked_extra(made.extra(extras[name], numbers), component, extras[name])
        return replace(batch, extras=extras)


def checked_window(window: Any, component: Component, height: int, width: int) -> tuple[int, int, int]:
    """Return a square, if it is one of a photograph of this size.

    Raises:
        ZooError: it is something else.
    """
    try:
        top, left, side = map(int, window)
    except (TypeError, ValueError):
        raise component.broken(f"window(…) returns {window!r}, expected top, left and side, in pixels") from None
    if min(top, left) < 0 or side < 1 or top + side > height or left + side > width:
        raise component.broken(
            f"window(…) returns top {top}, left {left} and side {side}: no square of a photograph of {width} × {height}"
        )
    return top, left, side


def checked_pictures(found: Any, component: Component, lightness: Tensor, chroma: Tensor) -> tuple[Tensor, Tensor]:
    """Return what an augmentation made of pictures, if it is of their shape.

    Raises:
        ZooError: it is something else.
    """
    if not isinstance(found, tuple) or len(found) != 2:
        raise component.broken(f"it returns {type(found).__name__}, expected lightness and chroma")
    for name, tensor, before in zip(("lightness", "chroma"), found, (lightness, chroma), strict=True):
        if not isinstance(tensor, Tensor) or tensor.shape != before.shape or tensor.dtype != before.dtype:
            what = f"{tensor.dtype} {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else type(tensor).__name__
            raise component.broken(f"it returns as {name} {what}, expected {before.dtype} {tuple(before.shape)}")
    return found


def checked_extra(found: Any, component: Component, before: Tensor) -> Tensor:
    """Return what an augmentation made of an extra, if it is of its shape.

    Raises:
        ZooError: it is something else.
    """
    if not isinstance(found, Tensor) or found.shape != before.shape or found.dtype != before.dtype:
        what = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise component.broken(f"extra(…) returns {what}, expected {before.dtype} {tuple(before.shape)}")
    return found


def _drawn(component: Component, made: Any, rng: np.random.Generator) -> list[float]:
    if not hasattr(made, "draw"):
        return []
    drawn = made.draw(rng)
    try:
        numbers = [float(number) for number in drawn]
    except (TypeError, ValueError):
        raise component.broken(f"draw(…) returns {drawn!r}, expected numbers") from None
    if not all(map(math.isfinite, numbers)):
        raise component.broken(f"draw(…) returns {drawn!r}, expected finite numbers")
    return numbers


def _largest_square(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int]:
    side = min(height, width)
    return int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)), side
