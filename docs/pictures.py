"""Draw the picture that README shows: photographs made grey, and below them as the model `natural` colours them.

The photographs come with scikit-image: the astronaut Eileen Collins and a rocket (NASA, public domain), coffee and the
cat Chelsea (CC0). The landscapes are zoo's own.
"""

from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from zoo import load_model, registry
from zoo.photo import Photo, color

HEIGHT, GAP = 256, 4
target = Path(__file__).parent / "pictures" / "natural.jpg"


def paste(sheet: Image.Image, rgb: Tensor, left: int, top: int) -> int:
    """Put a picture, uint8 (3, H, W), onto the sheet; return where the next one begins."""
    picture = Image.fromarray(rgb.permute(1, 2, 0).numpy())
    picture = picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS)
    sheet.paste(picture, (left, top))
    return left + picture.width + GAP


model = load_model("natural")
scenes = registry.get().build("dataset", "scenes:side=256", split="val")
originals = [
    torch.from_numpy(np.ascontiguousarray(sample)).permute(2, 0, 1)
    for sample in (skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket())
]
originals += [scenes[5], scenes[8]]

sheet, left = Image.new("RGB", (8 * HEIGHT, 2 * HEIGHT + GAP), "white"), 0
for original in originals:
    photo = Photo(lightness=color.rgb_to_lab(original)[:1])
    grey = color.join(photo.lightness, torch.zeros(2, photo.height, photo.width))
    paste(sheet, grey, left, 0)
    left = paste(sheet, model.colorize(photo), left, HEIGHT + GAP)
target.parent.mkdir(exist_ok=True)
sheet.crop((0, 0, left - GAP, sheet.height)).save(target, quality=88, optimize=True)
print(f"{target}: {target.stat().st_size / 1e3:.0f} kB")
