"""How one landscape is drawn, back to front: sky, clouds, mountains, hills, water, meadow, trees, flowers.

Coordinates are in picture heights, from the upper left corner. Colours are sRGB in [0, 1]; the light of the hour
multiplies what is drawn on the land. Every surface has a texture of its own, so that a grey picture still tells
what is what.
"""

from __future__ import annotations

import numpy as np

from zoo_datasets.canvas import ASPECT, Canvas, Hour, profile, ramp, smoothstep, srgb, swell
from zoo_datasets.plants import flowers, trees
from zoo_datasets.textures import Array, Texture

HOURS = {
    "noon": Hour(
        srgb(66, 118, 188), srgb(124, 172, 220), srgb(196, 219, 234), srgb(262, 257, 242),
        srgb(252, 251, 247), srgb(158, 170, 188), 0.55, 1.0,
    ),
    "overcast": Hour(
        srgb(150, 157, 166), srgb(178, 183, 188), srgb(206, 209, 211), srgb(206, 212, 216),
        srgb(226, 228, 230), srgb(122, 129, 139), 0.75, 0.55,
    ),
    "sunset": Hour(
        srgb(84, 112, 156), srgb(220, 178, 142), srgb(254, 210, 136), srgb(206, 174, 126),
        srgb(255, 206, 150), srgb(136, 112, 122), 0.6, 1.15,
    ),
    "dawn": Hour(
        srgb(122, 144, 184), srgb(202, 182, 194), srgb(250, 214, 192), srgb(204, 192, 190),
        srgb(252, 220, 208), srgb(150, 146, 168), 0.9, 0.7,
    ),
    "dusk": Hour(
        srgb(40, 54, 92), srgb(98, 96, 126), srgb(222, 156, 118), srgb(122, 126, 142),
        srgb(214, 150, 128), srgb(62, 64, 92), 0.5, 0.6,
    ),
}  # fmt: skip
CHANCES = {"noon": 0.68, "overcast": 0.11, "sunset": 0.1, "dawn": 0.06, "dusk": 0.05}


def draw(side: int, rng: np.random.Generator) -> Array:
    """Draw a landscape -> (3, side, 1.5 · side), sRGB, about [0, 1]."""
    name = rng.choice(list(CHANCES), p=list(CHANCES.values()))
    horizon = float(rng.uniform(0.36, 0.58))
    height = {"noon": (-0.3, 0.05), "overcast": (-0.5, -0.4), "sunset": (horizon - 0.16, horizon - 0.03),
              "dawn": (horizon - 0.1, horizon), "dusk": (horizon, horizon + 0.02)}[name]  # fmt: skip
    sun = (float(rng.uniform(0.1, ASPECT - 0.1)), float(rng.uniform(*height)))
    canvas = Canvas(side, rng, HOURS[name], sun, horizon)

    sky(canvas, glow={"noon": 0.25, "overcast": 0.1, "sunset": 0.75, "dawn": 0.5, "dusk": 0.45}[name])
    clouds(canvas, cover=1.0 if name == "overcast" else canvas.uniform(-0.4, 0.95))
    if name in ("sunset", "dawn"):
        disc(canvas)
    for distance in sorted(rng.uniform(0.25, 1, rng.choice(3, p=[0.3, 0.4, 0.3])), reverse=True):
        mountains(canvas, float(distance))
    for distance in (0.3, 0.12)[: rng.integers(1, 3)]:
        hills(canvas, distance)
    lake = canvas.chance(0.38)
    rise = swell(canvas, 2)
    bank = horizon + 0.01 + canvas.uniform(0, 0.05) * (rise - rise.max())
    if lake:
        trees(canvas, bank, most=12, farthest=0, nearest=0.03)
        water(canvas)
        bank = canvas.uniform(0.72, 0.94) + 0.04 * swell(canvas)
    meadow(canvas, bank, path=not lake and canvas.chance(0.3))
    trees(canvas, bank, most=9 if lake else 24, farthest=0.03, nearest=0.9)
    if canvas.chance(0.5):
        flowers(canvas, bank)
    return develop(canvas)


