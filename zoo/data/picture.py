"""A batch of pictures in L*a*b*, as losses see it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from torch import Tensor

from zoo.photo import color

T = TypeVar("T")


class LabPicture:
    """Lightness and chroma of a batch, and its sRGB on demand. See `zoo.registry.contracts.Picture`."""

    def __init__(self, lightness: Tensor, chroma: Tensor) -> None:
        self.lightness = lightness.float()
        self.chroma = chroma.float()
        self._cache: dict[Hashable, Any] = {}

    @classmethod
    def of_photos(cls, photos: Tensor) -> LabPicture:
        """Convert uint8 (N, 3, H, W) in sRGB, on whatever device it is."""
        return cls(*color.encode(photos))

    @property
    def rgb(self) -> Tensor:
        """(N, 3, H, W), sRGB in [0, 1], clipped to the gamut."""
        return self.cached("rgb", lambda: color.decode(self.lightness, self.chroma))

    def cached(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what an earlier call with this key computed, or compute it now."""
        if key not in self._cache:
            self._cache[key] = compute()
        value: T = self._cache[key]
        return value
