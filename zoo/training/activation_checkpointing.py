"""Activation checkpointing: less memory for more time.

Blocks of a network are computed once more in the backward pass, instead of keeping what they made.

Chen et al. (2016), Training Deep Nets with Sublinear Memory Cost.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo.errors import UsageError


def checkpoint_activations(network: nn.Module) -> None:
    """Let each block of a network keep its input alone while it trains.

    A block is a module in an `nn.ModuleList`, or one of several layers in an `nn.Sequential`; the outermost ones count.
    Weights, gradients and statistics come out the same: random numbers are drawn again from the same state, and buffers
    (batch norm's statistics, spectral norm's vectors) are moved once.

    Raises:
        UsageError: it has no blocks.
    """
    blocks = list(_blocks(network))
    if not blocks:
        raise UsageError(
            f"memory=low: {type(network).__name__} has no nn.ModuleList or nn.Sequential, whose blocks could be "
            "computed twice; leave it out, or use a smaller --size"
        )
    for block in blocks:
        block.forward = functools.partial(_recomputed, block, block.forward)


def _blocks(network: nn.Module) -> Iterator[nn.Module]:
    for child in network.children():
        if isinstance(child, nn.ModuleList) or (isinstance(child, nn.Sequential) and _is_composite(child)):
            for block in child:
                yield from [block] if any(True for _ in block.parameters()) else []
        elif isinstance(child, nn.Sequential) and any(True for _ in child.parameters()):
            yield child
        else:
            yield from _blocks(child)


def _is_composite(layers: nn.Sequential) -> bool:
    return all(any(True for _ in layer.children()) for layer in layers)


def _recomputed(block: nn.Module, forward: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **keywords)
    before = _copies(block)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _buffers_as(block, before)

    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **keywords)


@contextmanager
def _buffers_as(block: nn.Module, before: list[Tensor]) -> Iterator[None]:
    after = _copies(block)
    _write(block, before)
    yield
    _write(block, after)


def _copies(block: nn.Module) -> list[Tensor]:
    return [buffer.detach().clone() for buffer in block.buffers()]


def _write(block: nn.Module, values: list[Tensor]) -> None:
    for buffer, value in zip(block.buffers(), values, strict=True):
        # Past autograd's count of changes: the values that it kept are these.
        buffer.data.copy_(value)
