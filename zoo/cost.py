"""What a network costs: parameters, arithmetic, memory and time at a size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from zoo.conditioning import Conditions, blank_extras
from zoo.networks import count_parameters, predict_chroma


class Kept:
    """What autograd keeps for the backward pass, beside the parameters: bytes by place in memory."""

    def __init__(self) -> None:
        self._pieces: dict[int, int] = {}

    def add(self, tensor: Tensor) -> Tensor:
        """Count a tensor. Many are kept more than once, and take up their place once."""
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            self._pieces[storage.data_ptr()] = storage.nbytes()
        return tensor

    @property
    def bytes(self) -> int:
        """The sum."""
        return sum(self._pieces.values())


@contextmanager
def kept_for_backward() -> Iterator[Kept]:
    """Count what the code inside has autograd keep."""
    kept = Kept()
    with torch.autograd.graph.saved_tensors_hooks(kept.add, lambda tensor: tensor):
        yield kept


@dataclass(frozen=True)
class Cost:
    """What one forward pass of a network costs."""

    parameters: int
    flops: int
    kept: int
    """Bytes of activations kept for training."""
    seconds: float


def measure(network: nn.Module, forward: Callable[[], object]) -> Cost:
    """Measure what a network costs, in evaluation, by two passes of it."""

    def wait() -> None:
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()

    # Statistics of one value per channel are refused in training; in eval the saved tensors are the same.
    network.eval()
    with FlopCounterMode(display=False) as counter, kept_for_backward() as kept:
        forward()
    with torch.inference_mode():
        wait()
        start = time.perf_counter()
        forward()
        wait()
        seconds = time.perf_counter() - start
    return Cost(count_parameters(network), counter.get_total_flops(), kept.bytes, seconds)


def describe_cost(kind: str, network: nn.Module, size: int) -> str:
    """Measure a generator or a critic at a size, on this CPU, and say what it costs."""
    lightness, chroma = torch.zeros(1, 1, size, size), torch.zeros(1, 2, size, size)

    conditions = Conditions(extras=blank_extras(network, lightness)) if kind == "generator" else None

    def forward() -> None:
        if kind == "generator":
            predict_chroma(network, lightness, torch.float32, conditions)
        else:
            network(lightness, chroma)

    cost = measure(network, forward)
    multiple = getattr(network, "multiple", 1)
    return "\n".join(
        [
            f"at {size}×{size}:",
            f"  parameters  {cost.parameters / 1e6:.2f} M ({cost.parameters * 4 / 2**20:.0f} MiB in float32)",
            f"  arithmetic  {cost.flops / 1e9:.2f} GFLOP forward, per picture",
            f"  memory      {cost.kept / 2**20:.0f} MiB of activations kept for training, per picture in float32",
            f"  time        {cost.seconds * 1000:.0f} ms forward, one picture, on this CPU",
            *([f"  multiple    of {multiple} pixels; other sizes are padded"] if multiple > 1 else []),
        ]
    )
