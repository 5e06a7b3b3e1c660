"""Being stopped: how long until a run is safe on the disk and gone, against writing as many bytes into one file.

    python bench/stop.py

Signals come at random moments: in a step, in a validation, while a checkpoint is being written. It is
0 s where the newest checkpoint was whole before the signal came: after SIGTERM, a recent one will do.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import machine

RUN = [
    "run", "--name", "stopped", "--gen", "unet-deep", "--critic", "patch", "--loss", "l1+adv",
    "--data", "scenes:length=64,val=12", "--size", "256", "--steps", "100000", "--set", "val_every=6",
]  # fmt: skip
SIGNALS = [signal.SIGINT, signal.SIGTERM] * 4


def newest(folder: Path) -> Path | None:
    found = sorted(folder.glob("step-*[0-9]/manifest.json"))
    return found[-1].parent if found else None


def stop(arguments: list[str], number: signal.Signals, delay: float, folder: Path) -> tuple[float, float]:
    """Run zoo until it has saved something, send a signal; return seconds until all is saved, and until it is gone."""
    checkpoints = folder / "runs" / "stopped" / "checkpoints"
    before = newest(checkpoints)
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo", *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while newest(checkpoints) == before and process.poll() is None:
        time.sleep(0.1)
    time.sleep(delay)
    sent = time.time()
    process.send_signal(number)
    process.wait(timeout=120)
    gone = time.time() - sent
    last = newest(checkpoints)
    if process.returncode != 130 or last is None:
        raise SystemExit(f"zoo ended with {process.returncode}")
    return max(0.0, (last / "manifest.json").stat().st_mtime - sent), gone


def write_plainly(size: int, folder: Path) -> float:
    data = os.urandom(size)
    start = time.perf_counter()
    with (folder / "plain").open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - start


def main() -> None:
    moments = random.Random(0)
    found: dict[signal.Signals, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = RUN
        for number in SIGNALS:
            found.setdefault(number, []).append(stop(arguments, number, moments.uniform(0, 10), folder))
            arguments = ["resume", "runs/stopped"]
        last = newest(folder / "runs" / "stopped" / "checkpoints")
        size = sum(file.stat().st_size for file in last.iterdir()) if last else 0
        plain = statistics.median(write_plainly(size, folder) for _ in range(3))
    print(f"{machine()}; unet-deep at 256 pixels, a checkpoint of {size / 1e9:.2f} GB, {plain:.1f} s to write plainly")
    for number, times in found.items():
        for what, seconds in zip(("saved", "gone"), zip(*times, strict=True), strict=True):
            median = statistics.median(seconds)
            print(
                f"{number.name:8} {what:6} after {min(seconds):5.1f} to {max(seconds):4.1f} s, "
                f"median {median:4.1f} s   {median / plain:5.2f} × writing plainly"
            )


if __name__ == "__main__":
    main()
