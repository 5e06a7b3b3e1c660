"""Errors that are meant for people: what was wrong, where, and what to write instead."""

from __future__ import annotations

INTERRUPTED = 130
"""Exit code of what Ctrl-C or SIGTERM ended before its time, as in a shell."""


class ZooError(Exception):
    """Something failed that a person can do something about. Shown without a traceback, exit code 1."""

    exit_code = 1


class UsageError(ZooError, ValueError):
    """What was asked for makes no sense as written. Shown without a traceback, exit code 2."""

    exit_code = 2


class BrokenContractError(ZooError):
    """A component returns what its contract does not allow. Whoever knows which component it is says so."""


class PhotoError(ZooError):
    """A photograph cannot be read or written. The message is one sentence and names the file."""


def one_line(error: BaseException) -> str:
    """Say an exception in one line: its type and message, or its type alone where it says nothing."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
