"""Contact sheets: photographs down, versions across."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from zoo.evaluation.comparison import Row

WIDEST, TALLEST = 6000, 6000
"""Pixels of a sheet. One row fits in any case."""
_NARROWEST = 48
"""Pixels that a picture has, however many there are beside it."""
_LABEL = 160
"""Pixels for what stands above a column, if nothing else makes it as wide."""
_GAP, _MARGIN = 6, 16
_INK, _SOFT, _PAPER, _EMPTY = "#1c1917", "#78716c", "#ffffff", "#e7e5e4"


def fitting(side: int, columns: int) -> int:
    """Return the long side of pictures of which so many fit beside one another, `side` if there is room for it."""
    return max(_NARROWEST, min(side, (WIDEST - 2 * _MARGIN) // columns - _GAP))


def draw_sheets(columns: Sequence[str], rows: Sequence[Row], side: int) -> Iterator[Image.Image]:
    """Draw sheets, one after another, in mode RGB.

    Args:
        columns: what stands above them.
        rows: their pictures, none larger than `side` pixels either way.
        side: width of a column, where no picture is much narrower than that.
    """
    widest = max(_size(cell)[0] for row in rows for cell in row.cells if isinstance(cell, Path))
    side = max(widest, min(side, _LABEL))
    size = max(11, min(20, side // 16))
    titles, names = ImageFont.load_default(size), ImageFont.load_default(max(10, size - 3))
    line = size + 8
    width = 2 * _MARGIN + len(columns) * (side + _GAP) - _GAP
    for some, heights in _sheets(rows, line):
        sheet = Image.new("RGB", (width, 2 * _MARGIN + line + sum(heights)), _PAPER)
        pen = ImageDraw.Draw(sheet)
        lefts = [_MARGIN + place * (side + _GAP) for place in range(len(columns))]
        for left, title in zip(lefts, columns, strict=True):
            pen.text((left + side // 2, _MARGIN), fit(title, titles, side), _INK, titles, "ma")
        top = _MARGIN + line
        for row, height in zip(some, heights, strict=True):
            pen.text((_MARGIN, top), fit(row.name, names, width - 2 * _MARGIN), _SOFT, names)
            named = line if row.name else 0
            for left, cell in zip(lefts, row.cells, strict=True):
                _put(sheet, pen, cell, (left, top + max(0, named - 4), side, height - named - _GAP), names)
            top += height
        yield sheet


def _sheets(rows: Sequence[Row], line: int) -> Iterator[tuple[list[Row], list[int]]]:
    """Share rows out among sheets; yield those of each, and how tall they are with their names."""
    some: list[Row] = []
    heights: list[int] = []
    for row in rows:
        height = max(_size(cell)[1] for cell in row.cells if isinstance(cell, Path)) + (line if row.name else 0) + _GAP
        if some and sum(heights) + height > TALLEST - 2 * _MARGIN - line:
            yield some, heights
            some, heights = [], []
        some.append(row)
        heights.append(height)
    yield some, heights


def _size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def _put(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    cell: Path | str,
    place: tuple[int, int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    left, top, width, height = place
    if isinstance(cell, Path):
        with Image.open(cell) as image:
            sheet.paste(image, (left + (width - image.width) // 2, top))
        return
    pen.rectangle((left, top, left + width - 1, top + height - 1), _EMPTY)
    pen.text((left + width // 2, top + height // 2), fit(cell, font, width), _SOFT, font, "mm")


def fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Shorten text to a width in pixels. The end of a name tells more than its middle."""
    kept = len(text)
    short = text = " ".join(text.split())
    while kept > 2 and font.getlength(short) > width:
        kept -= 1
        short = f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"
    return short
