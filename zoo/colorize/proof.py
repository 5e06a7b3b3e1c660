"""Contact sheets of an album: each photograph before and after."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from zoo.errors import PhotoError
from zoo.photo import read_rgb

if TYPE_CHECKING:
    from zoo.colorize.album import Outcome
    from zoo.colorize.planning import Job

_SIDE, _LABEL, _GAP = 280, 22, 10
_COLUMNS, _ROWS = 2, 6
_INK, _PAPER = "#1c1917", "#ffffff"


class ProofSheets:
    """Writes sheets, `zoo-proof-1.jpg` and so on, into a folder, beside whatever is there already."""

    def __init__(self, folder: Path) -> None:
        """Write into a folder."""
        self._folder = folder
        self._numbers = itertools.count(1)

    def of(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Hand outcomes on, and write a sheet whenever there are enough of them. Failures are left out.

        Raises:
            PhotoError: a sheet cannot be written.
        """
        cells = list[Image.Image]()
        for outcome in outcomes:
            if outcome.error is None:
                with suppress(PhotoError):  # moved away since
                    cells.append(_cell(outcome.job))
                if len(cells) == _COLUMNS * _ROWS:
                    self._write(cells)
                    cells = []
            yield outcome
        if cells:
            self._write(cells)

    def _write(self, cells: list[Image.Image]) -> None:
        import numpy as np
        import torch

        from zoo.photo import save_photo

        width, height = cells[0].size
        columns, rows = min(_COLUMNS, len(cells)), -(-len(cells) // _COLUMNS)
        sheet = Image.new("RGB", (_GAP + columns * (width + _GAP), _GAP + rows * (height + _GAP)), _PAPER)
        for place, cell in enumerate(cells):
            row, column = divmod(place, _COLUMNS)
            sheet.paste(cell, (_GAP + column * (width + _GAP), _GAP + row * (height + _GAP)))
        names = (self._folder / f"zoo-proof-{number}.jpg" for number in self._numbers)
        file = next(name for name in names if not name.exists() and not name.is_symlink())
        save_photo(file, torch.from_numpy(np.array(sheet)).permute(2, 0, 1))


def _cell(job: Job) -> Image.Image:
    """Draw a photograph before and after, with its name."""
    cell = Image.new("RGB", (2 * _SIDE + 4, _SIDE + _LABEL), _PAPER)
    for place, (path, page) in enumerate(((job.source, job.page or 0), (job.target, 0))):
        small = Image.fromarray(read_rgb(path, min_side=_SIDE, page=page).permute(1, 2, 0).numpy())
        small.thumbnail((_SIDE, _SIDE))
        left = place * (_SIDE + 4)
        cell.paste(small, (left + (_SIDE - small.width) // 2, (_SIDE - small.height) // 2))
    ImageDraw.Draw(cell).text(
        (0, _SIDE + 4), " ".join(job.name.split()) or job.source.name, _INK, ImageFont.load_default(13)
    )
    return cell
