"""An evaluation in the terminal: a table, or where there is no room for one, number by number."""

from __future__ import annotations

import math
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from zoo.cli.console import make_console
from zoo.evaluation import Evaluation, Number
from zoo.evaluation.statistics import Estimate

_GAP = 2
_NUMBER = "number"
_LEFT_OUT = 5
"""Photographs that are named where they were left out."""


def print_evaluation(evaluation: Evaluation, out: Path, console: Console | None = None) -> None:
    """Say what came out, and where the rest of it is."""
    console = console or make_console()
    about = evaluation.protocol["photographs"]
    console.print(
        f"{about['measured']:,} photographs of {escape(str(about['data']))} ({about['split']}), "
        f"with 95% intervals; * is a difference that leaves out 0",
        soft_wrap=True,
    )
    console.print(escape(evaluation.sepia), soft_wrap=True)
    rows = [_cells(evaluation, number) for number in evaluation.numbers]
    grey = evaluation.methods[0]
    brief = [title for title in rows[0] if " − " not in title or title.endswith(f" − {grey}")]
    for titles in (list(rows[0]), brief):
        widths = [max(cell_len(title), *(cell_len(row[title]) for row in rows)) for title in titles]
        if sum(widths) + _GAP * (len(widths) - 1) <= console.width:
            table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
            for title in titles:
                table.add_column(escape(title), no_wrap=True)
            for row in rows:
                table.add_row(*(escape(row[title]) for title in titles))
            console.print(table)
            break
    else:
        for row in rows:
            for title, cell in row.items():
                console.print(Text(f"  {title}  {cell}") if title != _NUMBER else Text(cell, "bold"), soft_wrap=True)
    for note in evaluation.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    if left_out := evaluation.left_out:
        console.print(f"{len(left_out):,} left out:", soft_wrap=True)
        for item in left_out[:_LEFT_OUT]:
            console.print(f"  {escape(item.path)}: {escape(item.reason)}", soft_wrap=True)
        if len(left_out) > _LEFT_OUT:
            console.print(f"  … and {len(left_out) - _LEFT_OUT:,} more, in evaluation.json")
    console.print(f"look at {escape(str(out / 'report.html'))}; the numbers are in {escape(str(out))}", soft_wrap=True)


def _cells(evaluation: Evaluation, number: Number) -> dict[str, str]:
    """Return what stands in a number's row, by the titles of columns."""
    cells = {_NUMBER: number.name, **{method: _say(number.estimates[method]) for method in evaluation.methods}}
    for (method, other), difference in number.differences.items():
        if method in evaluation.models:
            cells[f"{method} − {other}"] = _say(difference, signed=True) + " *" * difference.differs
    return cells


def _say(estimate: Estimate, signed: bool = False) -> str:
    if not math.isfinite(estimate.value):
        return "-"
    digits = _digits(estimate)
    sign = "+" if signed else ""
    text = f"{estimate.value:{sign}.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{estimate.low:{sign}.{digits}f}, {estimate.high:{sign}.{digits}f}]"


def _digits(estimate: Estimate) -> int:
    largest = max(abs(value) for value in (estimate.value, estimate.low, estimate.high) if value is not None)
    return 3 if largest < 1 else 2 if largest < 100 else 0
