"""What a recipe costs and brings: each trains for the same time on the same photographs, and is measured on others.

    python bench/recipes.py photographs/ --judge others/ --minutes 10
    python bench/recipes.py photographs/ --judge others/ --recipe landscapes --recipe natural

One process at a time, with the same seed, beside the loop of reference.py, which trains landscapes' networks. A time to
a quality is when a validation of the run first showed it: its chroma error, as a share of grey's, on the crops that the
recipe trains with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from common import machine

QUALITIES = (0.98, 0.95, 0.92, 0.89)
REFERENCE = "reference"


def train_reference(folder: Path, photographs: Path, minutes: float) -> None:
    """Train as anybody would, and save the generator as a model of zoo's, so that both are measured alike."""
    from reference import Reference

    from zoo import find_recipe, registry
    from zoo.device import pick_device
    from zoo.model import save_model
    from zoo.registry import resolve

    plan = resolve(find_recipe("landscapes", data=str(photographs)))
    recipe, device = plan.recipe, pick_device("auto")
    generator = registry.get().build("generator", recipe.generator, size=recipe.size)
    critic = registry.get().build("critic", recipe.critic)
    loop = Reference(generator, critic, photographs, size=recipe.size, batch=recipe.batch, device=device)
    start, images = time.perf_counter(), 0
    while time.perf_counter() - start < 60 * minutes:
        loop.step()
        images += recipe.batch
    seconds = time.perf_counter() - start
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.cpu().contiguous() for name, tensor in generator.state_dict().items()}
    save_model(folder / "model.safetensors", weights, plan, {"images": images, "seconds": seconds})
    (folder / "metrics.jsonl").write_text(json.dumps({"images_per_second": images / seconds}) + "\n")


def peak_of(command: list[str], log: Path) -> float:
    """Run a command to its end; return the most memory that it had, in GiB."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")
    return usage.ru_maxrss / 2**20


def trained(run: Path) -> dict[str, Any]:
    """Return the median images per second of a run, and when it first reached each quality."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rates = sorted(line["images_per_second"] for line in lines if "images_per_second" in line)
    reached: dict[float, float] = {}
    seconds = 0.0
    for line in lines:
        seconds = line.get("seconds", seconds)
        if "val" in line and "grey" in line:
            share = line["val"]["chroma_error"] / line["grey"]["chroma_error"]
            for quality in QUALITIES:
                if share <= quality:
                    reached.setdefault(quality, seconds)
    return {"rate": rates[len(rates) // 2] if rates else float("nan"), "reached": reached}


def main(
    photographs: Annotated[Path, typer.Argument(help="To train on.")],
    judge: Annotated[Path, typer.Option(help="Photographs to measure on, other ones.")],
    minutes: Annotated[float, typer.Option(help="Of each recipe's training.")] = 10.0,
    recipe: Annotated[list[str] | None, typer.Option(help="Of registry.toml; may be repeated.")] = None,
    reference: Annotated[bool, typer.Option(help="Train the plain loop, too.")] = True,
    out: Annotated[Path, typer.Option("--out", "-o")] = Path("bench-recipes"),
    one: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    if one:
        train_reference(out, photographs, minutes)
        return
    from zoo import registry

    names = recipe or [name for name in registry.get().catalogue.recipes if name != "demo"]
    zoo = [sys.executable, "-m", "zoo"]
    out.mkdir(parents=True, exist_ok=True)
    memory = {}
    for name in names:
        print(f"{name}: {minutes:g} minutes", file=sys.stderr)
        command = [*zoo, "run", "--recipe", name, "--data", str(photographs), "--minutes", str(minutes),
                   "--seed", "0", "--runs", str(out), "--name", name, "--track", "",
                   "--set", "val_images=128"]  # fmt: skip
        memory[name] = peak_of(command, out / f"{name}.log")
    if reference:
        print(f"{REFERENCE}: {minutes:g} minutes", file=sys.stderr)
        command = [sys.executable, __file__, str(photographs), "--judge", str(judge), "--minutes", str(minutes),
                   "-o", str(out / REFERENCE), "--one"]  # fmt: skip
        memory[REFERENCE] = peak_of(command, out / f"{REFERENCE}.log")
    judging = [*zoo, "evaluate", *(str(out / name) for name in memory), "--data", str(judge), "--train-data",
               str(photographs), "--metrics", "chroma_error,ciede2000,colourfulness,spread", "-o",
               str(out / "evaluation"), "--json"]  # fmt: skip
    numbers = json.loads(subprocess.run(judging, check=True, capture_output=True, text=True).stdout)
    print(machine())
    show(numbers, dict(zip(numbers["methods"], [None, None, *memory], strict=True)), memory, out)


def show(numbers: dict[str, Any], names: dict[str, str | None], memory: dict[str, float], out: Path) -> None:
    columns = [name for name in numbers["numbers"] if "." not in name]
    print(f"| recipe | {' | '.join(columns)} | images/s | GiB | {' | '.join(f'≤ {q}' for q in QUALITIES)} |")
    print("|---" * (len(columns) + 3 + len(QUALITIES)) + "|")
    for method, name in names.items():
        cells = []
        for column in columns:
            value = numbers["numbers"][column]["methods"][method]
            interval = "" if value["low"] is None else f" [{value['low']:.3g}, {value['high']:.3g}]"
            cells.append(f"{value['value']:.4g}{interval}")
        if name:
            about = trained(out / name)
            cells += [f"{about['rate']:.3g}", f"{memory[name]:.1f}"]
            cells += [f"{s:.0f} s" if (s := about["reached"].get(quality)) else "–" for quality in QUALITIES]
        else:
            cells += [""] * (2 + len(QUALITIES))
        print(f"| {name or method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    typer.run(main)
