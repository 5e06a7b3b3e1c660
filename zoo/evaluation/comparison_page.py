"""A comparison as one page, which needs nothing else: versions to flip through at one place."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from PIL import Image

from zoo.evaluation.pictures import as_jpeg
from zoo.evaluation.styles import styles
from zoo.files import write_text

if TYPE_CHECKING:
    from zoo.evaluation.comparison import Row

BUDGET = 12_000_000
"""Bytes of all pictures together. A third comes on top of it in the page."""


class PageWriter:
    """Writes the page."""

    def __init__(self, columns: Sequence[str], sheets: Sequence[str]) -> None:
        """`columns` are the titles; `sheets` the names of the files that have all photographs, in the same folder."""
        self.columns, self.sheets = columns, sheets

    def write(self, path: Path, rows: Sequence[Row], left_out: Sequence[str]) -> int:
        """Write it, whole or not at all; return how many of the photographs there was room for, from the first on."""
        cards: list[str] = []
        size = 0
        for row in rows:
            pictures = [_jpeg(cell) if isinstance(cell, Path) else cell for cell in row.cells]
            size += sum(len(picture) for picture in pictures)
            if cards and size > BUDGET:
                break
            cards.append(self._card(row.name, pictures))
        texts = files(__package__).joinpath("page")
        versions = self.columns[1:-1] if self.columns[-1] == "original" else self.columns[1:]
        parts = {
            "style": styles("report.css", "compare.css"),
            "script": texts.joinpath("compare.js").read_text(encoding="utf-8"),
            "title": escape(", ".join(versions)),
            "lead": escape(self._lead(len(cards), len(rows))),
            "notes": "".join(f"<li>left out: {escape(line)}</li>" for line in left_out),
            "controls": "".join(self._choice(place, column) for place, column in enumerate(self.columns)),
            "cards": "".join(cards),
        }
        write_text(path, Template(texts.joinpath("compare.html.tmpl").read_text(encoding="utf-8")).substitute(parts))
        return len(cards)

    def _lead(self, shown: int, count: int) -> str:
        text = f"{count:,} photograph{'s' * (count != 1)}, {len(self.columns)} columns."
        if shown < count:
            where = f"in {self.sheets[0]}" if len(self.sheets) == 1 else f"in {self.sheets[0]} to {self.sheets[-1]}"
            text += f" There was room for the first {shown:,} here; all of them are {where}."
        return text

    def _choice(self, place: int, column: str) -> str:
        checked = " checked" * (place == min(1, len(self.columns) - 1))
        key = f" <kbd>{place + 1}</kbd>" * (place < 9)
        return f'<label><input type="radio" name="version" value="{place}"{checked}>{escape(column)}{key}</label>'

    def _card(self, name: str, pictures: Sequence[bytes | str]) -> str:
        cells = "".join(
            f'<div class="cell" data-is="{place}">{_cell(picture, f"{column}: {name}")}<span class="tag l">'
            f"{escape(column)}</span></div>"
            for place, (column, picture) in enumerate(zip(self.columns, pictures, strict=True))
        )
        return (
            f'<figure class="card"><div class="versions">{cells}</div><figcaption>{escape(name)}</figcaption></figure>'
        )


def _cell(picture: bytes | str, alt: str) -> str:
    if isinstance(picture, str):
        return f'<p class="none">{escape(picture)}</p>'
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'


def _jpeg(file: Path) -> bytes:
    with Image.open(file) as image:
        return as_jpeg(image)
