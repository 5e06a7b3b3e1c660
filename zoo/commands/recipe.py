"""zoo recipe: a recipe as TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.recipe import Recipe
from zoo.run import Run


def recipe(
    source: Annotated[str, typer.Argument(metavar="RUN|NAME", help="A run's folder, or a recipe's name.")],
) -> None:
    """Print a recipe as TOML: save it, change it, and train it with `zoo run --recipe FILE`."""
    found = Run.open(source).recipe if Path(source).is_dir() else Recipe.named(source)
    typer.echo(found.to_toml(), nl=False)
