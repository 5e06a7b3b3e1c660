"""Train a small model on the embedded landscapes, colour pictures that it never saw, and say where to look."""

import shlex
from pathlib import Path

import torch

from zoo import find_recipe, load_model, registry, train
from zoo.cli.terminal import Display, own_command
from zoo.photo import color, read_photo, save_photo

folder = Path("demo")
with Display() as display:
    run = train(find_recipe("demo"), runs=folder, callback=display)

# The data set's other half: pictures that were never trained on, larger than the training crops.
model = load_model(run.path)
originals = registry.get().build("dataset", "scenes:side=256", split="val")
unseen = run.path / "unseen"
unseen.mkdir()
rows = []
for number in range(5, 10):
    original = originals[number]
    save_photo(unseen / f"{number}.png", original)
    photo = read_photo(unseen / f"{number}.png")
    grey = color.join(photo.lightness, torch.zeros(2, photo.height, photo.width))
    rows.append(torch.cat([grey, model.colorize(photo), original], dim=2))
picture = run.path / "unseen.png"
save_photo(picture, torch.cat(rows, dim=1))

by_hand = ["colorize", str(unseen), "--model", str(run.path), "-o", str(run.path / "coloured")]
print(f"\nthe model:                             {run.model}")
print(f"a picture grey | coloured | original:  {picture}")
print(f"the same by hand:                      {own_command()} {shlex.join(by_hand)}")
