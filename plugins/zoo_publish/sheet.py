"""A contact sheet: what a model makes of a few photographs, as grey | coloured | original."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import PhotoError, UsageError, ZooError
from zoo.photo import find_photos, read_photo, read_rgb, save_photo

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.model import Model

MOST = 6
"""Photographs of a sheet: those of a larger folder are spread over it."""
WIDTH = 240
"""Of each of its pictures, in pixels; an upright one is narrower."""
TALLEST = 240
_GAP = 4


def choose(folder: Path) -> list[Path]:
    """Choose the photographs of a sheet.

    Raises:
        UsageError: there is no such folder, or none in it.
    """
    if not folder.is_dir():
        raise UsageError(f"--photos {folder}: there is no such folder")
    found = [file for file, _ in find_photos([folder])]
    if not found:
        raise UsageError(f"--photos {folder}: there are no photographs in it")
    count = min(MOST, len(found))
    return [found[index * len(found) // count] for index in range(count)]


def draw(model: Model, photos: list[Path], target: Path) -> list[str]:
    """Colour photographs and write the sheet, a JPEG file without names and what cameras noted.

    Returns:
        What is wrong with those that were left out.

    Raises:
        ZooError: none of them can be read, or the sheet cannot be written.
    """
    import torch

    rows: list[Tensor] = []
    problems: list[str] = []
    for file in photos:
        try:
            rows.append(_row(model, file))
        except PhotoError as error:
            problems.append(str(error))
    if not rows:
        raise ZooError(f"there is nothing for the contact sheet: {problems[0]}")
    gap = torch.full((3, _GAP, rows[0].shape[2]), 255, dtype=torch.uint8)
    save_photo(target, torch.cat([part for row in rows for part in (row, gap)][:-1], 1))
    return [f"{problem}; it is not on the contact sheet" for problem in problems]


def _row(model: Model, file: Path) -> Tensor:
    """Three pictures beside one another, uint8 (3, h, 3*WIDTH + 2 gaps)."""
    import torch

    from zoo.model import join_chroma

    photo = read_photo(file)
    coloured = model.colorize(photo)
    grey = join_chroma(photo, torch.zeros(2, 1, 1))
    pictures = [_small(picture) for picture in (grey, coloured, read_rgb(file))]
    height = max(picture.shape[1] for picture in pictures)
    row = torch.full((3, height, 3 * WIDTH + 2 * _GAP), 255, dtype=torch.uint8)
    for column, picture in enumerate(pictures):
        left = column * (WIDTH + _GAP) + (WIDTH - picture.shape[2]) // 2
        row[:, : picture.shape[1], left : left + picture.shape[2]] = picture
    return row


def _small(picture: Tensor) -> Tensor:
    from zoo.photo.scaling import resize

    height, width = picture.shape[1:]
    scale = min(WIDTH / width, TALLEST / height)
    return resize(picture, max(1, round(scale * height)), max(1, round(scale * width)))
