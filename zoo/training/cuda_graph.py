"""A training step as a CUDA graph: recorded once, and then started with one launch instead of a thousand.

A graph repeats the very operations that it was recorded from, on the very memory that they worked on. So nothing that
changes from step to step may be a Python number within it, and nothing in it may wait for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

Losses: TypeAlias = dict[str, Tensor]
WARMUP_STEPS = 3
"""Steps of one form that are taken as they come before it is recorded: libraries set themselves up in them."""


class Graph:
    """Work on a GPU, recorded by doing it once without effect."""

    def __init__(self, work: Callable[[], Losses], device: torch.device) -> None:
        self._graph = torch.cuda.CUDAGraph()
        # Other threads, such as the one that pins the next batch, may go on with what a recording must not do.
        with torch.cuda.device(device), torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._losses = work()

    def replay(self) -> Losses:
        """Do it again; returns what it returned, in memory of its own."""
        self._graph.replay()
        return {name: loss.clone() for name, loss in self._losses.items()}


@dataclass
class _Form:
    """Steps of one form: how many were taken as they come, and the graph of them once there is one."""

    seen: int = 0
    places: tuple[Tensor, ...] = ()
    """Where the graph finds its photos, and what goes with them."""
    graph: Graph | None = None


class Recorder:
    """Takes steps out of graphs, one for each form that comes again and again."""

    def __init__(self) -> None:
        self._forms: dict[Hashable, _Form] = {}
        self._shape: torch.Size | None = None

    def forget(self) -> None:
        """Record anew: the step works on other memory now."""
        self._forms.clear()

    def replay(self, form: Hashable, inputs: tuple[Tensor, ...], take: Callable[..., Losses]) -> Losses | None:
        """Take a step from its graph; return None, having done nothing, where it has to be taken as it comes.

        Args:
            form: whatever the step's operations depend on, beside the inputs' values and the photos' shape. A few of
                them may take turns, such as steps with a penalty and without.
            inputs: photos, uint8 (N, 3, size, size), and what goes with them, on the device.
            take: takes such a step, from the inputs; this is what is recorded.

        Raises:
            RuntimeError: it cannot be recorded. Nothing was done, either.
        """
        photos = inputs[0]
        if photos.shape != self._shape:
            # Of the sizes that grow, none comes again: two sizes' graphs may not fit into memory.
            self._shape = photos.shape
            self.forget()
        known = self._forms.setdefault(form, _Form())
        if known.graph is None:
            known.seen += 1
            if known.seen <= WARMUP_STEPS:
                return None
            known.places = places = tuple(one.clone() for one in inputs)
            known.graph = Graph(lambda: take(*places), photos.device)
        for place, one in zip(known.places, inputs, strict=True):
            place.copy_(one)
        return known.graph.replay()
