"""Whoever wants to follow a run: a display, a notebook, a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.run import Run
    from zoo.training.assembly import Assembly


@dataclass(frozen=True)
class Progress:
    """How far a run is, as of its last logged step."""

    step: int
    images: int
    epoch: float
    seconds: float
    share: float
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


class Watcher:
    """Follows a run. Every method may be left as it is."""

    def started(self, run: Run, parts: Assembly, step: int) -> None:
        """The run's folder is there and the next step comes: `step` were taken before, by a run that is resumed."""

    def progressed(self, progress: Progress) -> None:
        """Some steps were taken."""

    def looked(self, step: int, metrics: dict[str, float], picture: Path) -> None:
        """Held-out photographs were coloured and measured, and drawn as grey | coloured | original."""

    def saved(self, step: int, checkpoint: Path) -> None:
        """A checkpoint is on the disk, in a folder. Called from the thread that wrote it."""

    def said(self, message: str) -> None:
        """Something happened that people should know of."""

    def ended(self, run: Run, state: str) -> None:
        """The run is over: finished, interrupted or failed."""


class Both(Watcher):
    """Hands everything on to two watchers."""

    def __init__(self, first: Watcher, second: Watcher) -> None:
        self._watchers = (first, second)

    def started(self, run: Run, parts: Assembly, step: int) -> None:
        for watcher in self._watchers:
            watcher.started(run, parts, step)

    def progressed(self, progress: Progress) -> None:
        for watcher in self._watchers:
            watcher.progressed(progress)

    def looked(self, step: int, metrics: dict[str, float], picture: Path) -> None:
        for watcher in self._watchers:
            watcher.looked(step, metrics, picture)

    def saved(self, step: int, checkpoint: Path) -> None:
        for watcher in self._watchers:
            watcher.saved(step, checkpoint)

    def said(self, message: str) -> None:
        for watcher in self._watchers:
            watcher.said(message)

    def ended(self, run: Run, state: str) -> None:
        for watcher in self._watchers:
            watcher.ended(run, state)
