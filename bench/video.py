"""Films: flicker against sharpness and error, with and without --steady; lightness; where the time goes at 480p.

The clips are photographs of scikit-image over which a window moves, in grey, with grain and a brightness that trembles:
so it is known exactly where each pixel was in the frame before.

python bench/video.py
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from common import machine
from torch import Tensor
from zoo_video.encoding import encode
from zoo_video.film import Frames, examine, values
from zoo_video.flow import warp
from zoo_video.planes import Planes
from zoo_video.steady import Steady

from zoo.device import count_cores
from zoo.model import Model, load_model
from zoo.photo import Photo
from zoo.photo.color import AB_SCALE, rgb_to_lab
from zoo.photo.scaling import resize
from zoo.registry import find_model

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
FRAMES, RATE = 48, 24
HEIGHT, WIDTH = 480, 854
GRAIN, TREMBLING = 3.0, 1.5
"""Standard deviations in L*: of each pixel, and of a whole frame."""
SECONDS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
Window = tuple[float, float, float]
MOTIONS: dict[str, Callable[[float], Window]] = {
    "pan": lambda t: (0.2 + 0.6 * t, 0.5, 0.62),
    "zoom": lambda t: (0.5, 0.5, 0.9 - 0.45 * t),
    "hand": lambda t: (
        0.5 + 0.12 * math.sin(7 * t) + 0.03 * math.sin(40 * t),
        0.5 + 0.1 * math.cos(5 * t) + 0.03 * math.sin(33 * t),
        0.6,
    ),
}
"""Where the window is from 0 to 1, across and down, and its size as a share of the largest."""


@dataclass
class Clip:
    """A photograph, and a window that moves over it."""

    photograph: Tensor
    motion: Callable[[float], Window]

    @classmethod
    def of(cls, name: str, motion: str) -> Clip:
        array = np.ascontiguousarray(getattr(skimage.data, name)())
        return cls(torch.from_numpy(array).movedim(2, 0).float() / 255, MOTIONS[motion])

    def frame(self, number: int) -> Tensor:
        """RGB, (3, HEIGHT, WIDTH)."""
        x, y = self._places(number, HEIGHT, WIDTH)
        height, width = self.photograph.shape[1:]
        places = torch.stack(torch.broadcast_tensors(2 * x / width - 1, 2 * y / height - 1), -1)
        found = F.grid_sample(self.photograph[None], places[None], "bicubic", "border", align_corners=False)
        return found[0].clamp(0, 1)

    def flow(self, number: int, height: int, width: int) -> Tensor:
        """Where each pixel of a frame of (height, width) was in the one before: (2, height, width)."""
        x, y = self._places(number, height, width)
        old_x, old_y = self._places(number - 1, height, width)
        x = (x - old_x[:, :1]) / (old_x[:, 1:2] - old_x[:, :1]) - torch.arange(width)
        y = (y - old_y[:1]) / (old_y[1:2] - old_y[:1]) - torch.arange(height)[:, None]
        return torch.stack(torch.broadcast_tensors(x, y))

    def _places(self, number: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Where pixels are in the photograph: (1, width) and (height, 1)."""
        high, wide = self.photograph.shape[1:]
        across, down, size = self.motion(number / (FRAMES - 1))
        window_width = min(wide, high * WIDTH / HEIGHT) * size
        window_height = window_width * HEIGHT / WIDTH
        x = (wide - window_width) * across + (torch.arange(width) + 0.5) * (window_width / width)
        y = (high - window_height) * down + (torch.arange(height) + 0.5) * (window_height / height)
        return x[None], y[:, None]


def flicker(chroma: Tensor, flows: list[Tensor]) -> float:
    """Mean change of a* and b* along the flow, where it stays in the picture."""
    height, width = chroma.shape[2:]
    found = []
    for before, after, flow in zip(chroma, chroma[1:], flows, strict=False):
        x, y = torch.arange(width) + flow[0], torch.arange(height)[:, None] + flow[1]
        seen = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        found.append((warp(before, flow) - after).norm(dim=0)[seen].mean())
    return AB_SCALE * float(torch.stack(found).mean())


def sharpness(chroma: Tensor) -> float:
    """Mean slope of a* and b*, in units per pixel that the generator sees."""
    across, down = chroma[..., 1:] - chroma[..., :-1], chroma[..., 1:, :] - chroma[..., :-1, :]
    return AB_SCALE * float(across.norm(dim=1).mean() + down.norm(dim=1).mean()) / 2


