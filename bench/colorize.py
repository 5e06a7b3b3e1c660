"""Colouring an album: photographs/s with files, against one after the other in float32 in the same run.

python bench/colorize.py [FOLDER]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from common import machine, make_photographs

from zoo import Recipe, registry
from zoo.colorize.album import colorize_all
from zoo.colorize.planning import plan
from zoo.model import load_model, save_model
from zoo.photo import read_photo, save_photo
from zoo.registry import resolve


def main() -> None:
    table = {"generator": "unet-deep", "critic": "none", "loss": "l1", "data": "scenes", "steps": 1}
    weights = registry.get().build("generator", "unet-deep", size=256).state_dict()
    models = {}
    with tempfile.TemporaryDirectory() as scratch:
        for precision in ("float32", "auto"):
            file = Path(scratch) / f"{precision}.safetensors"
            save_model(file, weights, resolve(Recipe(**table, precision=precision)), {})
            models[precision] = load_model(file)
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else make_photographs(Path(scratch) / "photos", 24, height=640)
        jobs = plan([folder], Path(scratch) / "out")
        jobs[0].target.parent.mkdir(parents=True)

        def one_by_one() -> None:
            for job in jobs:
                photo = read_photo(job.source)
                save_photo(job.target, models["float32"].colorize(photo))

        def as_zoo_does() -> None:
            assert not [o.error for o in colorize_all(models["auto"], jobs, overwrite=True) if o.error]

        times: dict[str, list[float]] = {"one by one, float32": [], "zoo colorize": []}
        for _ in range(3):
            for name, work in zip(times, (one_by_one, as_zoo_does), strict=True):
                start = time.perf_counter()
                work()
                times[name].append(time.perf_counter() - start)
        print(f"{machine()}; {len(jobs)} photographs, U-Net of 54 M at 256 pixels")
        rates = {name: len(jobs) / statistics.median(found) for name, found in times.items()}
        for name, rate in rates.items():
            print(f"{name:24} {rate:6.2f} photographs/s   {rate / rates['one by one, float32']:5.2f} ×")


if __name__ == "__main__":
    main()
