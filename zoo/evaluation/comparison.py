"""What a comparison comes to: photographs in all of their versions, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo.registry.contracts import LeftOut


@dataclass(frozen=True)
class Row:
    """A photograph in all of its versions."""

    name: str
    cells: tuple[Path | str, ...]
    """Of each column, a PNG file, or why there is none."""


@dataclass(frozen=True)
class Comparison:
    """What came of it."""

    page: Path
    sheets: tuple[Path, ...]
    photographs: int
    on_page: int
    """Photographs for which there was room on the page."""
    columns: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    """What failed: photographs, or one model at one of them."""
