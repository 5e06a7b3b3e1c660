"""The embedded data set: landscapes that are drawn when they are asked for."""

from __future__ import annotations

import hashlib
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from zoo.registry.contracts import Split
from zoo_datasets.landscape import draw

EDITION = 1  # counts up when the same seed starts to draw other pictures


class Scenes:
    """Drawn landscapes, each a pure function of seed, split and index.

    Attributes:
        fingerprint: The same for the same pictures.
    """

    def __init__(self, split: Split, side: int, length: int, seed: int) -> None:
        self._split = split
        self._side = side
        self._length = length
        self._seed = seed
        which = f"scenes {EDITION}: {split}, seed {seed}, {length} at {side}"
        self.fingerprint = hashlib.blake2b(which.encode(), digest_size=16).hexdigest()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Tensor:
        """Draw one landscape -> uint8 (3, side, 1.5 · side), sRGB.

        Raises:
            IndexError: The index is not in [0, length).
        """
        if not 0 <= index < self._length:
            raise IndexError(f"there are {self._length} scenes; {index} is none of them")
        seeds = np.random.SeedSequence((self._seed, ("train", "val").index(self._split), index))
        image = draw(self._side, np.random.Generator(np.random.PCG64(seeds)))
        return torch.from_numpy((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))


def scenes(
    *,
    split: Split,
    side: Annotated[int, Field(ge=32, le=1024)] = 192,
    length: Annotated[int, Field(ge=1)] = 2000,
    val: Annotated[int, Field(ge=1)] = 100,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Scenes:
    """Landscapes drawn on the fly: skies, mountains, lakes, meadows, trees, at all times of day.

    Nothing is downloaded or stored. The same seed always draws the same pictures; those for validation are never
    drawn for training.

    Args:
        side: Height of the pictures in pixels; they are half as wide again. Rather more than the training crops.
        length: How many pictures to train on.
        val: How many to validate on.
        seed: Another seed draws other pictures.
    """
    return Scenes(split, side, length if split == "train" else val, seed)
