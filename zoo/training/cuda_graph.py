"""A training step as a CUDA graph: recorded once, and then started with one launch instead of a thousand.

A graph repeats the very operations that it was recorded from, on the very memory that they worked on. So nothing that
changes from step to step may be a Python number within it, and nothing in it may wait for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias

import torch
from torch import Tensor

Losses: TypeAlias = dict[str, Tensor]
WARMUP_STEPS = 3
"""Steps of one form that are taken as they come before it is recorded: libraries set themselves up in them."""


class Graph:
    """Work on a GPU, recorded by doing it once without effect."""

    def __init__(self, work: Callable[[], Losses]) -> None:
        self._graph = torch.cuda.CUDAGraph()
        # Other threads, such as the one that pins the next batch, may go on with what a recording must not do.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._losses = work()

    def replay(self) -> Losses:
        """Do it again; returns what it returned, in memory of its own."""
        self._graph.replay()
        return {name: loss.clone() for name, loss in self._losses.items()}


class Recorder:
    """Takes steps of the newest form that came several times in a row out of its graph."""

    def __init__(self) -> None:
        self._form: Hashable = None
        self._seen = 0
        self._recorded: tuple[Hashable, Tensor, Graph] | None = None

    def forget(self) -> None:
        """Record anew: the step works on other memory now."""
        self._form, self._seen, self._recorded = None, 0, None

    def replay(self, form: Hashable, photos: Tensor, take: Callable[[Tensor], Losses]) -> Losses | None:
        """Take a step from the graph; return None, having done nothing, where it has to be taken as it comes.

        Args:
            form: whatever the step's operations depend on, beside the photos' values.
            photos: uint8 (N, 3, size, size), on the device.
            take: takes such a step; this is what is recorded.

        Raises:
            RuntimeError: it cannot be recorded. Nothing was done, either.
        """
        if self._recorded is None or self._recorded[0] != form:
            self._seen = self._seen + 1 if form == self._form else 1
            self._form = form
            if self._seen <= WARMUP_STEPS:
                return None
            # Before it is replaced: two graphs' memory may not fit.
            self._recorded = None
            place = photos.clone()
            self._recorded = (form, place, Graph(lambda: take(place)))
        _, place, graph = self._recorded
        place.copy_(photos)
        return graph.replay()
