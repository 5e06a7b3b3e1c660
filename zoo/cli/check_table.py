"""What `zoo check` shows: a row per check. Nothing heavy is imported: the checks are made in another process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from zoo.cli.console import make_console
from zoo.testing import Report

_LEAST_TEXT = 24
"""Characters that the column of sentences has, at least; with less, they stand below what they belong to."""


def print_report(report: Report) -> None:
    """Show what the checks of a component found."""
    console = make_console()
    console.print(f"[bold]{report.kind} {escape(report.spec)}[/bold] of {escape(report.source)}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    styles = {"passed": "green", "failed": "red", "noted": "yellow"}
    widest = max((len(result.check) + len(result.verdict) for result in report.results), default=0)
    is_narrow = 2 + widest + 4 + _LEAST_TEXT > console.width
    for result in report.results:
        check, verdict = f"  {result.check}", Text(result.verdict, styles[result.verdict])
        if is_narrow:
            console.print(Text.assemble(check, "  ", verdict), Padding(Text(result.message), (0, 0, 0, 4)))
        else:
            table.add_row(check, verdict, Text(result.message))
    if table.row_count:
        console.print(table)


def print_verdict(reports: Sequence[Report]) -> None:
    """Say how many checks of all components passed."""
    found = Counter(result.verdict for report in reports for result in report.results)
    words = [f"{found['passed']} passed", f"{found['failed']} failed", f"{found['noted']} noted"]
    make_console().print(f"[bold]{', '.join(words)}[/bold]")
