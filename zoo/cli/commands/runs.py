"""zoo runs: the runs of a folder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.errors import ZooError
from zoo.recipe import Recipe
from zoo.registry.spec import names_in
from zoo.run import Run, list_runs

if TYPE_CHECKING:
    from rich.table import Table

_REFRESH = 2.0
"""Seconds."""


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of runs.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
) -> None:
    """List runs: state, recipe, progress and the last metrics."""
    if as_json:
        typer.echo(json.dumps({run.name: info for run, info, _ in _read_all(folder)}, indent=2))
        return
    from zoo.cli.console import make_console

    console = make_console()
    if not watch:
        if found := _read_all(folder):
            console.print(_table(found))
        else:
            typer.echo(f"no runs in {folder}", err=True)
        return
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(_table(_read_all(folder)), refresh=True)
            time.sleep(_REFRESH)


def _table(found: list[tuple[Run, dict[str, Any], Recipe | None]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("run", "state", "recipe", "done", "epochs", "time", "last metrics"):
        long = column in ("recipe", "last metrics")
        table.add_column(column, overflow="fold", no_wrap=not long, min_width=14 if long else None)
    for run, info, recipe in found:
        if recipe is None:
            table.add_row(escape(run.name), info["state"], escape(info["reason"]))
            continue
        progress = info["progress"]
        minutes, seconds = divmod(int(progress["seconds"]), 60)
        table.add_row(
            escape(run.name),
            info["state"],
            escape(" ".join(map(names_in, (recipe.generator, recipe.critic, recipe.loss)))),
            f"{progress['progress']:.0%}",
            f"{progress['epochs']:.1f}",
            f"{minutes // 60}:{minutes % 60:02}:{seconds:02}",
            escape(info["reason"] or " ".join(f"{name} {value:.3g}" for name, value in info["metrics"].items())),
        )
    return table


def _read_all(folder: Path) -> list[tuple[Run, dict[str, Any], Recipe | None]]:
    return [(run, *_read(run)) for run in list_runs(folder)]


def _read(run: Run) -> tuple[dict[str, Any], Recipe | None]:
    """Read what a run says of itself. A damaged one does not hide the others."""
    try:
        return {**run.info, "state": run.state}, run.recipe
    except ZooError as error:
        return {"state": "unreadable", "reason": str(error)}, None
