"""ZOO_TRACE=1: which hooks ran, whose they are, where, and for how long, in one line each on standard error."""

from __future__ import annotations

import inspect
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def is_on() -> bool:
    """Whether ZOO_TRACE=1 asks for it."""
    return os.environ.get("ZOO_TRACE") == "1"


def monitors(plugin: str) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return what pluggy calls before and after each call of a hook of this plugin."""
    # Listeners have threads of their own, and the implementation of a hook may call another one.
    started = threading.local()

    def before(_hook: str, _implementations: Sequence[Any], _arguments: Mapping[str, Any]) -> None:
        started.__dict__.setdefault("times", []).append(time.perf_counter())

    def after(outcome: Any, hook: str, implementations: Sequence[Any], _arguments: Mapping[str, Any]) -> None:
        milliseconds = 1000 * (time.perf_counter() - started.times.pop())
        failed = "" if outcome.exception is None else f", raised {type(outcome.exception).__name__}"
        for implementation in implementations:
            place = _place(implementation.function)
            sys.stderr.write(f"trace: {hook} of {plugin} at {place}: {milliseconds:.2f} ms{failed}\n")

    return before, after


def _place(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
