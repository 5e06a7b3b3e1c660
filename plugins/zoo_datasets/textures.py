"""Noise to draw with: a few tileable textures, made once per process and looked up ever after."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating]  # float32 throughout; the types of numpy's functions don't know

HEIGHTS_PER_TILE = 2.0  # a tile spans two picture heights, so that its seams rarely show


class Texture:
    """A square tile of noise with mean 0 and deviation 1, repeated without end in both directions."""

    def __init__(self, tile: Array) -> None:
        tile = tile - tile.mean()
        self.tile: Array = (tile / tile.std()).astype(np.float32)
        self._side = tile.shape[0]
        self._per_height = self._side / HEIGHTS_PER_TILE
        self._flat = self.tile.ravel()

    def grid(self, u: Array, v: Array) -> Array:
        """Look up where columns have coordinates `u` (W,) and rows `v` (H,), in picture heights -> (H, W)."""
        looked_up: Array = self.tile[self._texel(v)[:, None], self._texel(u)[None, :]]
        return looked_up

    def at(self, u: Array, v: Array) -> Array:
        """Look up at coordinates that broadcast to (H, W), in picture heights."""
        looked_up: Array = self._flat.take(self._texel(v) * self._side + self._texel(u))
        return looked_up

    def _texel(self, coordinate: Array) -> NDArray[np.int32]:
        # The side is a power of two, so masking wraps negative numbers around as well.
        texel: NDArray[np.int32] = np.floor(coordinate * self._per_height).astype(np.int32) & (self._side - 1)
        return texel


class Textures:
    """All the tiles for pictures of one size.

    Attributes:
        fractal: Clouds, and anything that is patchy at every scale.
        rough: Fine irregularities: leaves, pebbles.
        grass: Upright blades.
        ripples: Lying streaks, as on water.
        relief: Ridged rock, lit from the upper left.
        crowns: Tree crowns beside tree crowns, lit from above.
        grain: White noise.
    """

    def __init__(self, tile: int) -> None:
        rng = np.random.default_rng(20_000)
        frequency = np.fft.fftfreq(tile, 1 / tile).astype(np.float32)  # in cycles per tile
        fy, fx = np.abs(frequency)[:, None], np.abs(frequency)[None, : tile // 2 + 1]
        radius = np.hypot(fy, fx)
        radius[0, 0] = np.inf

        def noise(spectrum: Array) -> Array:
            white = rng.standard_normal((tile, tile), dtype=np.float32)
            return np.fft.irfft2(np.fft.rfft2(white) * spectrum, (tile, tile)).astype(np.float32)

        def band(frequencies: Array, centre: float, octaves: float) -> Array:
            """A bell of this width around `centre`, over the logarithm of the frequency."""
            return np.exp(-((np.log2(np.maximum(frequencies, 0.1) / centre) / octaves) ** 2))

        self.fractal = Texture(noise((radius >= 1.5) * radius**-1.75))
        self.rough = Texture(noise((radius >= 10) * radius**-0.9))
        self.grass = Texture(noise(band(fx, 55, 0.9) * np.exp(-((fy / 16) ** 2))))
        self.ripples = Texture(noise(band(fy, 40, 1.2) * np.exp(-((fx / 10) ** 2))))
        ridges = Texture(-np.abs(noise((radius >= 3) * radius**-1.9))).tile
        slope = (np.roll(ridges, -1, 1) - np.roll(ridges, 1, 1)) + 0.6 * (
            np.roll(ridges, -1, 0) - np.roll(ridges, 1, 0)
        )
        self.relief = Texture(np.clip(slope / slope.std(), -2, 2))
        self.crowns = Texture(_crowns(rng, tile, count=56))
        self.grain = Texture(rng.standard_normal((tile, tile), dtype=np.float32))


def _crowns(rng: np.random.Generator, tile: int, count: int) -> Array:
    """Domes around `count`² jittered points, brightest a little above their middle."""
    jitter = rng.uniform(0.05, 0.95, (2, count, count)).astype(np.float32)
    brightness = rng.uniform(0.75, 1.25, (count, count)).astype(np.float32)
    where = (np.arange(tile, dtype=np.float32) + 0.5) * (count / tile)
    cell = where.astype(np.int32)
    best = np.full((tile, tile), np.inf, np.float32)
    light = np.zeros((tile, tile), np.float32)
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            cy, cx = (cell + row)[:, None], (cell + column)[None, :]
            wrapped = (cy % count, cx % count)
            dy = where[:, None] - cy - jitter[0][wrapped]
            dx = where[None, :] - cx - jitter[1][wrapped]
            distance = dx * dx + dy * dy
            nearer = distance < best
            best = np.where(nearer, distance, best)
            light = np.where(nearer, (1.1 - distance - 0.8 * dy) * brightness[wrapped], light)
    return light


@lru_cache(maxsize=2)
def textures(side: int) -> Textures:
    """The tiles for pictures with this short side: one texel to a pixel, or a little finer."""
    tile = 128
    while tile < HEIGHTS_PER_TILE * side:
        tile *= 2
    return Textures(tile)
