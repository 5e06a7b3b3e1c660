"""Which graphs of autograd outlive the call that made them."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import torch
from torch import Tensor


class Graphs:
    """Marks what goes into calls, and counts which marks are still held when the calls are over."""

    def __init__(self) -> None:
        self._marks: list[tuple[int, weakref.ref[_Mark]]] = []

    def mark(self, tensor: Tensor, call: int) -> Tensor:
        """Return the tensor as the beginning of a graph, which belongs to a call of this number."""
        mark = _Mark()
        self._marks.append((call, weakref.ref(mark)))
        marked: Tensor = _Marked.apply(tensor.detach().clone().requires_grad_(True), mark)
        return marked

    @property
    def alive(self) -> int:
        """Of how many calls somebody keeps a graph alive."""
        if any(mark() is not None for _, mark in self._marks):
            gc.collect()  # they may only refer to one another; it takes longer than most checks
        return len({call for call, mark in self._marks if mark() is not None})


class _Mark:
    """Lives as long as the graph that it is in, whose saved tensors may be gone."""


class _Marked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, mark: _Mark) -> Tensor:
        ctx.mark = mark
        return tensor.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return gradient, None


KEPT = (
    "the graphs of {alive} in {calls} calls are kept alive, with the memory of all that is in them: keep x.detach(), "
    "or x.item()"
)