def sky(canvas: Canvas, glow: float) -> None:
    """Fill the picture with a clear sky: smooth, paler towards the horizon and around the sun."""
    hour = canvas.hour
    at = np.array([0, 0.55, 1]) * canvas.horizon
    stops = np.stack([hour.zenith, hour.middle, hour.horizon])[:, :, 0, 0]
    stops = stops * canvas.rng.uniform(0.98, 1.02, (1, 3)) * canvas.uniform(0.92, 1.06)
    for channel in range(3):
        canvas.image[channel] = np.interp(canvas.y, at, stops[:, channel])[:, None]
    dx, dy = canvas.x[None, :] - canvas.sun[0], canvas.y[:, None] - canvas.sun[1]
    radius = dx * dx + dy * dy
    halo = glow / (1 + 14 * radius)
    canvas.blend(0.5 * hour.cloud + 0.5 * hour.horizon, halo)


def clouds(canvas: Canvas, cover: float) -> None:
    """Soft, fractal, lit from the sun's side; smaller towards the horizon. Below -0.2 there are none."""
    if cover < -0.2:
        return
    u, v = canvas.somewhere()
    bottom = canvas.row(canvas.horizon) + 1
    y = canvas.y[:bottom, None]
    depth = 1 / (canvas.horizon * 1.25 - y)  # of the cloud deck, growing towards the horizon
    middle = canvas.x[None, :] - ASPECT / 2
    heaps = canvas.chance(0.5)
    if heaps:
        across, along = middle * depth * 0.3 + u, np.log(depth) * 0.5 + v
    else:
        across, along = middle * depth * canvas.uniform(0.14, 0.3) + u, depth * 0.3 + v
    density = canvas.tiles.fractal.at(across, along)
    towards = 0.035 if canvas.sun[0] > ASPECT / 2 else -0.035
    behind = canvas.tiles.fractal.at(across + towards, along + 0.03)
    edge = canvas.uniform(0.8, 1.4) if heaps else canvas.uniform(1.4, 2.6)
    alpha = smoothstep((density + 2 * cover - 1) / edge) * 0.95
    lit = 0.72 + 0.5 * (density - behind) - 0.16 * np.maximum(density + 2 * cover - 1.4, 0)
    colour = ramp(lit, canvas.hour.shade, canvas.hour.cloud)
    # Far clouds take on the colour of the air.
    far = smoothstep((y / canvas.horizon - 0.45) * 1.6) * 0.6
    canvas.blend(colour + (canvas.hour.horizon - colour) * far, alpha)


def disc(canvas: Canvas) -> None:
    """Draw the sun itself."""
    dx, dy = canvas.x[None, :] - canvas.sun[0], canvas.y[:, None] - canvas.sun[1]
    radius = np.sqrt(dx * dx + dy * dy)
    canvas.blend(srgb(255, 250, 226), smoothstep((0.045 - radius) * 40) + 0.5 * np.exp(-radius * 14))


def mountains(canvas: Canvas, distance: float) -> None:
    """Bare ridged rock with snow on the high ones, forest at the foot, blue with distance."""
    high = canvas.uniform(0.08, 0.24) + 0.06 * distance
    peaks = 1 - np.abs(profile(canvas, canvas.uniform(0.6, 1.6), 6, canvas.uniform(0.4, 0.5)))
    ridge = canvas.horizon - high * np.clip(peaks, -0.2, 1)
    top, bottom = canvas.row(float(ridge.min())), canvas.row(canvas.horizon + 0.02) + 1
    y = canvas.y[top:bottom]
    below = y[:, None] - ridge
    rock = canvas.sample(canvas.tiles.relief, canvas.x, y, (0.7, 0.5))
    if canvas.sun[0] > ASPECT / 2:
        rock = -rock
    rough = canvas.sample(canvas.tiles.fractal, canvas.x, y, (0.4, 0.4))
    lit = 0.5 + 0.22 * canvas.hour.contrast * rock
    colour = ramp(lit, srgb(62, 62, 70), srgb(164, 156, 146))
    forest = smoothstep((y[:, None] - (canvas.horizon - 0.35 * high) + 0.03 * rough) * 20 + 0.5)
    colour = colour + (ramp(lit, srgb(28, 44, 34), srgb(76, 96, 62)) - colour) * forest
    if high > 0.17:
        line = canvas.horizon - high * canvas.uniform(0.45, 0.7)
        snow = smoothstep((line - y[:, None] + 0.02 * rough + 0.015 * rock) * 50 + 0.5)
        colour = colour + (ramp(lit + 0.2, srgb(150, 166, 192), srgb(250, 250, 250)) - colour) * snow
    air = canvas.hour.haze * (0.3 + 0.6 * distance)
    # Mist gathers at the foot.
    mist = air + 0.35 * canvas.hour.haze * smoothstep(below / high - 0.2)
    canvas.blend(canvas.hazy(colour, 0) * (1 - mist) + canvas.hazy(colour * 0, 1) * mist,
                 np.clip(below * canvas.side + 0.5, 0, 1), top)  # fmt: skip


