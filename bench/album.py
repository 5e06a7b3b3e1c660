"""Albums of many small and of some large photographs: photographs/s and peak memory, against one after the other.

python bench/album.py [--small 5000] [--large 20] [--format png]

Every measurement is a process of its own. Pictures are drawn, with grain, and removed at the end, results included.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import machine
from PIL import Image


def draw(folder: Path, count: int, low: int, high: int) -> Path:
    """Write greys with soft shapes and grain as JPEG; their long side is between two sizes, 3:2."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    grain = random.normal(0, 6, (256, 256))
    for number in range(count):
        width = int(random.integers(low, high + 1))
        height = width * 2 // 3
        soft = Image.fromarray(random.integers(0, 256, (8, 12), dtype=np.uint8)).resize((width, height), 3)
        noise = np.tile(grain, (-(-height // 256), -(-width // 256)))[:height, :width].astype(np.float32)
        pixels = (np.asarray(soft) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05}.jpg", quality=90)
    return folder


def work(how: str, folder: Path, out: Path, format: str) -> dict[str, float]:
    from zoo import load_model
    from zoo.colorize import Ledger, colorize_all, plan
    from zoo.photo import read_photo, save_photo

    model = load_model("natural", "cpu")
    jobs = plan([folder], out, format)
    out.mkdir()
    start, before = time.perf_counter(), time.process_time()
    if how == "album":
        failed = [outcome.error for outcome in colorize_all(model, jobs, ledger=Ledger(out)) if outcome.error]
        assert not failed, failed[0]
    else:
        for job in jobs:
            photo = read_photo(job.source)
            rgb = model.colorize(photo, bits=photo.bits)
            save_photo(job.target, rgb, notes=photo.notes, stored=photo.stored, mark=model.mark)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rate": len(jobs) / seconds,
        "cpu": (time.process_time() - before) / len(jobs),  # which a busy machine changes less
        "peak": used.ru_maxrss / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", type=int, default=5000)
    parser.add_argument("--large", type=int, default=20)
    parser.add_argument("--format", default="png")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        how, folder, out = args.work
        print(json.dumps(work(how, Path(folder), Path(out), args.format)))
        return
    print(f"{machine()}; the model natural, {args.format}")
    with tempfile.TemporaryDirectory() as scratch:
        for name, count, low, high in (("64 to 200 pixels", args.small, 64, 200), ("50 MP", args.large, 8660, 8660)):
            if not count:
                continue
            folder = draw(Path(scratch) / name.replace(" ", "-"), count, low, high)
            for how in ("one at a time", "album"):
                out = Path(scratch) / "out"
                command = [sys.executable, __file__, "--format", args.format, "--work", how, str(folder), str(out)]
                run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found = json.loads(run.stdout)
                shutil.rmtree(out)
                print(
                    f"{count} of {name:18} {how:14} {found['rate']:7.2f} photographs/s   "
                    f"{found['cpu'] * 1000:7.0f} ms of CPU each   peak {found['peak']:.2f} GiB",
                    flush=True,
                )
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
