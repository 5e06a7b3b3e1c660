"""Several processes: images/s of 1 and 2, with the same batch on each, on this machine.

    python bench/scaling.py              on CPUs, half of the cores each

With one core for each process, 2 processes at twice the speed of 1 would be ideal; what is missing is the price of
averaging the gradients.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

from common import machine

SIZE, BATCH, SECONDS = 128, 4, 20.0


def measure() -> None:
    import torch

    from zoo import Recipe
    from zoo.data.batch import Batch
    from zoo.training.assembly import assemble
    from zoo.training.distributed import joined
    from zoo.training.trainer import Trainer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with joined(device) as distributed:
        recipe = Recipe(
            generator="unet-deep", critic="patch", loss="l1+adv", data="scenes:length=8,val=1", size=SIZE,
            batch=BATCH * distributed.world_size, steps=1, device=device,
        )  # fmt: skip
        trainer = Trainer(assemble(recipe, device=distributed.device(device)), distributed)
        photos = torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8, device=trainer.assembly.device)
        times = []
        for _ in range(3):
            trainer.step(Batch(photos))
        end = time.perf_counter() + SECONDS
        stop = False
        while not stop:
            start = time.perf_counter()
            float(trainer.step(Batch(photos))["l1"])
            times.append(time.perf_counter() - start)
            stop = distributed.agree(time.perf_counter() > end, 0.0, trainer.assembly.device)[0]
        if distributed.is_main:
            print(json.dumps(BATCH * distributed.world_size / statistics.median(times)))


def main() -> None:
    if "--measure" in sys.argv:
        measure()
        return
    threads = str(max(1, (os.cpu_count() or 2) // 2))
    rates = {}
    for processes in (1, 2):
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        output = subprocess.run(
            [sys.executable, *torchrun, __file__, "--measure"],
            check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": threads},
        ).stdout  # fmt: skip
        rates[processes] = float(output.splitlines()[-1])
    print(f"{machine()}; U-Net at {SIZE} pixels, {BATCH} pictures on each process, {threads} threads each")
    for processes, rate in rates.items():
        print(f"{processes} processes {rate:7.2f} images/s   {rate / rates[1]:5.2f} × of {processes}")


if __name__ == "__main__":
    main()
