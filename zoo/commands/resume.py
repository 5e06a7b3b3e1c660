"""zoo resume: go on with a run that stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import INTERRUPTED


def resume(folder: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.")]) -> None:
    """Go on with a run from its newest checkpoint, as if it had never stopped."""
    from zoo.run import Run

    run = Run.open(folder)
    from zoo import training
    from zoo.terminal import Display

    with Display() as display:
        done = training.resume(run, watcher=display)
    if done.info["state"] == "interrupted":
        raise typer.Exit(INTERRUPTED)
