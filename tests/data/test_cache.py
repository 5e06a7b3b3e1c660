"""Photographs that were read once are not read again, by any process."""

from __future__ import annotations

import copy
import multiprocessing
from collections import Counter
from itertools import islice
from typing import Any

import pytest
import torch
from tiny import augmentations
from torch import Tensor

from zoo.data.cache import CachedPhotos, cached
from zoo.data.feed import IndexedCrops, batches


class Photos:
    """Random photographs of several sizes, which count in shared memory how often each was read."""

    def __init__(self, count: int = 6) -> None:
        self.reads = torch.zeros(count, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.reads)

    def __getitem__(self, index: int) -> Tensor:
        self.reads[index] += 1
        seed = torch.Generator().manual_seed(index)
        return torch.randint(256, (3, 20 + index, 24), dtype=torch.uint8, generator=seed)


def bytes_of(photos: Any) -> int:
    return sum(photos[index].numel() for index in range(len(photos)))


def test_each_is_read_once() -> None:
    photos = Photos()
    kept = CachedPhotos(photos, 10**6)
    for _ in range(3):
        for index in range(6):
            assert torch.equal(kept[index], Photos()[index])
    assert photos.reads.tolist() == [1] * 6
    assert len(kept) == 6


def test_what_does_not_fit_is_read_again() -> None:
    photos = Photos()
    kept = CachedPhotos(photos, bytes_of(Photos()) - 1)
    for _ in range(3):
        for index in range(6):
            assert torch.equal(kept[index], Photos()[index])
    assert photos.reads.tolist() == [1] * 5 + [3]


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="only forked processes share it")
@pytest.mark.parametrize("workers", [0, 2])
def test_loader_processes_share_it_and_the_crops_are_the_same(workers: int) -> None:
    photos = Photos()

    def crops(source: Any) -> list[Tensor]:
        stream = IndexedCrops(source, size=16, augment=augmentations(), seed=0)
        feed = batches(stream, batch=3, start=0, workers=workers, device=torch.device("cpu"))
        return [batch.photos for batch in islice(feed, 20)]

    found = crops(CachedPhotos(photos, 10**6))
    assert all(torch.equal(a, b) for a, b in zip(found, crops(Photos()), strict=True))
    # Two may read the same one at once.
    assert Counter(photos.reads.tolist()).keys() <= {1, 2}


def test_another_process_gets_the_photographs_alone() -> None:
    # Copying goes the way that sending does.
    assert isinstance(copy.copy(CachedPhotos(Photos(), 10**6)), Photos)


def test_without_memory_nothing_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = Photos()
    monkeypatch.setattr("zoo.data.cache.free_memory", lambda device: 0)
    assert cached(photos) is photos
