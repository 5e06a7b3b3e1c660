"""A cache of photographs in memory: what was read once stays there, for all processes that load."""

from __future__ import annotations

import mmap
import multiprocessing
import os
from contextlib import suppress

import torch
from torch import Tensor

from zoo.device import free_memory
from zoo.registry.contracts import PhotoDataset

_SHARE = 0.25
"""Of the free memory, for all processes of this machine that train together."""


def cached(photos: PhotoDataset) -> PhotoDataset:
    """Return a data set that reads each photograph once, as far as a quarter of the free memory holds them."""
    limit = int(free_memory(torch.device("cpu")) * _SHARE) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    # Where the system gives out no more than it has, it may have no such piece.
    with suppress(OSError, ValueError):
        return CachedPhotos(photos, limit)
    return photos


class CachedPhotos:
    """A data set that keeps what it reads in memory, as uint8, until a limit is reached.

    Loader processes that were forked share it. One that was started in another way reads for itself.
    """

    def __init__(self, photos: PhotoDataset, limit: int) -> None:
        """Keep at most `limit` bytes. Memory is taken as it is filled."""
        self._photos = photos
        self._limit = limit
        # Not torch's shared memory: containers have little of it, and a process that writes beyond its end dies.
        self._bytes = torch.frombuffer(mmap.mmap(-1, limit), dtype=torch.uint8)
        # Where each photograph begins, its height and its width; a height of 0: not here.
        self._places = torch.frombuffer(mmap.mmap(-1, 24 * len(photos)), dtype=torch.int64).view(-1, 3)
        self._used = multiprocessing.get_context().Value("q", 0)

    def __len__(self) -> int:
        """As many as there are."""
        return len(self._photos)

    def __getitem__(self, index: int) -> Tensor:
        """Return a photograph, uint8 (3, H, W). It must not be written to."""
        with self._used.get_lock():
            start, height, width = self._places[index].tolist()
        if height:
            return self._bytes[start : start + 3 * height * width].view(3, height, width)
        photo = self._photos[index]
        with self._used.get_lock():
            start = self._used.value
            if start + photo.numel() > self._limit:
                return photo
            self._used.value += photo.numel()
        self._bytes[start : start + photo.numel()] = photo.flatten()
        with self._used.get_lock():
            self._places[index] = torch.tensor([start, *photo.shape[1:]])
        return photo

    def __reduce__(self) -> tuple[object, ...]:
        """Send the photographs alone to another process: memory cannot be sent."""
        return _itself, (self._photos,)


def _itself(photos: PhotoDataset) -> PhotoDataset:
    return photos
