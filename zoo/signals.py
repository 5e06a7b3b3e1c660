"""SIGTERM and a closed terminal, as Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

STOP = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
"""What asks a process for its end."""


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Have SIGTERM and a closed terminal interrupt what goes on, as Ctrl-C does, while there is nothing to save."""
    with handling(_interrupt, [number for number in STOP if number != signal.SIGINT]):
        yield


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None], numbers: Sequence[int]) -> Iterator[None]:
    """Have a function take signals. Those that are ignored stay so: nohup means it."""
    try:
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
