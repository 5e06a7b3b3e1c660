"""What a step learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Training crops, with what goes with each of them: all first dimensions are the same."""

    photos: Tensor
    """uint8 (N, 3, size, size), sRGB."""
    drawn: Tensor | None = None
    """float32 (N, …): what augmentations drew for each photo; without it they are left out. See `Augmentations`."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """(N, …), by name: what the data set hands over beside photographs."""
    problems: tuple[str, ...] = ()
    """Photographs that could not be read, in words; others stand in for them."""

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, in an order that depends on the batch's form alone."""
        drawn = () if self.drawn is None else (self.drawn,)
        return (self.photos, *drawn, *(self.extras[name] for name in sorted(self.extras)))

    @property
    def form(self) -> tuple[object, ...]:
        """What the operations on it depend on: which tensors there are, and how large."""
        return self.drawn is None, *sorted(self.extras), *(tensor.shape for tensor in self.tensors)

    def of(self, tensors: tuple[Tensor, ...]) -> Batch:
        """Return a batch like this of other `tensors`, without its problems."""
        photos, *others = tensors
        drawn = None if self.drawn is None else others.pop(0)
        return Batch(photos, drawn, dict(zip(sorted(self.extras), others, strict=True)))

    def split(self, size: int) -> Iterator[Batch]:
        """Yield it in parts of that many crops; the last one may have fewer."""
        for parts in zip(*(torch.split(tensor, size) for tensor in self.tensors), strict=True):
            yield self.of(parts)
