"""zoo init: a registry.toml for a new project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(folder: Annotated[Path, typer.Argument(help="The project's folder.")] = Path()) -> None:
    """Write a commented registry.toml for a new project. One that is there is left alone."""
    from zoo.registry.file import begin

    typer.echo(f"{begin(folder)} is written: change it, then try `zoo registry` and `zoo run`")
