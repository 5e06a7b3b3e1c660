"""Colour pictures with the model that ships, train a small one on zoo's own landscapes, and say where to look."""

import shlex
from pathlib import Path

import torch

from zoo import Model, find_recipe, load_model, registry, train
from zoo.cli.terminal import Display, own_command
from zoo.photo import color, read_photo, save_photo

folder = Path("demo")
unseen = folder / "unseen"
unseen.mkdir(parents=True, exist_ok=True)
# The data set's other half: pictures that are never trained on, larger than the training crops.
originals = registry.get().build("dataset", "scenes:side=256", split="val")
numbers = range(5, 10)
for number in numbers:
    save_photo(unseen / f"{number}.png", originals[number])


def draw(model: Model, target: Path) -> Path:
    """Draw grey | coloured | original, a row for each picture."""
    rows = []
    for number in numbers:
        photo = read_photo(unseen / f"{number}.png")
        grey = color.join(photo.lightness, torch.zeros(2, photo.height, photo.width))
        rows.append(torch.cat([grey, model.colorize(photo), originals[number]], dim=2))
    save_photo(target, torch.cat(rows, dim=1))
    return target


natural = draw(load_model("natural"), folder / "natural.png")
print(f"by natural, the model that ships:      {natural}  (grey | coloured | original)\n")

with Display() as display:
    run = train(find_recipe("demo"), runs=folder, callback=display)
picture = draw(load_model(run.path), run.path / "unseen.png")

by_hand = ["colorize", str(unseen), "--model", str(run.path), "-o", str(run.path / "coloured")]
print(f"\nthe model:                             {run.model}")
print(f"a picture grey | coloured | original:  {picture}")
print(f"the same by hand:                      {own_command()} {shlex.join(by_hand)}")
