"""Colour conversion: milliseconds for a batch, against scikit-image in the same run.

python bench/color.py
"""

from __future__ import annotations

import numpy as np
import torch
from common import machine, median_seconds, synchronize
from skimage.color import lab2rgb, rgb2lab

from zoo.device import keep_freed_memory
from zoo.photo import color

BATCH, SIZE = 16, 256


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    keep_freed_memory(device)  # as a training does
    photos = torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8, device=device)
    arrays = photos.permute(0, 2, 3, 1).cpu().numpy()
    labs = np.stack([rgb2lab(array) for array in arrays])
    lightness, chroma = color.encode(photos)

    def milliseconds(work: object) -> float:
        def run() -> None:
            work()  # type: ignore[operator]
            synchronize(device)

        run()
        return median_seconds(run, times=9) * 1000

    print(f"{machine()}; {BATCH} pictures of {SIZE}×{SIZE}")
    for name, ours, theirs in (
        ("sRGB → L*a*b*", lambda: color.encode(photos), lambda: [rgb2lab(array) for array in arrays]),
        ("L*a*b* → sRGB", lambda: color.decode(lightness, chroma), lambda: [lab2rgb(lab) for lab in labs]),
        (
            "L*a*b* → sRGB, gamut fitted, uint8",
            lambda: color.join((lightness + 1) * 50, chroma * color.AB_SCALE),
            lambda: [np.round(lab2rgb(lab) * 255).astype(np.uint8) for lab in labs],
        ),
    ):
        zoo, skimage = milliseconds(ours), milliseconds(theirs)
        print(f"{name:36} zoo {zoo:7.1f} ms   scikit-image {skimage:7.1f} ms   {skimage / zoo:5.2f} ×")


if __name__ == "__main__":
    main()
