"""Training speed: zoo's engine against a plain loop, same networks, batch and photographs.

    python bench/train.py                        U-Net and smp resnet34, batch 4 and 8, 256×256
    python bench/train.py --batch 16 --batch 64  on a GPU, say

Every measurement is a process of its own, so that memory is its own too; the two sides take turns.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from common import convolution_peak, machine, make_photographs, matmul_peak, synchronize

GENERATORS = {"unet-deep": "unet-deep", "resnet34": "smp-unet:encoder=resnet34,weights=none"}


def measure(side: str, network: str, batch: int, size: int, folder: str, seconds: float) -> dict[str, float]:
    from zoo import Recipe, registry
    from zoo.device import pick_device, pick_workers
    from zoo.training.assembly import assemble, make_feed
    from zoo.training.trainer import Trainer

    recipe = Recipe(
        generator=GENERATORS[network], critic="patch", loss="100*l1+adv", data=f"folder:path={folder},val=0.1",
        size=size, batch=batch, steps=1,
    )  # fmt: skip
    flop = 0.0
    if side == "reference":
        from reference import Reference

        # Made as anybody would make them: without the layout and the memory settings that are zoo's.
        device = pick_device("auto")
        generator = registry.get().build("generator", recipe.generator, size=size)
        critic = registry.get().build("critic", recipe.critic)
        step = Reference(generator, critic, Path(folder), size=size, batch=batch, device=device).step
    else:
        parts = assemble(recipe)
        device = parts.device
        trainer = Trainer(parts)
        feed = make_feed(parts, 0, pick_workers(None, device))

        def step() -> None:
            batch = next(feed)
            trainer.step(batch)

        if side == "zoo":
            flop = count_flop(trainer, size)
    for _ in range(2):
        step()
    synchronize(device)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        step()
        synchronize(device)
        times.append(time.perf_counter() - start)
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"images": batch / statistics.median(times), "memory": memory, "flop": flop}


def count_flop(trainer: object, size: int) -> float:
    """FLOP of a training step, per picture; a multiplication and an addition are two."""
    from torch.utils.flop_counter import FlopCounterMode

    from zoo.data.batch import Batch
    from zoo.training.trainer import Trainer

    assert isinstance(trainer, Trainer)
    photos = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, device=trainer.assembly.device)
    with FlopCounterMode(display=False) as counter:
        trainer.step(Batch(photos))
    return counter.get_total_flops() / 2


def main(
    batch: Annotated[list[int] | None, typer.Option(help="Pictures per step; may be repeated.")] = None,
    network: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(GENERATORS)}.")] = None,
    size: int = 256,
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 20.0,
    rounds: Annotated[int, typer.Option(help="Turns of each side; the medians count.")] = 2,
    data: Annotated[Path | None, typer.Option(help="Photographs; otherwise landscapes are drawn.")] = None,
    one: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    if one is not None:
        print(json.dumps(measure(one, (network or ["unet-deep"])[0], (batch or [4])[0], size, str(data), seconds)))
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    peak = convolution_peak(device, torch.bfloat16)
    print(machine())
    print(
        f"peaks: convolution {peak / 1e9:.0f} GFLOP/s bf16, "
        f"{convolution_peak(device, torch.float32) / 1e9:.0f} float32; "
        f"matmul {matmul_peak(device, torch.bfloat16) / 1e9:.0f} bf16"
    )
    print(f"{'network':10} {'batch':>5} {'reference':>12} {'zoo':>12} {'ratio':>6} {'of conv peak':>12} {'memory':>16}")
    with tempfile.TemporaryDirectory() as folder:
        photos = data or make_photographs(Path(folder), 48)
        for name in network or list(GENERATORS):
            for size_of_batch in batch or [4, 8]:
                found: dict[str, list[dict[str, float]]] = {"reference": [], "zoo": []}
                for _ in range(rounds):
                    for side, results in found.items():
                        command = [sys.executable, __file__, "--one", side, "--network", name, "--batch",
                                   str(size_of_batch), "--size", str(size), "--seconds", str(seconds),
                                   "--data", str(photos)]  # fmt: skip
                        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                        results.append(json.loads(output.splitlines()[-1]))
                rate = {side: statistics.median(r["images"] for r in results) for side, results in found.items()}
                memory = {side: results[0]["memory"] / 2**30 for side, results in found.items()}
                share = rate["zoo"] * found["zoo"][0]["flop"] / peak
                print(
                    f"{name:10} {size_of_batch:5} {rate['reference']:7.2f} im/s {rate['zoo']:7.2f} im/s "
                    f"{rate['zoo'] / rate['reference']:5.2f}× {share:11.0%} "
                    f"{memory['reference']:6.1f} → {memory['zoo']:.1f} GiB",
                    flush=True,
                )


if __name__ == "__main__":
    typer.run(main)
