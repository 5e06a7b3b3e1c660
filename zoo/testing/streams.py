"""What checks need to know of items of data sets, and checks of those that are read as a stream."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from zoo.data.crops import taken_apart
from zoo.data.stream import Endless
from zoo.registry.contracts import Item
from zoo.registry.made import is_stream
from zoo.testing.subject import ContractError, Subject, expect
from zoo.training.guards import CheckedStream, Form

MOST = 200
"""Photographs of a stream that are looked at."""
_AHEAD = (1, 3)
"""Photographs after which a stream's state is taken."""
_NEXT = 4
"""Photographs that are compared from there on."""


def form() -> Form:
    """Return what items are held against, each and all together."""
    component: Any = SimpleNamespace(broken=ContractError)
    return Form(component)


def endless(made: Any) -> Endless:
    """Return a stream as training reads it."""
    return Endless(CheckedStream(made, form()))


def length_in_words(made: Any) -> str:
    """Say how many photographs there are."""
    if not is_stream(made):
        return f"{len(made):,} photographs"
    length = endless(made).length
    return "a stream of unknown length" if length is None else f"a stream of {length:,} photographs"


def first_items(made: Any, count: int) -> list[Item]:
    """Return the first photographs of a stream that was just made."""
    return list(endless(made).first(count))


def picture_of(item: Item) -> Tensor:
    """Return the photograph, or the first frame of a clip."""
    photo, _ = taken_apart(item)
    return photo[0] if photo.ndim == 4 else photo


def equal(one: Item, other: Item) -> bool:
    """Whether two items are the same, with all that comes with them."""
    (photo, extras), (another, others) = taken_apart(one), taken_apart(other)
    return (
        torch.equal(photo, another)
        and extras.keys() == others.keys()
        and all(torch.equal(extra, others[name]) for name, extra in extras.items())
    )


def state_restored(subject: Subject) -> str:
    """After a state was loaded, the same photographs follow, in a data set made anew, too."""
    made = subject.make()
    endless(made)  # looks at its state
    expect(
        all(map(equal, first_items(subject.make(), _NEXT), first_items(subject.make(seed=1), _NEXT))),
        "made anew with the same options, it begins with other photographs",
    )
    for ahead in _AHEAD:
        source = endless(subject.make())
        reading = source.read()
        for _ in range(ahead):
            next(reading)
        state = source.state
        expected = [item for item, _ in itertools.islice(reading, _NEXT)]
        for where, other in (("made anew", endless(subject.make(seed=1))), ("read on since", source)):
            found = [item for item, _ in itertools.islice(other.read(state), _NEXT)]
            expect(
                all(map(equal, expected, found)),
                f"after photograph {ahead} its state does not lead to the next ones in a data set {where}: count "
                "before the `yield`, and keep in state_dict() all that they depend on",
            )
    return "the same state leads to the same photographs"


class First(IterableDataset[Item]):
    """The first photographs of a stream, as another process reads them."""

    def __init__(self, made: Any, count: int) -> None:
        self.made, self.count = made, count

    def __iter__(self) -> Iterator[Item]:
        """Yield them."""
        return itertools.islice(iter(self.made), self.count)


def some(made: Any, seconds: float) -> Iterator[Item]:
    """Yield photographs from a stream's beginning, as many as there is time for."""
    start = time.perf_counter()
    for item in endless(made).first(MOST):
        yield item
        if time.perf_counter() - start > seconds:
            return
