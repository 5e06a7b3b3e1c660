"""zoo runs: the runs of a folder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

_REFRESH = 2.0
"""Seconds."""


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of runs.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
) -> None:
    """List runs: state, recipe, progress and the last metrics."""
    from zoo.cli.runs_table import read_all, runs_table

    if as_json:
        typer.echo(json.dumps({run.name: info for run, info, _ in read_all(folder)}, indent=2))
        return
    from zoo.cli.console import make_console

    console = make_console()
    if not watch:
        if found := read_all(folder):
            console.print(runs_table(found, console))
        else:
            typer.echo(f"no runs in {folder}", err=True)
        return
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(runs_table(read_all(folder), console), refresh=True)
            time.sleep(_REFRESH)
