"""What `zoo run` and `zoo resume` share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from zoo.errors import INTERRUPTED

if TYPE_CHECKING:
    from zoo.run import Run
    from zoo.training import Callback


def is_first_process() -> bool:
    """Whether this is the process that speaks, where torchrun or SLURM started several of them."""
    return os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"


def follow(start: Callable[[Callback], Run], devices: int) -> None:
    """Start a training and show it, or have every device do so; exit with 130 if it was interrupted."""
    if devices > 1:
        from zoo.training.launch import launch

        raise typer.Exit(launch(devices))
    from zoo.cli.terminal import Display

    with Display() as display:
        done = start(display)
    if done.info["state"] == "interrupted":
        raise typer.Exit(INTERRUPTED)
