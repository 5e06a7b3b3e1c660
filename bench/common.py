"""What the benchmarks share: peaks of this machine, pictures to work on, fair timing."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
import torch.nn.functional as F


def best_rate(work: Callable[[], object], units: float, seconds: float = 2.0) -> float:
    """Return units per second of the fastest of several calls: what the machine can do when left alone."""
    work()
    fastest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - start)
    return units / fastest


def median_seconds(work: Callable[[], object], times: int = 5) -> float:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def convolution_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a 3×3 convolution, channels-last, of a size that suits it."""
    batch = 8 if device.type == "cpu" else 64
    x = torch.randn(batch, 256, 64, 64, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    w = torch.randn(256, 256, 3, 3, device=device, dtype=dtype).to(memory_format=torch.channels_last)

    def work() -> None:
        F.conv2d(x, w, padding=1)
        synchronize(device)

    return best_rate(work, 2 * batch * 256 * 256 * 9 * 64 * 64)


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a matrix product."""
    size = 2048 if device.type == "cpu" else 8192
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))

    def work() -> None:
        torch.mm(a, b)
        synchronize(device)

    return best_rate(work, 2 * size**3)


def make_photographs(folder: Path, count: int, height: int = 321) -> Path:
    """Write landscapes as JPEG, 3:2, where no photographs are given."""
    from zoo import registry
    from zoo.photo import save_photo

    folder.mkdir(parents=True, exist_ok=True)
    scenes = registry.get().build("dataset", f"scenes:side={height},length={count}", split="train")
    for number in range(count):
        save_photo(folder / f"{number:04}.jpg", scenes[number])
    return folder


def machine() -> str:
    """Name what was measured on."""
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in (Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else [])
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} cores of {cpu}"
    return f"{device}, torch {version('torch')}"
