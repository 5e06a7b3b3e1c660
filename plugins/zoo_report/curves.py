"""The numbers of a run over its steps, as many as can be seen, read from metrics.jsonl bit by bit."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST = 250
"""Points of a curve, at least, once there are so many; twice as many at most."""
_PARSED = 8_000_000
"""Bytes of lines that are read at a time. Of more, as a resumed run has them, every second line is, or fewer."""


class Curve:
    """A number over steps. When there are too many points, each two become one, their mean."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._waiting: list[tuple[float, float]] = []
        """Those that a point is made of, once there are enough."""
        self._each = 1
        self.newest = math.nan

    def add(self, step: float, value: float) -> None:
        """Add a point; what is not a number is left out."""
        self.newest = value
        if not math.isfinite(value):
            return
        self._waiting.append((step, value))
        if len(self._waiting) < self._each:
            return
        self._points.append(_mean(self._waiting))
        self._waiting = []
        if len(self._points) == 2 * MOST:
            self._points = [_mean(self._points[place : place + 2]) for place in range(0, 2 * MOST, 2)]
            self._each *= 2

    @property
    def points(self) -> list[tuple[float, float]]:
        """(step, value), by steps."""
        return self._points + ([_mean(self._waiting)] if self._waiting else [])


@dataclass
class Curves:
    """All curves of a run."""

    losses: dict[str, Curve] = field(default_factory=dict)
    metrics: dict[str, Curve] = field(default_factory=dict)
    speed: Curve = field(default_factory=Curve)
    """Images per second."""
    grey: dict[str, float] = field(default_factory=dict)
    """The metrics of leaving the photographs grey."""
    step: int = 0
    """The newest."""
    images: int = 0
    epoch: float = 0.0
    seconds: float = 0.0

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a line of metrics.jsonl."""
        step = line["step"]
        self.step, self.images = max(self.step, step), max(self.images, line.get("images", 0))
        if "val" in line:
            for name, value in line["val"].items():
                self.metrics.setdefault(name, Curve()).add(step, float(value))
            self.grey = {name: float(value) for name, value in line.get("grey", {}).items()}
            return
        self.epoch, self.seconds = line.get("epoch", self.epoch), line.get("seconds", self.seconds)
        for name, value in line.get("losses", {}).items():
            self.losses.setdefault(name, Curve()).add(step, float(value))
        if "images_per_second" in line:
            self.speed.add(step, float(line["images_per_second"]))


class Reader:
    """Reads what was added to metrics.jsonl since the last time; from its beginning, once it was written anew."""

    def __init__(self, path: Path) -> None:
        """`path` is the file; it may not be there yet."""
        self._path = path
        self._file: tuple[int, int] | None = None
        self._offset = 0
        self.curves = Curves()

    def read(self) -> bool:
        """Read on; return whether there was anything new."""
        try:
            with self._path.open("rb") as file:
                about = os.fstat(file.fileno())
                # A run that goes back behind steps that it took replaces the file.
                if self._file != (about.st_dev, about.st_ino) or about.st_size < self._offset:
                    self._file, self._offset, self.curves = (about.st_dev, about.st_ino), 0, Curves()
                file.seek(self._offset)
                before = self._offset
                for line in self._lines(file, about.st_size - self._offset):
                    self._add(line)
        except FileNotFoundError:
            return False
        return self._offset > before

    def _lines(self, file: Any, size: int) -> Iterator[bytes]:
        every = 1 + size // _PARSED
        end = self._offset + size
        for number, line in enumerate(file):
            if not line.endswith(b"\n") or self._offset >= end:  # it is being written; or came since
                return
            self._offset += len(line)
            # Validations are few.
            if number % every == 0 or b'"val"' in line:
                yield line

    def _add(self, line: bytes) -> None:
        try:
            self.curves.add(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            # A process that was killed leaves half a line; whatever else it is, it is no reason to draw nothing.
            return


def _mean(points: list[tuple[float, float]]) -> tuple[float, float]:
    steps, values = zip(*points, strict=True)
    return sum(steps) / len(steps), sum(values) / len(values)
