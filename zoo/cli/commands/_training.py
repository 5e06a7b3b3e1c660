"""What `zoo run` and `zoo resume` share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import typer

from zoo.errors import INTERRUPTED

if TYPE_CHECKING:
    from zoo.run import Run
    from zoo.training import Callback


def is_first_process() -> bool:
    """Whether this is the process that speaks, where torchrun or SLURM started several of them."""
    return os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"


@contextmanager
def interrupted_at_once() -> Iterator[None]:
    """Exit with 130 on an interruption that reaches here, without the seconds in which Python takes torch apart.

    A run that is interrupted saves, and ends as others do. This is before there is one, or for whoever asks twice.
    """
    try:
        yield
    except KeyboardInterrupt:
        with suppress(OSError):
            typer.echo("interrupted", err=True)
            sys.stdout.flush()
        os._exit(INTERRUPTED)


def follow(start: Callable[[Callback], Run], devices: int) -> None:
    """Start a training and show it, or have every device do so; exit with 130 if it was interrupted."""
    if devices > 1:
        from zoo.training.launch import launch

        raise typer.Exit(launch(devices))
    from zoo.cli.terminal import Display

    with interrupted_at_once(), Display() as display:
        done = start(display)
    if done.info["state"] == "interrupted":
        raise typer.Exit(INTERRUPTED)