def hills(canvas: Canvas, distance: float) -> None:
    """Rolling, under forest (blotchy, jagged on top) or grass (smooth)."""
    wooded = canvas.chance(0.65)
    ridge = canvas.horizon - 0.16 * distance - 0.015 - (0.1 * distance + 0.018) * swell(canvas)
    size = 0.5 - 0.6 * distance
    if wooded:
        ridge -= 0.035 * size * (1 + profile(canvas, 40 / size, 2, 0.6))
    top, bottom = canvas.row(float(ridge.min())), canvas.row(canvas.horizon + 0.03) + 1
    y = canvas.y[top:bottom]
    below = y[:, None] - ridge
    broad = canvas.sample(canvas.tiles.fractal, canvas.x, y, (0.5, 0.25))
    if wooded:
        crowns = canvas.sample(canvas.tiles.crowns, canvas.x, y - 0.7 * ridge.mean(), (size, 1.5 * size))
        lit = 0.38 + 0.22 * canvas.hour.contrast * crowns + 0.08 * broad
        colour = ramp(lit, srgb(20, 36, 22), srgb(98, 122, 60))
    else:
        fine = canvas.sample(canvas.tiles.rough, canvas.x, y, (0.6, 0.2))
        lit = 0.6 + 0.14 * broad + 0.05 * fine
        colour = ramp(lit, srgb(66, 92, 44), srgb(158, 176, 92))
        crowns = canvas.sample(canvas.tiles.crowns, canvas.x, y, (size, size))
        groves = canvas.sample(canvas.tiles.fractal, canvas.x, y, (0.25, 0.15)) + 0.35 * crowns
        colour += (ramp(0.4 + 0.2 * crowns, srgb(24, 42, 24), srgb(92, 118, 58)) - colour) * smoothstep(4 * groves - 3)
    air = canvas.hour.haze * distance * 1.3
    canvas.blend(canvas.hazy(colour, air), np.clip(below * canvas.side + 0.5, 0, 1), top)


def water(canvas: Canvas) -> None:
    """Below the horizon: the picture upside down, drawn out by ripples."""
    shore = canvas.row(canvas.horizon)
    y = canvas.y[shore:]
    near = (y - canvas.horizon) / (1 - canvas.horizon)
    u, v = canvas.somewhere()
    closer = 1 / (near[:, None] + 0.12)
    ripples = canvas.tiles.ripples.at(
        (canvas.x[None, :] - ASPECT / 2) * closer * 0.35 + u, np.log(near[:, None] + 0.12) * 0.9 + v
    )
    ripples *= smoothstep(near[:, None] * 4 + 0.15)
    wind = canvas.uniform(0.3, 1.0)
    mirrored = 2 * canvas.horizon - y[:, None] + 0.03 * wind * ripples
    rows = np.clip(mirrored * canvas.side, 0, shore - 1).astype(np.int32)
    width = canvas.image.shape[2]
    columns = np.arange(width, dtype=np.int32)[None, :]
    seen = canvas.image.reshape(3, -1).take(rows * width + columns, axis=1)
    deep = (0.3 * canvas.hour.zenith + srgb(22, 48, 58) * canvas.hour.land) * 0.75
    mirror = np.clip(0.8 - 0.45 * near[:, None] - 0.09 * wind * ripples, 0, 1)
    canvas.image[:, shore:] = deep + (seen - deep) * mirror
    glint = smoothstep((ripples - 1.2) * 0.8) * np.exp(-(((canvas.x[None, :] - canvas.sun[0]) / 0.22) ** 2))
    canvas.blend(canvas.hour.cloud, glint * 0.7 * wind * canvas.hour.contrast, shore)


