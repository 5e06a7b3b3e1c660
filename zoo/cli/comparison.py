"""A comparison in the terminal: where it is, and what is not in it."""

from __future__ import annotations

import typer

from zoo.evaluation.comparison import Comparison
from zoo.files import printable


def print_comparison(comparison: Comparison) -> None:
    """Say what came of it."""
    count, sheets = comparison.photographs, comparison.sheets
    for item in comparison.left_out:
        typer.echo(printable(f"left out: {item.path}: {item.reason}"), err=True)
    typer.echo(printable(f"{count:,} photograph{'s' * (count != 1)}: {', '.join(comparison.columns)}"))
    if comparison.on_page < count:
        typer.echo(f"the page has the first {comparison.on_page:,} of them, the sheets have all")
    names = str(sheets[0]) if len(sheets) == 1 else f"{sheets[0]} to {sheets[-1].name}"
    typer.echo(printable(f"look at {comparison.page}, or at {names}"))
