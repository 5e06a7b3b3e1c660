"""Draw the pictures that README and docs/gallery.md show.

What `natural` and three minutes of the recipe `demo` make of photographs made grey; and of that run its curves and what
it showed in a terminal.

The photographs come with scikit-image: the astronaut Eileen Collins, a rocket and a view of the Hubble telescope (NASA,
public domain), coffee, the cat Chelsea and the cameraman (CC0). The landscapes are zoo's own.
"""

import io
import re
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor
from zoo_report.curves import Curve, Reader
from zoo_report.figure import draw as draw_curves

from zoo import Status, find_recipe, load_model, registry, train
from zoo.cli.terminal import Display
from zoo.photo import Photo, color

GAP = 4
folder = Path(__file__).resolve().parent / "pictures"
folder.mkdir(exist_ok=True)
model = load_model("natural")


def sample(name: str) -> Tensor:
    """Return one of scikit-image's photographs: uint8 (3, H, W)."""
    picture = np.ascontiguousarray(getattr(skimage.data, name)())
    return torch.from_numpy(picture if picture.ndim == 3 else np.stack([picture] * 3, axis=2)).permute(2, 0, 1)


def made_grey(original: Tensor) -> tuple[Photo, Tensor]:
    """Return a photograph without its colours, and what it looks like then."""
    photo = Photo(lightness=color.rgb_to_lab(original)[:1])
    return photo, color.join(photo.lightness, torch.zeros(2, photo.height, photo.width))


def draw(rows: Sequence[Sequence[Tensor]], height: int, name: str) -> None:
    """Put rows of pictures, uint8 (3, H, W), onto a sheet, each scaled to the same height."""
    scaled = [[_scaled(picture, height) for picture in row] for row in rows]
    width = max(sum(picture.width + GAP for picture in row) for row in scaled) - GAP
    sheet = Image.new("RGB", (width, len(rows) * (height + GAP) - GAP), "white")
    for number, row in enumerate(scaled):
        left = 0
        for picture in row:
            sheet.paste(picture, (left, number * (height + GAP)))
            left += picture.width + GAP
    sheet.save(folder / name, quality=88, optimize=True)


def _scaled(rgb: Tensor, height: int) -> Image.Image:
    picture = Image.fromarray(rgb.permute(1, 2, 0).numpy())
    return picture.resize((round(picture.width * height / picture.height), height), Image.Resampling.LANCZOS)


class Snapshot(Display):
    """Shows a run to nobody, and keeps what a terminal would show at one moment, but for notes on this computer."""

    def __init__(self, moment: float) -> None:
        self.moment, self.picture = moment, ""
        super().__init__(Console(record=True, file=io.StringIO(), width=92, force_terminal=True, highlight=False))

    def show_live(self, words: str) -> None:
        """What moves is in the picture once, as it is at that moment."""

    def on_message(self, message: str) -> None:
        """Leave it out."""

    def on_step(self, status: Status) -> None:
        """Take the picture."""
        if not self.picture and status.progress >= self.moment:
            self.console.print(self.live(status))
            svg = self.console.export_svg(title="zoo run --recipe demo", unique_id="zoo")
            # It would have whoever looks at it fetch a font from elsewhere.
            self.picture = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)


scenes = registry.get().build("dataset", "scenes:side=256", split="val")
originals = [sample(name) for name in ("astronaut", "coffee", "chelsea", "rocket")] + [scenes[5], scenes[8]]
greys = [made_grey(original) for original in originals]
coloured = [model.colorize(photo) for photo, _ in greys]
draw([[grey for _, grey in greys], coloured], 256, "natural.jpg")

# Large enough to see what is wrong, too. The cameraman has never had colours.
gallery = [[grey, result, original] for (_, grey), result, original in zip(greys, coloured, originals, strict=True)]
for name in ("hubble_deep_field", "camera"):
    photo, grey = made_grey(sample(name))
    gallery.append([grey, model.colorize(photo), *([sample(name)] if name != "camera" else [])])
for number in (2, 11):
    photo, grey = made_grey(scenes[number])
    gallery.append([grey, model.colorize(photo), scenes[number]])
draw(gallery, 288, "gallery.jpg")

# The demo's run, where it leaves nothing behind.
with tempfile.TemporaryDirectory() as place, chdir(place), Snapshot(0.7) as display:
    run = train(find_recipe("demo"), callback=display)
    (folder / "terminal.svg").write_text(display.picture, encoding="utf-8")
    reader = Reader(run.path / "metrics.jsonl")
    reader.read()
    # Of what curves.png shows, as much as README has room for.
    reader.curves.metrics = dict(list(reader.curves.metrics.items())[:3])
    reader.curves.speed = Curve()
    (folder / "curves.png").write_bytes(draw_curves(reader.curves)[0])
    demo = load_model(run.path)
    rows = []
    for original in (*originals[4:], scenes[11], originals[0], originals[2]):
        photo, grey = made_grey(original)
        rows.append([grey, demo.colorize(photo), original])
    draw(rows, 192, "demo.jpg")

for picture in sorted(folder.iterdir()):
    print(f"{picture}: {picture.stat().st_size / 1e3:.0f} kB")
