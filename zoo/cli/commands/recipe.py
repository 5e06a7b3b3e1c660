"""zoo recipe: a recipe as TOML."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli.completion import recipe_names
from zoo.registry import find_recipe


def recipe(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN|NAME", autocompletion=recipe_names, help="A run's folder, or a recipe's name or file."
        ),
    ],
) -> None:
    """Print a recipe as TOML: save it, change it, and train it with `zoo run --recipe FILE`."""
    typer.echo(find_recipe(source).to_toml(), nl=False)
