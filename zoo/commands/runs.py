"""zoo runs: the runs of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from zoo.run import list_runs


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of runs.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List runs: state, recipe, progress and the last metrics."""
    found = [(run, run.info) for run in list_runs(folder)]
    if as_json:
        typer.echo(json.dumps({run.name: info for run, info in found}, indent=2))
        return
    if not found:
        typer.echo(f"no runs in {folder}", err=True)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("run", "state", "recipe", "done", "images", "epochs", "time", "last metrics"):
        table.add_column(column, overflow="fold")
    for run, info in found:
        recipe, progress = run.recipe, info["progress"]
        minutes, seconds = divmod(int(progress["seconds"]), 60)
        table.add_row(
            run.name,
            info["state"],
            f"{recipe.generator} {recipe.critic} {recipe.loss}",
            f"{progress['share']:.0%}",
            f"{progress['images']:,}",
            f"{progress['epochs']:.1f}",
            f"{minutes // 60}:{minutes % 60:02}:{seconds:02}",
            " ".join(f"{name} {value:.3g}" for name, value in info["metrics"].items()) or (info["reason"] or ""),
        )
    Console(highlight=False).print(table)
