"""Trees and flowers."""

from __future__ import annotations

import numpy as np

from zoo_datasets.canvas import ASPECT, Canvas, patch, ramp, smoothstep, srgb
from zoo_datasets.textures import Array


def trees(canvas: Canvas, bank: Array, most: int, farthest: float, nearest: float) -> None:
    """Some single trees and groves between two distances (0 is the horizon, 1 the lower edge), the far ones first."""
    groves = canvas.rng.uniform(-0.1, ASPECT + 0.1, 3)
    conifers, green = canvas.chance(0.4), canvas.uniform(0, 1)
    count = int(most * canvas.rng.beta(0.7, 1.2))
    for distance in np.sort(canvas.rng.beta(1, 3, count)) * (nearest - farthest) + farthest:
        x = float(canvas.rng.choice(groves)) + canvas.uniform(-0.3, 0.3)
        column = min(max(int(x * canvas.side), 0), len(bank) - 1)
        base = max(canvas.horizon + (1 - canvas.horizon) * float(distance), float(bank[column]) + 0.01)
        height = canvas.uniform(0.6, 1.3) * (0.05 + 0.85 * (base - canvas.horizon))
        if not -0.4 * height < x < ASPECT + 0.4 * height:
            continue
        kind = conifer if conifers != canvas.chance(0.12) else broadleaf
        shadow(canvas, x, base, height)
        kind(canvas, x, base, height, green)


def shadow(canvas: Canvas, x: float, base: float, height: float) -> None:
    """On the grass, away from the sun."""
    length = 0.45 * height
    x += 0.3 * height * (1 if canvas.sun[0] < ASPECT / 2 else -1)
    top, left, px, py = patch(canvas, x - length, base - 0.1 * height, x + length, base + 0.1 * height)
    away = ((px - x) / length) ** 2 + ((py - base) / (0.08 * height)) ** 2
    alpha = smoothstep((1 - away) * 1.5) * 0.45 * canvas.hour.contrast
    canvas.blend(srgb(14, 26, 20) * canvas.hour.land, np.minimum(alpha, 0.6), top, left)


def trunk(canvas: Canvas, x: float, base: float, height: float, thick: float) -> None:
    """A brown stroke."""
    top, left, px, py = patch(canvas, x - 2 * thick, base - height, x + 2 * thick, base)
    alpha = np.clip((thick - np.abs(px - x)) * canvas.side + 0.5, 0, 1) * (py <= base)
    lit = 0.5 + 0.4 * (px - x) / thick * (1 if canvas.sun[0] > x else -1)
    canvas.blend(ramp(lit, srgb(44, 34, 26), srgb(116, 94, 72)) * canvas.hour.land, alpha, top, left)


def broadleaf(canvas: Canvas, x: float, base: float, height: float, green: float) -> None:
    """A round crown of several boughs, each lit from above."""
    trunk(canvas, x, base, 0.5 * height, 0.03 * height)
    wide = height * canvas.uniform(0.3, 0.4)
    centre = base - 0.62 * height
    angle = canvas.rng.uniform(0, 2 * np.pi, (9, 1, 1)).astype(np.float32)
    reach = np.sqrt(canvas.rng.uniform(0, 1, (9, 1, 1))).astype(np.float32)
    bough_x = x + 0.72 * wide * reach * np.cos(angle)
    bough_y = centre + 0.24 * height * reach * np.sin(angle)
    size = canvas.rng.uniform(0.4, 0.62, (9, 1, 1)).astype(np.float32) * wide
    top, left, px, py = patch(canvas, x - 1.4 * wide, base - 1.05 * height, x + 1.4 * wide, base - 0.1 * height)
    if not px.size or not py.size:
        return
    side = 0.5 if canvas.sun[0] > x else -0.5
    dx, dy = (px - bough_x) / size, (py - bough_y) / size
    dome = 1 - dx * dx - dy * dy
    leaves = canvas.sample(canvas.tiles.rough, px[0], py[:, 0], (0.3 + height, 0.3 + height))
    inside = dome.max(0)
    lit = np.where(dome == inside, side * dx - dy, -9).max(0)
    contrast = canvas.hour.contrast
    shade = 0.4 + contrast * (0.17 * lit + 0.1 * leaves - 0.35 * (py - centre) / height)
    dark, light = srgb(22, 40, 18), srgb(128, 152, 62) * (1 - green) + srgb(96, 136, 60) * green
    alpha = np.clip((inside + 0.14 * leaves) * size.mean() * canvas.side * 0.6 + 0.3, 0, 1)
    canvas.blend(canvas.hazy(ramp(shade, dark, light), 0.02), alpha, top, left)


