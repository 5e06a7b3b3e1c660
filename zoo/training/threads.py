"""How many threads compute on a CPU: as many as are fastest, on a machine that may be busy with other things.

torch's threads wait for one another after each operation. Where another program has one of their cores, one thread may
be ten times as fast as two. The number takes part in the last bits of sums, and so in everything that is learned: it is
found before the first step, kept in checkpoints, and not changed afterwards.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from zoo.data.batch import Batch
from zoo.device import compiles
from zoo.training.callbacks import Callback
from zoo.training.trainer import Trainer

_ENOUGH = 0.5
"""Seconds in which the steps of one number of threads are timed."""
_LONG = 3.0
"""Seconds of a first step, after which it is not worth while to take a second one just to have it timed warm."""
_GAIN = 1.3
"""Fewer threads must be so many times as fast: a run on an idle machine is to be the same each time."""


@contextmanager
def threads_restored() -> Iterator[None]:
    """Leave the process as many threads as it had, whatever a run takes."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def settle_threads(trainer: Trainer, callback: Callback) -> None:
    """Take as many threads as the recipe asks for, or else as many as are fastest: all, half of them, a quarter, ….

    They are never more than torch has: what `OMP_NUM_THREADS`, the processor affinity, or a launcher of several
    processes allows. Where `OMP_NUM_THREADS` is set, and with several processes, nothing is measured.
    """
    recipe, available = trainer.assembly.recipe, torch.get_num_threads()
    if recipe.threads is not None:
        torch.set_num_threads(min(recipe.threads, available))
    elif _is_open(trainer):
        rates = _measured(trainer, available)
        fastest = max(rates, key=lambda threads: rates[threads])
        gain = rates[fastest] / rates[available]
        torch.set_num_threads(fastest if gain >= _GAIN else available)
        if gain >= _GAIN:
            callback.on_message(
                f"training with {fastest} of {available} threads, which is {gain:.1f} times as fast: "
                "other programs are busy here, or the networks are small"
            )


def _is_open(trainer: Trainer) -> bool:
    """Whether the number of threads is for zoo to choose, and there is a choice."""
    recipe, device = trainer.assembly.recipe, trainer.assembly.device
    return (
        device.type == "cpu"
        and torch.get_num_threads() > 1
        and trainer.distributed.world_size == 1
        and "OMP_NUM_THREADS" not in os.environ
        # It compiles for one number of threads, and anew for another.
        and not compiles(recipe.compile, device)
    )


def _measured(trainer: Trainer, available: int) -> dict[int, float]:
    """Return steps per second by the number of threads. The trainer is as before afterwards, but for its gradients."""
    recipe = trainer.assembly.recipe
    size = recipe.size_at(0)
    tensors, about = trainer.state()
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    rates: dict[int, float] = {}
    try:
        batch = trainer.assembly.made_up(recipe.batch, size)
        # In the first step everything is made for the first time, which is little beside a long one.
        rates[available] = _rate(trainer, batch, 0)
        if rates[available] > 1 / _LONG:
            rates[available] = _rate(trainer, batch, _ENOUGH)
        threads = available
        while threads > 1 and rates[threads] == max(rates.values()):
            threads //= 2
            torch.set_num_threads(threads)
            rates[threads] = _rate(trainer, batch, _ENOUGH)
    except Exception:
        # The run itself says what is wrong with its step.
        return {available: 1.0}
    finally:
        trainer.restore(tensors, about)
    return rates


def _rate(trainer: Trainer, batch: Batch, seconds: float) -> float:
    start = time.monotonic()
    steps = 0
    while not steps or time.monotonic() - start < seconds:
        trainer.step(batch, trainer.assembly.recipe.stage_at(0))
        steps += 1
    return steps / (time.monotonic() - start)
