"""How far an album is: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

_REDRAWN_EVERY, _PRINTED_EVERY = 0.1, 10.0
"""Seconds between two redrawings of the bar, and between two lines."""


class AlbumBar:
    """Photographs that are done, how many a second, and the time that is left."""

    def __init__(self, console: Console, total: int) -> None:
        """Show it on a console. A single photograph has no bar."""
        self._console, self._total = console, total
        self._every = _REDRAWN_EVERY if console.is_terminal else _PRINTED_EVERY
        self._start = time.monotonic()
        self._next = self._start + self._every
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> AlbumBar:
        """Begin."""
        if self._console.is_terminal and self._total > 1:
            self._bar = Progress(BarColumn(24), TextColumn("{task.description}"), console=self._console, transient=True)
            self._task = self._bar.add_task(f"photographs: 0 of {self._total:,}", total=self._total)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, skipped: int) -> None:
        """Show how many are done, of which some were before, unless that was shown just before."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._every
        words = f"photographs: {done:,} of {self._total:,}"
        if made := done - skipped:
            speed = made / (now - self._start)
            left = int((self._total - done) / speed)
            words += f", {speed:.1f}/s, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=words)
        elif self._total > 1:
            self._console.print(words)

    def above(self, console: Console, line: str) -> None:
        """Print a line on another console."""
        if self._bar is None or not console.is_terminal:
            console.print(line, soft_wrap=True)
        else:  # both are the same terminal: the bar has to make room
            self._bar.console.print(line, soft_wrap=True)
