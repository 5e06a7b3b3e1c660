"""Draw the pictures that README and docs/gallery.md show: what the model `natural` makes of photographs made grey.

The photographs come with scikit-image: the astronaut Eileen Collins, a rocket and a view of the Hubble telescope (NASA,
public domain), coffee, the cat Chelsea and the cameraman (CC0). The landscapes are zoo's own.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from zoo import load_model, registry
from zoo.photo import Photo, color

GAP = 4
folder = Path(__file__).parent / "pictures"
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
    folder.mkdir(exist_ok=True)
    target = folder / name
    sheet.save(target, quality=88, optimize=True)
    print(f"{target}: {target.stat().st_size / 1e3:.0f} kB")


def _scaled(rgb: Tensor, height: int) -> Image.Image:
    picture = Image.fromarray(rgb.permute(1, 2, 0).numpy())
    return picture.resize((round(picture.width * height / picture.height), height), Image.Resampling.LANCZOS)


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