def upright(canvas: Canvas, texture: Texture, closer: Array, y: Array) -> Array:
    """Texture that is `closer` (h, 1) times finer, made of things that stand: they don't lean outwards.

    Finer by whole powers of two only, with a soft transition between them -> (h, W).
    """
    u, v = canvas.somewhere()
    octave = np.log2(closer)
    fine = np.exp2(np.floor(octave))
    share = octave - np.floor(octave)
    coarse = texture.at(canvas.x[None, :] * fine + u, y * fine + v)
    finer = texture.at(canvas.x[None, :] * fine * 2 + u, y * fine * 2 + v)
    # Two independent noises weaken each other when mixed; the divisor makes up for it.
    blended: Array = (coarse * (1 - share) + finer * share) / np.sqrt((1 - share) ** 2 + share**2)
    return blended


def meadow(canvas: Canvas, bank: Array, path: bool) -> None:
    """Grass from the bank down: upright blades, larger nearby, in patches; yellower where it is lighter."""
    top = canvas.row(float(bank.min()) - 0.01)
    y = canvas.y[top:, None]
    line = min(float(bank.min()) - 0.01, canvas.horizon)
    near = np.maximum((y - line) / (1 - line), 0.003)
    closer = 1 / (near + 0.07)
    middle = canvas.x[None, :] - ASPECT / 2
    u, v = canvas.somewhere()
    depth = np.log(near + 0.07) * (1 - line)
    blades = upright(canvas, canvas.tiles.grass, closer, y)
    tufts = canvas.tiles.crowns.at(middle * closer * 0.5 + v, depth + u)
    patches = canvas.tiles.fractal.at(middle * closer * 0.12 + v, closer * 0.16 + u)
    fine = near / (near + 0.12)
    dry = canvas.rng.beta(1, 4)
    lit = (0.5 + 0.25 * dry + 0.13 * patches + fine * (0.13 * blades + 0.07 * tufts)
           - 0.12 * near + canvas.uniform(-0.05, 0.05))  # fmt: skip
    dark = srgb(34, 58, 24) * (1 - dry) + srgb(72, 68, 34) * dry
    light = srgb(158, 178, 78) * (1 - dry) + srgb(212, 194, 122) * dry
    colour = ramp(lit, dark.astype(np.float32), light.astype(np.float32))
    if path:
        bend = canvas.uniform(-0.6, 0.6) + near * canvas.uniform(-1, 1) + 0.12 * np.sin(near * 9 + canvas.uniform(0, 6))
        across = np.abs(middle - bend * (1 - 0.3 * near)) / (0.015 + 0.22 * near)
        pebbles = canvas.tiles.rough.at(middle * closer + v, depth * 2 + u)
        sand = ramp(0.62 + 0.1 * pebbles * fine + 0.05 * patches, srgb(88, 74, 52), srgb(212, 194, 154))
        colour = colour + (sand - colour) * smoothstep((1 - across + 0.12 * blades) * 4)
    air = 0.3 * canvas.hour.haze * np.exp(-near * 9)
    alpha = np.clip((y - bank + 0.012 * blades * fine) * canvas.side + 0.5, 0, 1)
    canvas.blend(canvas.hazy(colour, 0) * (1 - air) + canvas.hazy(colour * 0, 1) * air, alpha, top)


def develop(canvas: Canvas) -> Array:
    """What a camera adds: exposure, darker corners, grain."""
    dx, dy = canvas.x[None, :] / ASPECT - 0.5, canvas.y[:, None] - 0.5
    exposure = canvas.uniform(0.92, 1.05) - canvas.uniform(0, 0.3) * (dx * dx + dy * dy)
    grain = canvas.sample(canvas.tiles.grain, canvas.x, canvas.y, (1, 1)) * canvas.uniform(0.001, 0.007)
    return canvas.image * exposure + grain
