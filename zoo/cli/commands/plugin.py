"""zoo plugin: plugins of your own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.help import Command, Group
from zoo.registry.contracts import Kind

app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Begin a plugin of your own.")


@app.callback()
def _plugin() -> None:
    # With a callback, typer keeps a group of a single command a group.
    pass


@app.command("new", cls=Command)
def new(
    name: Annotated[str, typer.Argument(help="The component's name, such as my-critic.")],
    kind: Annotated[Kind, typer.Option(help="What it is.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write it into.")] = Path(),
) -> None:
    """Write a small, complete package with one component: it installs, is listed and passes its tests."""
    from zoo.scaffold import create

    folder = shlex.quote(str(create(name, kind, out)))
    typer.echo(f"written: {folder}\n\nWhat comes next:\n")
    for command in (f"pip install -e {folder}", f"zoo check {name}", f"pytest {folder}"):
        typer.echo(f"  {command}")
