"""zoo runs: the runs of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.errors import ZooError
from zoo.recipe import Recipe
from zoo.run import Run, list_runs


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of runs.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List runs: state, recipe, progress and the last metrics."""
    found = [(run, *_read(run)) for run in list_runs(folder)]
    if as_json:
        typer.echo(json.dumps({run.name: info for run, info, _ in found}, indent=2))
        return
    if not found:
        typer.echo(f"no runs in {folder}", err=True)
        return
    from rich.markup import escape
    from rich.table import Table

    from zoo.console import make_console

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("run", "state", "recipe", "done", "epochs", "time", "last metrics"):
        long = column in ("recipe", "last metrics")
        table.add_column(column, overflow="fold", no_wrap=not long, min_width=14 if long else None)
    for run, info, recipe in found:
        if recipe is None:
            table.add_row(run.name, info["state"], escape(info["reason"]))
            continue
        progress = info["progress"]
        minutes, seconds = divmod(int(progress["seconds"]), 60)
        table.add_row(
            run.name,
            info["state"],
            f"{recipe.generator} {recipe.critic} {recipe.loss}",
            f"{progress['share']:.0%}",
            f"{progress['epochs']:.1f}",
            f"{minutes // 60}:{minutes % 60:02}:{seconds:02}",
            " ".join(f"{name} {value:.3g}" for name, value in info["metrics"].items()) or (info["reason"] or ""),
        )
    make_console().print(table)


def _read(run: Run) -> tuple[dict[str, Any], Recipe | None]:
    """Read what a run says of itself. A damaged one does not hide the others."""
    try:
        return {**run.info, "state": run.state}, run.recipe
    except ZooError as error:
        return {"state": "unreadable", "reason": str(error)}, None
