"""Where text for people goes."""

from __future__ import annotations

import os

from rich.console import Console


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on in silence when whoever read the output, such as `head`, has seen enough: a run does not end for it."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def make_console(*, stderr: bool = False) -> Console:
    """Return a console on the standard output, or the standard error."""
    return _Console(stderr=stderr, highlight=False)
