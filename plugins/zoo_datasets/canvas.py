"""What landscapes are drawn on, and with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from zoo_datasets.textures import Array, Texture, Textures, textures

ASPECT = 1.5


def srgb(red: int, green: int, blue: int) -> Array:
    """A colour that broadcasts over (3, H, W)."""
    return np.array([red, green, blue], np.float32)[:, None, None] / 255


@dataclass(frozen=True)
class Hour:
    """The light of a time of day.

    Attributes:
        zenith: The sky at the top,
        middle: half way down,
        horizon: and just above the land.
        land: Multiplies the colours of the land.
        cloud: The lit side of the clouds.
        shade: Their shadowed side.
        haze: How much of the sky's colour lies over the farthest land.
        contrast: Of lit and shadowed sides on the land.
    """

    zenith: Array
    middle: Array
    horizon: Array
    land: Array
    cloud: Array
    shade: Array
    haze: float
    contrast: float


@dataclass
class Canvas:
    """A picture in the making.

    Attributes:
        side: Height in pixels.
        rng: Where all decisions about this picture come from.
        hour: The light.
        sun: From where it shines: x and y in picture heights; it may be outside of the picture.
        horizon: Height of the horizon.
        image: (3, H, W).
        x: (W,) centres of the columns.
        y: (H,) centres of the rows.
    """

    side: int
    rng: np.random.Generator
    hour: Hour
    sun: tuple[float, float]
    horizon: float
    image: Array = field(init=False)
    x: Array = field(init=False)
    y: Array = field(init=False)
    tiles: Textures = field(init=False)

    def __post_init__(self) -> None:
        self.image = np.empty((3, self.side, round(self.side * ASPECT)), np.float32)
        self.x = (np.arange(self.image.shape[2], dtype=np.float32) + 0.5) / self.side
        self.y = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side
        self.tiles = textures(self.side)

    def uniform(self, low: float, high: float) -> float:
        """Pick a number."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Toss a coin."""
        return bool(self.rng.random() < probability)

    def somewhere(self) -> tuple[Array, Array]:
        """An offset into the textures."""
        u, v = self.rng.uniform(0, 2, 2).astype(np.float32)
        return u, v

    def sample(self, texture: Texture, x: Array, y: Array, scale: tuple[float, float]) -> Array:
        """A piece of texture whose features are `scale` times as wide and as high -> (len(y), len(x))."""
        u, v = self.somewhere()
        return texture.grid(x / scale[0] + u, y / scale[1] + v)

    def row(self, y: float) -> int:
        """The row of pixels at this height, inside of the picture."""
        return min(max(int(y * self.side), 0), self.side - 1)

    def blend(self, colour: Array, alpha: Array, top: int = 0, left: int = 0) -> None:
        """Lay `colour` over the picture from row `top` and column `left` on, as opaque as `alpha` (h, w) says."""
        height, width = alpha.shape
        part = self.image[:, top : top + height, left : left + width]
        part += (colour - part) * alpha

    def hazy(self, colour: Array, distance: float) -> Array:
        """How land of this colour looks by the light of the hour, through air that grows thicker with distance."""
        veil = 0.75 * self.hour.horizon + 0.25 * self.hour.middle
        return colour * self.hour.land * (1 - distance) + veil * distance


def ramp(shade: Array, dark: Array, light: Array) -> Array:
    """From `dark` at 0 to `light` at 1: (H, W) -> (3, H, W)."""
    return dark + (light - dark) * np.clip(shade, 0, 1)


def smoothstep(t: Array) -> Array:
    """0 below 0, 1 above 1, smooth in between."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def profile(canvas: Canvas, first: float, octaves: int, gain: float) -> Array:
    """A random outline over x: `first` knots per height, each octave twice as fine and `gain` times as high."""
    outline = np.zeros_like(canvas.x)
    for octave in range(octaves):
        spacing = 1 / (first * 2**octave)
        knots = canvas.rng.uniform(-1, 1, int(ASPECT / spacing) + 3)
        places = (np.arange(len(knots)) - canvas.uniform(0, 1)) * spacing
        outline += (gain**octave * np.interp(canvas.x, places, knots)).astype(np.float32)
    return outline


def swell(canvas: Canvas, finest: float = 8.0) -> Array:
    """A smooth random outline over x, within about ±1."""
    frequencies = 0.25 * (finest * 4) ** (np.arange(8, dtype=np.float32)[:, None] / 7)
    phases = canvas.rng.uniform(0, 2 * np.pi, (8, 1)).astype(np.float32)
    waves: Array = np.sin(2 * np.pi * frequencies * canvas.x + phases) / (1 + 3 * frequencies)
    outline: Array = 1.1 * waves.sum(0)
    return outline


def patch(canvas: Canvas, left: float, top: float, right: float, bottom: float) -> tuple[int, int, Array, Array]:
    """The pixels of a rectangle: first row, first column, x (1, w) and y (h, 1). May be empty."""
    rows = [min(max(int(edge * canvas.side), 0), canvas.side) for edge in (top, bottom + 1 / canvas.side)]
    columns = [min(max(int(edge * canvas.side), 0), len(canvas.x)) for edge in (left, right + 1 / canvas.side)]
    return rows[0], columns[0], canvas.x[None, slice(*columns)], canvas.y[slice(*rows), None]
