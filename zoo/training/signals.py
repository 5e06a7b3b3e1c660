"""Ctrl-C, SIGTERM and a closed terminal: finish the step in hand, save, end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

_STOP = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


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
def interrupted_by_signals() -> Iterator[None]:
    """Have SIGTERM and a closed terminal interrupt what goes on, as Ctrl-C does, while there is nothing to save."""
    with _handling(_interrupt, [number for number in _STOP if number != signal.SIGINT]):
        yield


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Collect the signals that ask for an end. Asking again interrupts at once."""
    stop = StopSignals()
    with _handling(stop.receive, _STOP):
        yield stop


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None], numbers: Sequence[int]) -> Iterator[None]:
    try:
        # One that is ignored stays so: nohup means it.
        before = {
            number: signal.signal(number, handler) for number in numbers if signal.getsignal(number) != signal.SIG_IGN
        }
    except ValueError:
        # Only the main thread may: elsewhere, such as in some notebooks, its owner handles signals.
        before = {}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
