"""Ctrl-C, SIGTERM and a closed terminal: finish the step in hand, save, end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from zoo.signals import STOP, handling


class StopRequested(Exception):  # noqa: N818 - no error
    """Somebody asked for an end while there was nothing to finish."""


class StopSignals:
    """The signals that asked for an end so far, for the loop to look at."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._first = 0.0
        self._waiting = False

    def __bool__(self) -> bool:
        return bool(self.received)

    @contextmanager
    def heard_at_once(self) -> Iterator[None]:
        """Raise `StopRequested` inside, rather than wait for what may never come."""
        self._waiting = True
        try:
            if self.received:
                raise StopRequested
            yield
        finally:
            self._waiting = False

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        if not self.received:
            self._first = time.monotonic()
        # Launchers pass on what the terminal has sent already: that is no second asking.
        elif time.monotonic() - self._first > 1:
            raise KeyboardInterrupt
        self.received.append(number)
        if self._waiting:
            raise StopRequested


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Collect the signals that ask for an end. Asking again interrupts at once."""
    stop = StopSignals()
    with handling(stop.receive, STOP):
        yield stop