def conifer(canvas: Canvas, x: float, base: float, height: float, green: float) -> None:
    """Tiers of drooping boughs, dark beneath each."""
    height *= 1.25
    trunk(canvas, x, base, 0.3 * height, 0.018 * height)
    wide = height * canvas.uniform(0.16, 0.24)
    top, left, px, py = patch(canvas, x - 1.3 * wide, base - height, x + 1.3 * wide, base - 0.06 * height)
    if not px.size or not py.size:
        return
    needles = canvas.sample(canvas.tiles.rough, px[0], py[:, 0], (0.2 + height, 0.3 + height))
    along = (py - (base - height)) / (0.93 * height)
    tier = (along * canvas.uniform(6, 10) + 0.08 * needles + 0.25 * np.abs(px - x) / wide) % 1
    half = wide * (0.04 + along) * (0.62 + 0.42 * tier + 0.1 * needles)
    side = (px - x) / wide * (1 if canvas.sun[0] > x else -1)
    contrast = canvas.hour.contrast
    shade = 0.36 + contrast * (0.3 * (0.5 - tier) + 0.25 * side + 0.1 * needles)
    light = srgb(98, 122, 70) * (1 - green) + srgb(76, 112, 82) * green
    alpha = np.clip((half - np.abs(px - x)) * canvas.side + 0.5, 0, 1)
    canvas.blend(canvas.hazy(ramp(shade, srgb(14, 28, 18), light), 0.02), alpha, top, left)


PETALS = (srgb(246, 244, 236), srgb(244, 214, 66), srgb(204, 52, 38), srgb(142, 108, 186), srgb(226, 142, 172))


def flowers(canvas: Canvas, bank: Array) -> None:
    """Dots in the grass, in drifts, of one or two colours; larger nearby."""
    count = int(canvas.rng.integers(60, 500))
    near = canvas.rng.uniform(0.08, 1, count).astype(np.float32) ** 0.8
    drifts = canvas.uniform(0, ASPECT) + canvas.rng.normal(0, 0.35, count).astype(np.float32)
    y = canvas.horizon + (1 - canvas.horizon) * near
    colours = np.stack([PETALS[i] for i in canvas.rng.choice(5, 2, p=[0.3, 0.3, 0.18, 0.14, 0.08])])[:, :, 0, 0]
    which = (canvas.rng.random(count) < 0.25).astype(np.int32)
    brightness = canvas.rng.uniform(0.8, 1.05, count).astype(np.float32)
    radius = (0.002 + 0.008 * near) * canvas.rng.uniform(0.7, 1.2, count).astype(np.float32) * canvas.side
    height, width = canvas.image.shape[1:]
    reach = int(radius.max() + 1)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    rows = (y * canvas.side).astype(np.int32)[:, None] + dy
    columns = (drifts * canvas.side).astype(np.int32)[:, None] + dx
    cover = np.clip(radius[:, None] + 0.35 - np.hypot(dx, 1.4 * dy).astype(np.float32), 0, 1)
    on_grass = (drifts > 0) & (drifts < ASPECT)
    on_grass &= y > np.interp(drifts, canvas.x, bank) + 0.02
    seen = on_grass[:, None] & (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (cover > 0)
    flower = np.broadcast_to(np.arange(count)[:, None], seen.shape)[seen]
    at = (rows[seen], columns[seen])
    petals = (colours[which] * brightness[:, None])[flower].T * canvas.hour.land[:, :, 0]
    under = canvas.image[:, at[0], at[1]]
    canvas.image[:, at[0], at[1]] = under + (petals - under) * cover[seen]
