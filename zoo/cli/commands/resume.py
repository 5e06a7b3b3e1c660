"""zoo resume: go on with a run that stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.commands._training import follow
from zoo.cli.completion import run_folders


def resume(
    folder: Annotated[Path, typer.Argument(metavar="RUN", autocompletion=run_folders, help="The run's folder.")],
    extend: Annotated[bool, typer.Option("--extend", help="Go on with a finished run, to another end.")] = False,
    epochs: Annotated[float | None, typer.Option(help="Another end: so many rounds through the data.")] = None,
    steps: Annotated[int | None, typer.Option(help="Another end: so many steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Another end: so many minutes.")] = None,
    devices: Annotated[int, typer.Option(min=1, help="Train on so many GPUs of this machine.")] = 1,
) -> None:
    """Go on with a run from its newest checkpoint, as if it had never stopped."""
    from zoo.run import Run

    run = Run.open(folder)
    from zoo import training

    end = {"epochs": epochs, "steps": steps, "minutes": minutes}
    follow(lambda callback: training.resume(run, extend=extend, callback=callback, **end), devices)
