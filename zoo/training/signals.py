"""Ctrl-C, SIGTERM and a closed terminal: finish the step in hand, save, end."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOP = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect the signals that ask for an end in a list, for the loop to look at. Asking again interrupts at once."""
    received: list[int] = []
    first = 0.0

    def receive(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        if not received:
            first = time.monotonic()
        # Launchers pass on what the terminal has sent already: that is no second asking.
        elif time.monotonic() - first > 1:
            raise KeyboardInterrupt
        received.append(number)

    try:
        # One that is ignored stays so: nohup means it.
        before = {
            number: signal.signal(number, receive) for number in _STOP if signal.getsignal(number) != signal.SIG_IGN
        }
    except ValueError:
        # Only the main thread may: elsewhere, such as in some notebooks, its owner handles signals.
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
