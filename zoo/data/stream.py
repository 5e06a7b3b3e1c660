"""A data set that is read from its beginning on, round after round: what stands at which place follows from its state.

Crop and augmentation are drawn from a generator of each position's own, as everywhere. So a run that knows the state
after the last photograph that it learned from goes on from there, whether another process read ahead or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset

from zoo.data.augmentation import Augmentations
from zoo.data.crops import Crop, Loaded, collated, cropped
from zoo.errors import ZooError
from zoo.registry.contracts import Item, PhotoStream

MAX_BAD_IN_A_ROW = 20
"""Photographs that cannot be read, one after another, until the data set itself is taken to be gone."""


class Endless:
    """The photographs of a stream, which is begun again at its end."""

    def __init__(self, photos: PhotoStream) -> None:
        """Take a stream as it was made, at its beginning."""
        self._photos = photos
        self._beginning = photos.state_dict()
        self.fingerprint = str(getattr(photos, "fingerprint", ""))
        self.left_out = list(getattr(photos, "left_out", []))
        length: Any = getattr(photos, "__len__", None)
        self.length: int | None = None if length is None else length()
        """Photographs of a round; None where that is unknown."""

    @property
    def state(self) -> Any:
        """After the photograph that was read last, as JSON can say it."""
        return self._photos.state_dict()

    def read(self, state: Any = None) -> Iterator[tuple[Item, list[str]]]:
        """Yield photographs without end, each with what went wrong on the way to it.

        Args:
            state: after which to go on; without one, from the beginning. Whoever was reading before may not go on.

        Raises:
            ZooError: there are none, or many in a row cannot be read.
        """
        self._photos.load_state_dict(self._beginning if state is None else state)
        problems: list[str] = []
        rounds = 0
        while True:
            for item, found in self._round(problems):
                yield item, found
                rounds = 0
            rounds += 1
            if rounds == 2:
                # One round of nothing may be the end of one that was taken up after its last photograph.
                self._photos.load_state_dict(self._beginning)
            elif rounds > 3:
                raise ZooError("the stream of photographs yields none, not even from its beginning")

    def first(self, count: int) -> Iterator[Item]:
        """Yield the first photographs that can be read, at most so many, and none twice."""
        self._photos.load_state_dict(self._beginning)
        for place, (item, _) in enumerate(self._round([]), start=1):
            yield item
            if place == count:
                return

    def _round(self, problems: list[str]) -> Iterator[tuple[Item, list[str]]]:
        iterator = iter(self._photos)
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                return
            except (ZooError, OSError) as error:
                problems.append(str(error))
                if len(problems) == MAX_BAD_IN_A_ROW:
                    raise ZooError(f"no photograph can be read any more; the last error: {error}") from error
                # A generator that has raised is over: another one goes on from where the stream is now.
                iterator = iter(self._photos)
                continue
            yield item, list(problems)
            problems.clear()


class StreamedCrops(IterableDataset[Loaded]):
    """Batches of crops of a stream, from a place on, for one of several processes that each take their own part."""

    def __init__(
        self,
        photos: Endless,
        *,
        size: int,
        augment: Augmentations,
        seed: int,
        state: Any = None,
    ) -> None:
        """Go on after `state`, as `Batch` has it; without one, from the beginning."""
        self.photos, self.size, self.augment, self.seed, self.state = photos, size, augment, seed, state
        self._dealt = (1, 0, 0, 1)

    def dealt(self, batch: int, start: int, rank: int, world_size: int) -> StreamedCrops:
        """Return the batches of one process: of each `world_size * batch` photographs, r, r + w and so on."""
        dealt = StreamedCrops(self.photos, size=self.size, augment=self.augment, seed=self.seed, state=self.state)
        dealt._dealt = (batch, start, rank, world_size)
        return dealt

    def first(self) -> Crop:
        """Return the first crop, of the beginning."""
        item, problems = next(self.photos.read())
        return cropped(item, self.size, self.augment, np.random.default_rng((self.seed, 0)), problems)

    def __iter__(self) -> Iterator[Loaded]:
        """Yield batches without end, each with the stream's state after it."""
        batch, start, rank, world_size = self._dealt
        crops, unsaid = [], []
        for number, (item, problems) in enumerate(self.photos.read(self.state)):
            unsaid += problems
            if number % world_size == rank:
                rng = np.random.default_rng((self.seed, start + number))
                crops.append(cropped(item, self.size, self.augment, rng, unsaid))
                unsaid = []
            # All processes' parts end here: it is the same state for each.
            if (number + 1) % (world_size * batch) == 0:
                yield collated(crops, self.photos.state)
                crops = []
