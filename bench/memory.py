"""What `--memory low` saves and what it costs: memory kept by the generator, peak of the process, time of a step.

    python bench/memory.py

Every measurement is a process of its own; the two settings take turns.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from common import machine, synchronize

GENERATORS = {"unet-deep": "unet-deep", "resnet34": "smp-unet:encoder=resnet34,weights=none"}
SIZE, BATCH, STEPS, ROUNDS = 256, 4, 5, 2


def measure(network: str, memory: str) -> dict[str, float]:
    from zoo import Recipe
    from zoo.cost import kept_for_backward
    from zoo.data.batch import Batch
    from zoo.device import memory_in_use
    from zoo.networks import predict_chroma
    from zoo.training.assembly import assemble
    from zoo.training.trainer import Trainer

    recipe = Recipe(
        generator=GENERATORS[network], critic="patch", loss="l1+adv", data="scenes:length=4,val=1", size=SIZE,
        batch=BATCH, steps=1, memory=memory, compile="off",
    )  # fmt: skip
    trainer = Trainer(assemble(recipe))
    device = trainer.assembly.device
    photos = torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8, device=device)
    times = []
    for _ in range(STEPS + 1):
        start = time.perf_counter()
        trainer.step(Batch(photos))
        synchronize(device)
        times.append(time.perf_counter() - start)
    on_gpu = device.type == "cuda"
    peak = memory_in_use(device) if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    lightness = torch.zeros(BATCH, 1, SIZE, SIZE, device=device)
    with kept_for_backward() as kept:
        predict_chroma(trainer.assembly.generator, lightness, trainer.assembly.dtype)
    return {"seconds": statistics.median(times[1:]), "peak": peak, "kept": kept.bytes}


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
        return
    print(f"{machine()}; {BATCH} pictures of {SIZE}×{SIZE}")
    for network in GENERATORS:
        found: dict[str, list[dict[str, float]]] = {"normal": [], "low": []}
        for _ in range(ROUNDS):
            for memory, measured in found.items():
                command = [sys.executable, __file__, network, memory]
                measured.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        medians = {
            memory: {key: statistics.median(one[key] for one in measured) for key in measured[0]}
            for memory, measured in found.items()
        }
        normal, low = medians["normal"], medians["low"]
        print(
            f"{network:10} kept by the generator {normal['kept'] / 2**20:.0f} → {low['kept'] / 2**20:.0f} MiB, "
            f"peak {normal['peak'] / 2**30:.2f} → {low['peak'] / 2**30:.2f} GiB, "
            f"step {normal['seconds']:.2f} → {low['seconds']:.2f} s ({low['seconds'] / normal['seconds']:.2f} ×)"
        )


if __name__ == "__main__":
    main()
