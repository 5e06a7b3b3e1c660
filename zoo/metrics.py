"""What a run measured, line by line, and as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_MOST = 30
"""Rows that a table shows."""
_HIDDEN = ("images", "images_per_second", "memory", "skipped")
"""What is in the rows, and would take a table's room."""
_GREY = "grey "
_STYLE = "text-align:right;padding:0.15em 0.8em"


class Metrics(list[dict[str, Any]]):
    """The lines of metrics.jsonl, a dictionary each: losses and speed, or a validation, or an alarm.

    It shows itself as a table: in notebooks as HTML, elsewhere by `print`. `pandas.DataFrame(run.metrics.rows)` makes a
    table to reckon with.
    """

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What was measured at each step in one row: losses as `loss l1`, validation metrics by their names.

        `grey psnr` is the metric of the validation photographs left grey, `alarm` what an alarm says.
        """
        found: dict[int, dict[str, Any]] = {}
        for line in self:
            row = found.setdefault(line["step"], {})
            for name, value in line.items():
                if name == "losses":
                    row |= {f"loss {one}": number for one, number in value.items()}
                elif name == "val":
                    row |= value
                elif name == "grey":
                    row |= {f"{_GREY}{one}": number for one, number in value.items()}
                elif name == "alarm":
                    row["alarm"] = "; ".join(text for text in (row.get("alarm"), value.get("text")) if text)
                else:
                    row[name] = value
        return list(found.values())

    def __str__(self) -> str:
        head, cells, note = self._table()
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *cells)
        ]
        return "\n".join([*(line.rstrip() for line in lines), *([note] if note else [])])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Have IPython show it as `print` does."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Return it as notebooks display it."""
        head, cells, note = self._table()
        rows = ["".join(f'<td style="{_STYLE}">{escape(cell)}</td>' for cell in row) for row in cells]
        title = "".join(f'<th style="{_STYLE}">{escape(name)}</th>' for name in head)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{title}</tr></thead><tbody>{body}</tbody></table>" + (
            f"<p>{note}</p>" if note else ""
        )

    def _table(self) -> tuple[list[str], list[list[str]], str]:
        """Return the columns' names, the rows, and what is not among them."""
        rows = self.rows
        if not rows:
            return ["step"], [], "nothing was measured yet"
        shown, grey = rows, _grey_of(rows)
        if len(rows) > _MOST:
            shown = [row for row in rows if any(name.startswith(_GREY) for name in row)] or rows
        if len(shown) > _MOST:
            shown = [shown[place * (len(shown) - 1) // (_MOST - 1)] for place in range(_MOST)]
        names = dict.fromkeys(name for row in shown for name in row)
        head = [name for name in names if name not in _HIDDEN and not name.startswith(_GREY)]
        # A loss is worth looking at beside its like, and an alarm is long.
        head.sort(
            key=lambda name: (name == "alarm", name not in ("step", "epoch", "seconds"), not name.startswith("loss "))
        )
        cells = [[_text(row.get(name)) for name in head] for row in shown]
        if grey:
            cells.append(["grey" if name == "step" else _text(grey.get(name)) for name in head])
        return head, cells, f"{len(shown)} of {len(rows)} rows; all are in `rows`" if len(shown) < len(rows) else ""


def _grey_of(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
    """Return what leaving the photographs grey scores, as of the newest validation."""
    found: dict[str, Any] = {}
    for row in rows:
        found |= {name.removeprefix(_GREY): value for name, value in row.items() if name.startswith(_GREY)}
    return found


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
