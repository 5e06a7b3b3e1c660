"""How far something is with its photographs, or frames: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_REDRAWN_EVERY, _PRINTED_EVERY = 0.1, 10.0
"""Seconds between two redrawings of the bar, and between two lines."""
_AT_ONCE = 0.5
"""Seconds that nobody needs to be told of."""


class ScanBar:
    """A `zoo.registry.contracts.Progress` that people see. It is there from the first call on until all is done."""

    def __init__(self, console: Console, what: str = "looked at", things: str = "photographs") -> None:
        """Show it on a console; `what` is what happens to photographs, or to other things."""
        self._what = what
        self._things = things
        self._console = console
        self._every = _REDRAWN_EVERY if console.is_terminal else _PRINTED_EVERY
        self._next: float | None = None
        """When it is to be shown again; None before the first call."""
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._printed = False

    def __call__(self, done: int, total: int | None) -> None:
        """Show how many files were looked through, of how many, unless that was done just before."""
        now = time.monotonic()
        if self._next is None:
            self._next = now + max(_AT_ONCE, self._every)
        if now >= self._next or (self._printed and done == total):
            self._next = now + self._every
            self._show(done, total)
        if done == total:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._next, self._printed = None, None, False

    def _show(self, done: int, total: int | None) -> None:
        words = f"{done:,} found" if total is None else f"{done:,} of {total:,} {self._what}"
        words = f"{self._things}: {words}"
        if not self._console.is_terminal:
            self._printed = True
            self._console.print(words)
            return
        if self._bar is None:
            columns = (BarColumn(24), TextColumn("{task.description}"), TimeRemainingColumn(elapsed_when_finished=True))
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task(words, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total, description=words)
