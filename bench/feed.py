"""Feeding: images/s from JPEG files to batches, against the reference loop's loader on the same files.

python bench/feed.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from common import machine, make_photographs
from PIL import Image
from torch.utils.data import DataLoader

SIZE, BATCH, SECONDS = 256, 16, 8.0


def rate(feed: Iterator[object]) -> float:
    for _ in range(3):
        next(feed)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        next(feed)
        count += BATCH
    return count / (time.perf_counter() - start)


def endless(loader: DataLoader[object]) -> Iterator[object]:
    while True:
        yield from loader


def main() -> None:
    from reference import LabCrops

    from zoo import registry
    from zoo.data.augmentation import Augmentations
    from zoo.data.cache import cached
    from zoo.data.feed import IndexedCrops, batches
    from zoo.data.picture import LabPicture

    cpu = torch.device("cpu")
    augment = Augmentations([registry.get().part("augmentation", name) for name in ("crop", "flip")])
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(sys.argv[1]) if len(sys.argv) > 1 else make_photographs(Path(folder), 64)
        loader: DataLoader[object] = DataLoader(
            LabCrops(photos, SIZE), BATCH, shuffle=True, num_workers=2, drop_last=True
        )  # type: ignore[arg-type]
        reference = rate(endless(loader))
        data = registry.get().build("dataset", f"folder:path={photos},val=0.1", split="train")
        scenes = registry.get().build("dataset", "scenes", split="train")
        print(machine())
        print(f"{'reference: Pillow, skimage, 2 processes':44} {reference:7.1f} images/s")
        large = make_photographs(Path(folder, "large"), 8, height=708)
        for path in large.iterdir():
            with Image.open(path) as image:
                image.resize((4248, 2832)).save(path, quality=90)
        twelve = registry.get().build("dataset", f"folder:path={large},val=0.2", split="train")
        for name, photographs, workers in (
            ("zoo folder, in the process", data, 0),
            ("zoo folder, 1 process", data, 1),
            ("zoo folder, 2 processes", data, 2),
            ("zoo folder, remembered, 2 processes", cached(data), 2),
            ("zoo folder, 12 megapixels, 2 processes", twelve, 2),
            ("zoo folder, 12 megapixels, remembered", cached(twelve), 2),
            ("zoo scenes, 2 processes", scenes, 2),
        ):
            stream = IndexedCrops(photographs, size=SIZE, augment=augment, seed=0)
            found = rate(batches(stream, batch=BATCH, start=0, workers=workers, device=cpu))
            print(f"{name + ' (uint8)':44} {found:7.1f} images/s  {found / reference:5.2f} ×")
        stream = IndexedCrops(data, size=SIZE, augment=augment, seed=0)
        feed = batches(stream, batch=BATCH, start=0, workers=2, device=cpu)
        found = rate(LabPicture.of_photos(batch.photos) for batch in feed)
        print(f"{'zoo folder, 2 processes (L*a*b*)':44} {found:7.1f} images/s  {found / reference:5.2f} ×")


if __name__ == "__main__":
    main()
