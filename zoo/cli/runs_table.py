"""The runs of a folder as a table, in as much room as there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from zoo.errors import ZooError
from zoo.files import printable
from zoo.recipe import Recipe
from zoo.registry.spec import SpecError, names_in, parse
from zoo.run import Run, list_runs

_GAP = 2
_NOTHING = "-"
"""Keeps a cell's place where there is nothing to say."""
_LEAST_NAME, _LEAST_DATA, _LEAST_RECIPE = 10, 8, 14
"""Characters that a name, a data set and a recipe get, at least. They may be wrapped."""

Found = tuple[Run, dict[str, Any], Recipe | None]


def read_all(folder: Path | str) -> list[Found]:
    """Read what the runs of a folder say of themselves; a damaged one, which has no recipe, hides no other."""
    return [(run, *_read(run)) for run in list_runs(folder)]


def runs_table(found: Sequence[Found], console: Console) -> RenderableType:
    """Show runs, one in each row.

    In a terminal, columns are left out where there is no room for them, the less important ones first, and names are
    wrapped; a number is always whole. Below stands why runs failed. In a pipe, each run is one line, with every column.
    """
    if not console.is_terminal:
        return _lines(found)
    columns = _columns(found, console.width)
    rows = [_cells(*run) for run in found]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for column, width in _fitting(columns, rows, console.width):
        table.add_column(column.title, overflow="fold", no_wrap=column.least is None, width=width)
    shown = [column.header for column in table.columns]
    for row in rows:
        table.add_row(*(escape(row.get(str(title), _NOTHING)) for title in shown))
    reasons = [Text(f"{run.name}: {info['reason']}") for run, info, _ in found if info["reason"]]
    return Group(table, *reasons)


@dataclass(frozen=True)
class _Column:
    title: str
    rank: int
    """What has the highest one is left out first."""
    least: int | None = None
    """Characters that it can do with, for words, which may be wrapped. Numbers are whole."""


def _columns(found: Sequence[Found], width: int) -> list[_Column]:
    """Return all columns, from left to right."""
    metrics = list(dict.fromkeys(name for _, info, _ in found for name in info.get("metrics", ())))
    return [
        _Column("run", 0, max(_LEAST_NAME, width // 4)),
        _Column("state", 1),
        _Column("done", 2),
        *(_Column(name, 6 + place if place else 3) for place, name in enumerate(metrics)),
        _Column("size", 4),
        _Column("data", 5, _LEAST_DATA),
        _Column("time", 100),
        _Column("recipe", 101, _LEAST_RECIPE),
        _Column("epochs", 102),
    ]


def _cells(run: Run, info: Mapping[str, Any], recipe: Recipe | None, whole: bool = False) -> dict[str, str]:
    """Return what stands in the columns, by their titles."""
    cells = {"run": printable(run.name), "state": info["state"]}
    if recipe is None:
        return cells
    progress = info["progress"]
    minutes, seconds = divmod(int(progress["seconds"]), 60)
    return cells | {
        "done": f"{progress['progress']:.0%}",
        "size": str(recipe.size),
        "data": printable(_data(recipe.data, whole)),
        "time": f"{minutes // 60}:{minutes % 60:02}:{seconds:02}",
        "recipe": " ".join(map(names_in, (recipe.generator, recipe.critic, recipe.loss))),
        "epochs": f"{progress['epochs']:.1f}",
        **{name: f"{value:.3g}" for name, value in info["metrics"].items()},
    }


def _data(text: str, whole: bool) -> str:
    """Name a data set, and the folder or file that it reads: the last part of its path, or all of it."""
    try:
        options = parse(text).options.values()
    except SpecError:
        return text
    # A run's recipe has absolute paths.
    paths = [path for path in map(Path, options) if path.is_absolute()]
    return " ".join([names_in(text), *(str(path) if whole else f"…/{path.name}" for path in paths)])


def _fitting(columns: Sequence[_Column], rows: Sequence[Mapping[str, str]], room: int) -> list[tuple[_Column, int]]:
    """Choose the columns that there is room for, with their widths."""
    wanted = {
        column: max(map(cell_len, (column.title, *(row.get(column.title, _NOTHING) for row in rows))))
        for column in columns
    }
    width = {column: min(wanted[column], column.least or wanted[column]) for column in columns}
    chosen: list[_Column] = []
    left = room + _GAP
    for column in sorted(columns, key=lambda column: column.rank):
        if width[column] + _GAP <= left:
            chosen.append(column)
            left -= width[column] + _GAP
    for column in chosen:
        more = min(left, wanted[column] - width[column])
        width[column] += more
        left -= more
    return [(column, width[column]) for column in columns if column in chosen]


def _lines(found: Sequence[Found]) -> Text:
    columns = [column.title for column in _columns(found, 0)]
    table = [dict(zip(columns, columns, strict=True)), *(_cells(*run, whole=True) for run in found)]
    widths = {title: max(cell_len(row.get(title, _NOTHING)) for row in table) for title in columns}
    reasons = ["reason", *(" ".join(str(info["reason"] or _NOTHING).split()) for _, info, _ in found)]
    lines = []
    for row, reason in zip(table, reasons, strict=True):
        cells = [row.get(title, _NOTHING) for title in columns]
        padded = [cell + " " * (widths[title] - cell_len(cell)) for title, cell in zip(columns, cells, strict=True)]
        lines.append((" " * _GAP).join([*padded, printable(reason)]))
    return Text("\n".join(lines), no_wrap=True)


def _read(run: Run) -> tuple[dict[str, Any], Recipe | None]:
    try:
        return {**run.info, "state": run.state}, run.recipe
    except ZooError as error:
        return {"state": "unreadable", "reason": str(error)}, None
