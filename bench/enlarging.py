"""Enlarging chroma: how wrong small chroma is at the photograph's own size, by method, and what it takes.

python bench/enlarging.py photographs/ [--model MODEL] [--count 40]

The chroma is the originals', made small; with --model it is what the model predicts, too. Errors are distances in the
a*b* plane, over all pixels and over those near edges of the true chroma.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from common import machine
from torch import Tensor

from zoo.photo import color
from zoo.photo.finding import find_photos
from zoo.photo.reading import read_photo, read_rgb
from zoo.photo.scaling import resize

SIZES = (64, 96, 128)
# Near an edge: within this many pixels of a step of the true chroma larger than that.
REACH, STEP = 3, 8.0


def bilinear(small: Tensor, _small_lightness: Tensor, lightness: Tensor) -> Tensor:
    return F.interpolate(small, lightness.shape[2:], mode="bilinear", align_corners=False)


def bicubic(small: Tensor, _small_lightness: Tensor, lightness: Tensor) -> Tensor:
    return F.interpolate(small, lightness.shape[2:], mode="bicubic", align_corners=False)


def box(x: Tensor, radius: int) -> Tensor:
    return F.avg_pool2d(F.pad(x, (radius,) * 4, mode="replicate"), 2 * radius + 1, stride=1)


def guided(small: Tensor, small_lightness: Tensor, lightness: Tensor, *, residual: bool, radius: int = 5) -> Tensor:
    """He et al. 2013, Guided image filtering, with its coefficients found at the small size (He and Sun 2015)."""
    eps = 0.01
    guide = small_lightness / 100
    mean_guide, mean = box(guide, radius), box(small, radius)
    slope = (box(guide * small, radius) - mean_guide * mean) / (box(guide * guide, radius) - mean_guide**2 + eps)
    slope, offset = box(slope, radius), box(mean - slope * mean_guide, radius)
    large_slope, large_offset = (bilinear(x, small_lightness, lightness) for x in (slope, offset))
    smooth = large_slope * lightness / 100 + large_offset
    return smooth + bilinear(small - slope * guide - offset, small_lightness, lightness) if residual else smooth


def joint_bilateral(small: Tensor, small_lightness: Tensor, lightness: Tensor, *, strength: float = 8.0) -> Tensor:
    """Kopf et al. 2007, Joint bilateral upsampling: 5×5 small pixels, by distance and by likeness of lightness."""
    height, width = lightness.shape[2:]
    rows, columns = (
        (torch.arange(n) + 0.5) * m / n - 0.5 for n, m in ((height, small.shape[2]), (width, small.shape[3]))
    )
    total, weights = torch.zeros(1, 2, height, width), torch.zeros(1, 1, height, width)
    for down, right in itertools.product(range(-2, 3), repeat=2):
        y, x = rows.round() + down, columns.round() + right
        near = torch.exp(-((y - rows)[:, None] ** 2 + (x - columns)[None] ** 2) / 2)
        at = y.clamp(0, small.shape[2] - 1).long()[:, None], x.clamp(0, small.shape[3] - 1).long()[None]
        alike = torch.exp(-(((small_lightness[..., at[0], at[1]] - lightness) / strength) ** 2) / 2)
        weight = near * (alike + 1e-4)
        total += weight * small[..., at[0], at[1]]
        weights += weight
    return total / weights


METHODS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "bilinear": bilinear,
    "bicubic": bicubic,
    "guided filter": lambda *args: guided(*args, residual=False),
    "guided filter and residual": lambda *args: guided(*args, residual=True),
    "joint bilateral": joint_bilateral,
    "joint bilateral, stricter": lambda *args: joint_bilateral(*args, strength=3.0),
}


def near_edges(chroma: Tensor) -> Tensor:
    steps = torch.zeros_like(chroma[:, :1])
    steps[:, :, 1:] = (chroma[:, :, 1:] - chroma[:, :, :-1]).norm(dim=1, keepdim=True)
    steps[..., 1:] = torch.maximum(steps[..., 1:], (chroma[..., 1:] - chroma[..., :-1]).norm(dim=1, keepdim=True))
    return F.max_pool2d((steps > STEP).float(), 2 * REACH + 1, stride=1, padding=REACH) > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--count", type=int, default=40)
    args = parser.parse_args()
    model = None
    if args.model:
        from zoo.model import load_model

        model = load_model(args.model)
    paths = [path for path, _ in find_photos([args.photographs])]
    paths = paths[:: max(1, len(paths) // args.count)][: args.count]
    found: dict[tuple[str, int, str], list[tuple[float, float, float]]] = defaultdict(list)
    for path in paths:
        photo = read_photo(path)
        truth = color.rgb_to_lab(read_rgb(path))[None, 1:]
        edges = near_edges(truth)[0, 0]
        megapixels = truth[0, 0].numel() / 1e6
        for size in SIZES:
            scale = size / min(truth.shape[2:])
            height, width = (round(side * scale) for side in truth.shape[2:])
            sources = {"true": resize(truth[0], height, width)[None]}
            if model:
                sources["predicted"] = model.predict(model.network_input(photo, size)[None]) * color.AB_SCALE
            for source, small in sources.items():
                small_lightness = resize(photo.lightness, *small.shape[2:])[None]
                for name, method in METHODS.items():
                    start = time.perf_counter()
                    error = (method(small, small_lightness, photo.lightness[None]) - truth).norm(dim=1)[0]
                    seconds = (time.perf_counter() - start) / megapixels
                    at_edges = error[edges].mean().item() if edges.any() else float("nan")
                    found[source, size, name].append((error.mean().item(), at_edges, seconds))
    print(f"{machine()}; {len(paths)} photographs")
    print(f"{'chroma':10} {'short side':>10}  {'method':28} {'error':>6} {'edges':>6} {'s / megapixel':>14}")
    for (source, size, name), rows in sorted(found.items(), key=lambda item: item[0][:2]):
        mean, at_edges, seconds = torch.tensor(rows).nanmean(dim=0).tolist()
        print(f"{source:10} {size:10}  {name:28} {mean:6.2f} {at_edges:6.2f} {seconds:14.3f}")


if __name__ == "__main__":
    main()
