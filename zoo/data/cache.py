"""A cache of photographs in memory: what was read once stays there, for all processes that load."""

from __future__ import annotations

import json
import math
import mmap
import multiprocessing
import os
from contextlib import suppress
from itertools import accumulate

import torch
from torch import Tensor

from zoo.data.crops import taken_apart
from zoo.device import free_memory
from zoo.registry.contracts import Item, PhotoDataset

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
        # Where each photograph begins, and the length of what says what is there; a length of 0: not here.
        self._places = torch.frombuffer(mmap.mmap(-1, 16 * max(1, len(photos))), dtype=torch.int64).view(-1, 2)
        self._used = multiprocessing.get_context().Value("q", 0)

    def __len__(self) -> int:
        """As many as there are."""
        return len(self._photos)

    def __getitem__(self, index: int) -> Item:
        """Return a photograph with what comes with it. It must not be written to."""
        with self._used.get_lock():
            start, length = self._places[index].tolist()
        if length:
            return self._kept(start, length)
        item = self._photos[index]
        photo, extras = taken_apart(item)
        tensors = {"": photo, **extras}
        about = json.dumps([[name, *_form(tensor)] for name, tensor in tensors.items()]).encode()
        sizes = [_padded(len(about)), *(_padded(tensor.nbytes) for tensor in tensors.values())]
        with self._used.get_lock():
            start = self._used.value
            if start + sum(sizes) > self._limit:
                return item
            self._used.value += sum(sizes)
        data = [torch.frombuffer(bytearray(about), dtype=torch.uint8), *map(_bytes_of, tensors.values())]
        for place, piece in zip(accumulate(sizes, initial=start), data, strict=False):
            self._bytes[place : place + len(piece)] = piece
        with self._used.get_lock():
            self._places[index] = torch.tensor([start, len(about)])
        return item

    def _kept(self, start: int, length: int) -> Item:
        tensors: dict[str, Tensor] = {}
        place = start + _padded(length)
        for name, kind, shape in json.loads(self._bytes[start : start + length].numpy().tobytes()):
            dtype: torch.dtype = getattr(torch, kind)
            size = math.prod(shape) * dtype.itemsize
            tensors[name] = self._bytes[place : place + size].view(dtype).view(shape)
            place += _padded(size)
        photo = tensors.pop("")
        return (photo, tensors) if tensors else photo

    def __reduce__(self) -> tuple[object, ...]:
        """Send the photographs alone to another process: memory cannot be sent."""
        return _itself, (self._photos,)


def _form(tensor: Tensor) -> tuple[str, list[int]]:
    return str(tensor.dtype).removeprefix("torch."), list(tensor.shape)


def _bytes_of(tensor: Tensor) -> Tensor:
    return tensor.contiguous().flatten().view(torch.uint8)


def _padded(size: int) -> int:
    """Bytes up to where a tensor of any type may begin."""
    return size + -size % 16


def _itself(photos: PhotoDataset) -> PhotoDataset:
    return photos
