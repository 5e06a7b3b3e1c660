"""What a run tells of itself to callbacks and to listeners: plain values, with which nobody can harm it.

The one thing that a listener can do to a run is to ask it to stop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LISTENER = "listener "
"""How the names of threads begin in which listeners hear of a run."""


@dataclass(frozen=True)
class RunInfo:
    """A run, as its listeners see it."""

    name: str
    path: Path
    """Its folder."""
    recipe: Mapping[str, Any]
    """Every field that has a value, resolved: weights written out, paths absolute."""

    def request_stop(self, reason: str) -> None:
        """Ask the run to stop at its next step, as Ctrl-C does: it saves, is `interrupted`, and can be resumed.

        The first reason of all counts. Without effect where the run is over, or at its end, or made up for a test.

        Args:
            reason: in words, for `run.json`, the terminal and `zoo runs`.
        """


@dataclass(frozen=True)
class Status:
    """How far a run is, as of its last logged step."""

    step: int
    images: int
    epoch: float
    seconds: float
    progress: float
    """0 at the start, 1 at the end."""
    losses: dict[str, float]
    """Means since the line before."""
    images_per_second: float
    memory: int
    """Bytes: the device's peak, or the process's on a CPU."""
    skipped: int
    """Steps not taken since their gradients were not numbers."""

    def as_line(self) -> dict[str, Any]:
        """Return it as a line of metrics.jsonl."""
        return {
            "step": self.step,
            "images": self.images,
            "epoch": round(self.epoch, 4),
            "seconds": round(self.seconds, 2),
            "images_per_second": round(self.images_per_second, 2),
            "memory": self.memory,
            "skipped": self.skipped,
            "losses": self.losses,
        }


@dataclass(frozen=True)
class Alarm:
    """A number that validations measured, outside of its healthy range for several of them: the run may collapse."""

    step: int
    name: str
    """As among the validation metrics."""
    value: float
    low: float
    """The range's ends; infinite where it has none."""
    high: float
    validations: int
    """How many in a row."""

    def __str__(self) -> str:
        side, end = ("above", self.high) if self.value > self.high else ("below", self.low)
        where = f"{side} {end:.3g}" if math.isfinite(self.value) else "not a number"
        return f"{self.name} is {self.value:.3g}, {where}, at {self.validations} validations in a row"

    def as_line(self, step: int) -> dict[str, Any]:
        """Return it as a line of metrics.jsonl, among those of a step: its own, or the one that was rolled back to."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        known = {name: number if math.isfinite(number) else None for name, number in numbers.items()}
        about = {"name": self.name, "step": self.step, **known, "validations": self.validations, "text": str(self)}
        return {"step": step, "alarm": about}