def measure_flicker(model: Model) -> None:
    random = torch.Generator().manual_seed(0)
    rows: dict[float, list[tuple[float, float, float]]] = defaultdict(list)
    originals = []
    for name in PHOTOGRAPHS:
        for motion in MOTIONS:
            clip = Clip.of(name, motion)
            seen, truth = [], []
            for number in range(FRAMES):
                lab = rgb_to_lab(clip.frame(number))
                shaken = lab[:1] + GRAIN * torch.randn(lab[:1].shape, generator=random)
                shaken += TREMBLING * torch.randn(1, generator=random)
                seen.append(model.network_input(Photo(shaken.clamp(0, 100))))
                truth.append(resize(lab[1:], *seen[-1].shape[1:]) / AB_SCALE)
            predicted = torch.cat([model.predict(some) for some in torch.stack(seen).split(8)])
            flows = [clip.flow(number, *seen[0].shape[1:]) for number in range(1, FRAMES)]
            original = torch.stack(truth)
            originals.append((flicker(original, flows), sharpness(original), 0.0))
            for seconds in SECONDS:
                calm = Steady(seconds)
                shown = torch.stack([calm(seen[number], predicted[number], number / RATE) for number in range(FRAMES)])
                away = AB_SCALE * float((shown - original).norm(dim=1).mean())
                rows[seconds].append((flicker(shown, flows), sharpness(shown), away))
    print(f"{len(originals)} clips of {FRAMES} frames; units of L*a*b*")
    print(f"{'--steady':>10} {'flicker':>8} {'sharpness':>10} {'chroma error':>13}")
    for what, found in (*rows.items(), ("original", originals)):
        change, slope, away = np.mean(found, 0)
        print(f"{what:>10} {change:8.2f} {slope:10.2f} {away:13.1f}")


def make_film(path: Path) -> None:
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=RATE, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(2 * FRAMES):
            clip = Clip.of(PHOTOGRAPHS[number // FRAMES], "hand")
            luma = torch.tensordot(torch.tensor([0.2126, 0.7152, 0.0722]), clip.frame(number % FRAMES), 1).numpy()
            luma = 16 + 219 * (luma + random.normal(0, 0.02, luma.shape)).clip(0, 1)
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for plane, numbers in enumerate((luma.round(), 128, 128)):
                values(frame, plane)[:] = numbers
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def measure_time(model: Model, path: Path, scratch: Path) -> None:
    """Take each stage's time; that of the encoder is what is left, and goes on beside the others on another core."""
    torch.set_num_threads(max(1, count_cores() // 2))
    film = examine(path, lossless=False)
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    lightness_change: list[Tensor] = []
    frames_done = 0

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        wall, busy = time.perf_counter(), time.thread_time()
        yield
        spent[name][0] += time.perf_counter() - wall
        spent[name][1] += time.thread_time() - busy

    def coloured() -> Iterator[Any]:
        nonlocal frames_done
        planes, calm, frames = Planes(film), Steady(0.5), iter(Frames(film))
        while True:
            with stage("decode"):
                batch = list(islice(frames, 8))
            if not batch:
                return
            with stage("lightness"):
                seen = [model.network_input(Photo(planes.lightness(frame))) for frame in batch]
            with stage("network"):
                predicted = model.predict(torch.stack(seen))
            for frame, small, chroma in zip(batch, seen, predicted, strict=True):
                with stage("hold still"):
                    held = calm(small, chroma, float(frame.pts * film.time_base))
                with stage("chroma planes"):
                    planes.paint(frame, held)
                if frames_done % 16 == 0:
                    lightness_change.append(change_of_lightness(planes, frame))
                frames_done += 1
                yield frame

    wall, busy = time.perf_counter(), time.process_time()
    encode(scratch / "out.nut", film, coloured(), lossless=False)
    spent["all, with the encoder"] = [time.perf_counter() - wall, time.process_time() - busy]
    print(f"{film.width}×{film.height}, {frames_done} frames, {count_cores()} cores")
    for name, (elapsed, computed) in spent.items():
        each, of_a_core = 1000 * elapsed / frames_done, 1000 * computed / frames_done
        print(f"{name:22} {each:7.1f} ms a frame, {of_a_core:7.1f} ms of a core")
    print(f"{frames_done / spent['all, with the encoder'][0]:.1f} frames/s")
    change = torch.cat(lightness_change).abs()
    print(f"L* against the film's: {change.mean():.2f} in the mean, 99 % under {change.quantile(0.99):.2f}; luma: 0")


def change_of_lightness(planes: Planes, frame: Any) -> Tensor:
    """How much lighter a coloured frame looks than it did, as a player shows it, at every 7th pixel."""
    shown = frame.reformat(format="gbrpf32le", src_colorspace=5, src_color_range=1, dst_color_range=2)
    rgb = torch.stack([torch.from_numpy(shown.to_ndarray()[..., channel].copy()) for channel in range(3)]).clamp(0, 1)
    return (rgb_to_lab(rgb)[0] - planes.lightness(frame)[0]).flatten()[::7]


def main() -> None:
    source = find_model(None)
    model = load_model(source.file, "cpu")
    print(f"{machine()}; {source}")
    with tempfile.TemporaryDirectory() as scratch:
        make_film(Path(scratch) / "film.mkv")
        measure_time(model, Path(scratch) / "film.mkv", Path(scratch))
    measure_flicker(model)


if __name__ == "__main__":
    main()
