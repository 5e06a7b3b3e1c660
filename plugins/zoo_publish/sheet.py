"""A contact sheet: what a model makes of a few photographs, as grey | coloured | original."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from zoo.errors import UsageError
from zoo.evaluation.comparing import choose as choose_photos
from zoo.evaluation.comparing import side_by_side, write_sheet
from zoo.evaluation.versions import Version
from zoo.registry import ModelSource

MOST = 6
"""Photographs of a sheet: those of a larger folder are spread over it."""
SIDE = 240
"""Long side of its pictures, in pixels."""


def choose(folder: Path) -> list[tuple[Path, str]]:
    """Choose the photographs of a sheet, each without a name: that is nobody's business.

    Raises:
        UsageError: there is no such folder, or none in it.
    """
    if not folder.is_dir():
        raise UsageError(f"--photos {folder}: there is no such folder")
    return [(file, "") for file, _ in choose_photos([folder], MOST)]


def draw(source: ModelSource, photos: list[tuple[Path, str]], target: Path) -> list[str]:
    """Colour photographs and write the sheet, a JPEG file without names and what cameras noted.

    Returns:
        What is wrong with those that were left out.

    Raises:
        ZooError: none of them can be read, or the sheet cannot be written.
    """
    from zoo.evaluation.sheets import draw_sheets

    with TemporaryDirectory(prefix="zoo-publish-") as folder:
        columns, rows, left_out = side_by_side([Version("coloured", source)], photos, Path(folder), side=SIDE)
        write_sheet(next(draw_sheets(columns, rows, SIDE)), target)
    return [f"{item.reason}; it is not on the contact sheet" for item in left_out]
