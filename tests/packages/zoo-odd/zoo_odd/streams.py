"""Data sets: a stream of tar files with a state, photographs with hints, clips."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def drawn(seed: int, height: int = 40, width: int = 48) -> Tensor:
    """Colours that run into one another."""
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    return (smooth[0] * 255).round().to(torch.uint8)


class OddTars:
    """Photographs of tar files, one file after the other, mixed in a buffer on the way, for ever.

    Its author keeps the last file of the folder for validation.

    Args:
        path: a folder of tar files with .png entries.
        buffer: how many photographs wait to be drawn from.
    """

    def __init__(self, *, split: Literal["train", "val"], path: Path = Path("tars"), buffer: int = 3) -> None:
        shards = sorted(path.glob("*.tar"))
        self.shards = shards[:-1] if split == "train" else shards[-1:]
        self.buffer = buffer
        self.fingerprint = f"odd {split} {len(self.shards)}"
        self.at, self.waiting, self.random = 0, list[tuple[int, int]](), random.Random(0)

    def state_dict(self) -> dict[str, Any]:
        version, numbers, gauss = self.random.getstate()
        return {"at": self.at, "waiting": self.waiting, "random": [version, list(numbers), gauss]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]
        self.waiting = [(shard, place) for shard, place in state["waiting"]]
        version, numbers, gauss = state["random"]
        self.random.setstate((version, tuple(numbers), gauss))

    def __iter__(self) -> Iterator[Tensor]:
        entries = []
        for number, shard in enumerate(self.shards):
            with tarfile.open(shard) as archive:
                entries += [(number, place) for place, name in enumerate(archive.getnames()) if name.endswith(".png")]
        while True:
            while len(self.waiting) < self.buffer:
                self.waiting.append(entries[self.at % len(entries)])
                self.at += 1
            shard, place = self.waiting.pop(self.random.randrange(len(self.waiting)))
            with tarfile.open(self.shards[shard]) as archive:
                file = archive.extractfile(archive.getmembers()[place])
                assert file is not None
                picture = np.array(Image.open(io.BytesIO(file.read())).convert("RGB"))
            yield torch.from_numpy(picture).permute(2, 0, 1)


class OddHints:
    """Drawn photographs, each with a few pixels whose colours are given, where those are, and its number.

    Args:
        length: how many.
    """

    def __init__(self, *, split: Literal["train", "val"], length: int = 8) -> None:
        self.length, self.first = length, 0 if split == "train" else 1000
        self.fingerprint = f"hints {split} {length}"

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        if not 0 <= index < self.length:
            raise IndexError(index)
        photo = drawn(self.first + index, 40 + index, 48)
        given = torch.rand(1, *photo.shape[1:], generator=torch.Generator().manual_seed(index)) < 0.1
        return photo, {"hints": photo / 255 * given, "given": given, "number": torch.tensor([self.first + index])}


class OddClips:
    """Drawn clips: in each, the picture moves to the right.

    Args:
        length: how many.
        frames: of each.
    """

    def __init__(self, *, split: Literal["train", "val"], length: int = 6, frames: int = 3) -> None:
        self.length, self.frames, self.first = length, frames, 0 if split == "train" else 1000
        self.fingerprint = f"clips {split} {length} {frames}"

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Tensor:
        if not 0 <= index < self.length:
            raise IndexError(index)
        photo = drawn(self.first + index)
        return torch.stack([photo.roll(2 * frame, dims=-1) for frame in range(self.frames)])
