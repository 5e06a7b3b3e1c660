"""Train a small model on the embedded landscapes, colour pictures that it never saw, and say where to look."""

from pathlib import Path

import torch

from zoo import Recipe, color, load_model, registry, train
from zoo.photo import read_photo, save_photo
from zoo.terminal import Display

folder = Path("demo")
with Display() as display:
    run = train(Recipe.named("demo"), runs=folder, watcher=display)

# The data set's other half: pictures that were never trained on, larger than the training crops.
model = load_model(run.path)
originals = registry.get().build("dataset", "scenes:side=256", split="val")
(run.path / "held-out").mkdir()
rows = []
for number in range(5, 10):
    original = originals[number]
    save_photo(run.path / "held-out" / f"{number}.png", original)
    photo = read_photo(run.path / "held-out" / f"{number}.png")
    coloured = model.colorize(photo)
    grey = color.join(photo.lightness, torch.zeros(2, photo.height, photo.width))
    rows.append(torch.cat([grey, coloured, original], dim=2))
picture = run.path / "held-out.png"
save_photo(picture, torch.cat(rows, dim=1))

print(f"\nthe model:                           {run.model}")
print(f"pictures grey | coloured | original: {picture}")
