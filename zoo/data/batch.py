"""What a step learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Training crops, with what goes with each of them: all first dimensions are the same.

    Of clips, the frames come one after another, and N is their number; what is counted and cut apart are whole clips.
    """

    photos: Tensor
    """uint8 (N, 3, size, size), sRGB."""
    drawn: Tensor | None = None
    """float32 (N, …): what augmentations drew for each photo; without it they are left out. See `Augmentations`."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """(N, …), by name: what the data set hands over beside photographs."""
    problems: tuple[str, ...] = ()
    """Photographs that could not be read, in words; others stand in for them."""
    frames: int = 1
    """Of each clip; 1 for photographs."""
    aligned: frozenset[str] = frozenset()
    """Extras that have the photographs' pixels, (N, C, size, size), and were cropped with them."""
    state: Any = None
    """Of a data set that is read from its beginning on: its state after the last of them, as JSON can say it."""

    def __len__(self) -> int:
        """Photographs, or clips."""
        return len(self.photos) // self.frames

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, in an order that depends on the batch's form alone."""
        drawn = () if self.drawn is None else (self.drawn,)
        return (self.photos, *drawn, *(self.extras[name] for name in sorted(self.extras)))

    @property
    def form(self) -> tuple[object, ...]:
        """What the operations on it depend on: which tensors there are, and how large."""
        return self.drawn is None, self.frames, *sorted(self.extras), *(tensor.shape for tensor in self.tensors)

    def of(self, tensors: tuple[Tensor, ...]) -> Batch:
        """Return a batch like this of other `tensors`, without its problems and its state."""
        photos, *others = tensors
        drawn = None if self.drawn is None else others.pop(0)
        extras = dict(zip(sorted(self.extras), others, strict=True))
        return Batch(photos, drawn, extras, frames=self.frames, aligned=self.aligned)

    def __getitem__(self, part: slice) -> Batch:
        """Return some of the photographs or clips."""
        start, end, _ = part.indices(len(self))
        return self.of(tuple(tensor[start * self.frames : end * self.frames] for tensor in self.tensors))

    def split(self, size: int) -> Iterator[Batch]:
        """Yield it in parts of that many photographs or clips; the last one may have fewer."""
        for parts in zip(*(torch.split(tensor, size * self.frames) for tensor in self.tensors), strict=True):
            yield self.of(parts)
