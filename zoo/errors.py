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
