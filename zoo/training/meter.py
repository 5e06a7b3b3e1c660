"""Means of the losses, and the speed, over the steps between two lines of metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from zoo.device import memory_in_use
from zoo.events import Status
from zoo.training.trainer import Trainer


class Meter:
    """Adds up losses on the device, without waiting for it, until they are asked for."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._begin()

    def _begin(self) -> None:
        self.steps = 0
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}
        self._images = self.trainer.images
        self._since = time.monotonic()

    def add(self, losses: dict[str, Tensor]) -> None:
        """Add a step. What is not a number is left out of the mean."""
        for name, loss in losses.items():
            good = torch.isfinite(loss)
            zero = torch.zeros_like(loss)
            self._sums[name] = self._sums.get(name, zero) + torch.where(good, loss, zero)
            self._counts[name] = self._counts.get(name, zero) + good
        self.steps += 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Don't count the time that something else takes as training."""
        began = time.monotonic()
        yield
        self._since += time.monotonic() - began

    def close(self, seconds: float, progress: float) -> Status:
        """Return the means, and begin anew."""
        status = self.status(seconds, progress)
        self._begin()
        return status

    def status(self, seconds: float, progress: float) -> Status:
        """Return the means so far."""
        trainer = self.trainer
        means = {name: float(self._sums[name] / self._counts[name]) for name in self._sums}
        return Status(
            step=trainer.steps,
            images=trainer.images,
            epoch=trainer.epochs,
            seconds=seconds,
            progress=progress,
            losses=means,
            images_per_second=(trainer.images - self._images) / max(1e-9, time.monotonic() - self._since),
            memory=memory_in_use(trainer.assembly.device),
            skipped=int(trainer.skipped),
        )

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the sums so far, for a checkpoint: tensors by name, and the rest as JSON can say it."""
        tensors = {f"meter/sum/{name}": value for name, value in self._sums.items()}
        tensors |= {f"meter/count/{name}": value for name, value in self._counts.items()}
        return tensors, {"steps": self.steps, "losses": list(self._sums)}

    def restore(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        self._begin()
        self.steps = about["steps"]
        device = self.trainer.assembly.device
        # Files of tensors are in the order of the alphabet; losses keep their own.
        for name in about["losses"]:
            self._sums[name] = tensors[f"meter/sum/{name}"].to(device)
            self._counts[name] = tensors[f"meter/count/{name}"].to(device)
