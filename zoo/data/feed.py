"""Training crops without end, in batches. Which crop stands at which position is a pure function of the seed.

Position p of a data set of n photographs is in epoch p // n, at place p % n of that epoch's own shuffle. So a run can
go on from any position, with any number of loader processes, and see exactly what it would have seen.
"""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.connection
import signal
from collections.abc import Generator, Iterator
from contextlib import suppress
from itertools import count, pairwise
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from zoo.data.augmentation import Augmentations
from zoo.data.batch import Batch
from zoo.data.crops import Crop, Loaded, collated, cropped
from zoo.data.stream import MAX_BAD_IN_A_ROW, StreamedCrops
from zoo.errors import ZooError
from zoo.files import explain_os_error
from zoo.registry.contracts import PhotoDataset


class IndexedCrops(Dataset[Crop]):
    """Training crops by position."""

    def __init__(self, photos: PhotoDataset, *, size: int, augment: Augmentations, seed: int) -> None:
        self.photos, self.size, self.augment, self.seed = photos, size, augment, seed
        self._order: tuple[int, list[int]] = (-1, [])

    def __getitem__(self, position: int) -> Crop:
        """Return the crop at a position.

        Raises:
            ZooError: many photographs in a row cannot be read: the folder is gone, rather than one file damaged.
        """
        rng = np.random.default_rng((self.seed, position))
        problems: list[str] = []
        index = self._index(position)
        while True:
            try:
                photo = self.photos[index]
                break
            except (ZooError, OSError) as error:
                problems.append(str(error))
                if len(problems) == min(MAX_BAD_IN_A_ROW, len(self.photos)):
                    raise ZooError(f"no photograph can be read any more; the last error: {error}") from error
                index = (index + 1) % len(self.photos)
        return cropped(photo, self.size, self.augment, rng, problems)

    def _index(self, position: int) -> int:
        epoch, place = divmod(position, len(self.photos))
        if self._order[0] != epoch:
            shuffle = np.random.default_rng((self.seed, epoch, 1)).permutation(len(self.photos))
            self._order = (epoch, shuffle.tolist())
        return self._order[1][place]


def batches(
    crops: IndexedCrops | StreamedCrops,
    *,
    batch: int,
    start: int,
    workers: int,
    device: torch.device,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[Batch]:
    """Return batches without end, from a position on, their photos on the device.

    Args:
        crops: where they come from; a stream that is read from its beginning on has at most one process that loads.
        batch: crops per batch.
        start: position of the first crop, in images seen so far.
        workers: processes that load; 0 loads in this one.
        device: where the photos go, as uint8.
        rank: of `world_size` processes that share the stream: each takes its own part of every `world_size * batch`
            crops. Of a stream's photographs r, r + w, …, so that each may read on to the next one.
        world_size: see `rank`.
    """
    if isinstance(crops, StreamedCrops):
        # One alone may read what comes one after another.
        workers = min(workers, 1)
        source: dict[str, Any] = {
            "dataset": crops.dealt(batch, start, rank, world_size), "batch_size": None, "collate_fn": _as_it_is,
        }  # fmt: skip
    else:
        places = _Positions(start + rank * batch, batch, step=world_size * batch)
        source = {"dataset": crops, "batch_sampler": places, "collate_fn": collated}
    loader: DataLoader[Any] = DataLoader(
        **source,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        prefetch_factor=4 if workers else None,
        # A loader draws a seed when it starts: not from the random state that dropout depends on.
        generator=torch.Generator().manual_seed(0),
        worker_init_fn=_leave_signals_to_the_trainer,
    )
    feed = _fed(loader, device)
    _feeds.add(feed)
    return feed


def loader_died(error: BaseException) -> bool:
    """Whether it says that a process that loads was killed; torch has no class of its own for that."""
    return str(error).startswith(_DIED)


def _fed(loader: DataLoader[Any], device: torch.device) -> Generator[Batch]:
    if device.type == "cuda":
        yield from _copied_ahead(loader, device)
    else:
        for loaded in _loaded(loader):
            yield loaded.batch(device)


def _loaded(loader: DataLoader[Any]) -> Iterator[Loaded]:
    """Yield what loaders load, and leave none of them behind."""
    others = set(multiprocessing.active_children())
    try:
        iterator = iter(loader)
    except OSError as error:
        raise ZooError(
            f"no process that loads photographs can be started ({explain_os_error(error)}): write --set workers=0"
        ) from error
    loaders = set(multiprocessing.active_children()) - others
    try:
        yield from iterator
    except (ConnectionError, EOFError, FileNotFoundError) as error:
        # A loader hands over itself what it has loaded: nobody answers for one that was killed. What it held open is
        # closed a moment before it counts as ended, its sentinel included: join waits for that moment, too.
        ended = multiprocessing.connection.wait([process.sentinel for process in loaders], timeout=1)
        for process in loaders:
            if process.sentinel in ended:
                process.join(timeout=1)
        killed = [process.pid for process in loaders if not process.is_alive()]
        if not killed:
            raise
        raise RuntimeError(f"{_DIED} {killed[0]}) was killed") from error
    finally:
        if loaders:
            # Asks them to end, and waits for some seconds; it would be called sometime anyway.
            iterator._shutdown_workers()  # type: ignore[attr-defined]
        for process in loaders:
            # It leaves SIGTERM to the trainer, and may wait for a disk that does not answer.
            if process.is_alive():
                process.kill()


def _copied_ahead(loader: DataLoader[Any], device: torch.device) -> Iterator[Batch]:
    """Copy each batch to the GPU in a stream of its own, while the step before it computes."""
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copied() -> Iterator[tuple[Batch, torch.cuda.Event]]:
        for loaded in _loaded(loader):
            with torch.cuda.stream(copying):
                batch = loaded.batch(device, non_blocking=True)
            yield batch, copying.record_event()

    for (batch, arrived), _next in pairwise(copied()):
        computing = torch.cuda.current_stream(device)
        computing.wait_event(arrived)
        for tensor in batch.tensors:
            tensor.record_stream(computing)
        yield batch


# How torch begins to say that a loader died.
_DIED = "DataLoader worker (pid"
_feeds: WeakSet[Generator[Batch]] = WeakSet()


@atexit.register
def _end_feeds() -> None:
    # At its end Python sends SIGTERM to processes that load, which they leave to the trainer, and waits for them. What
    # is registered later, as this is after torch's own imports, runs before that.
    for feed in list(_feeds):
        with suppress(ValueError):  # it is at work in another thread
            feed.close()


class _Positions:
    def __init__(self, start: int, batch: int, step: int) -> None:
        self.start, self.batch, self.step = start, batch, step

    def __iter__(self) -> Iterator[list[int]]:
        return (list(range(first, first + self.batch)) for first in count(self.start, self.step))


def _as_it_is(loaded: Loaded) -> Loaded:
    return loaded


def _leave_signals_to_the_trainer(_worker: int) -> None:
    # Ctrl-C reaches every process of the terminal: the trainer finishes its step and then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
