"""Colours that somebody gives at places of a photograph."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 5
"""Side of the square that a hint becomes where the generator sees it, in pixels."""
_FORM = re.compile(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*#([0-9a-fA-F]{6})\s*")


@dataclass(frozen=True)
class Hint:
    """A colour at a place."""

    x: int
    """Pixels from the left of the photograph as it is seen, with its orientation applied; 0 is the first."""
    y: int
    """Pixels from its top."""
    rgb: tuple[int, int, int]
    """sRGB, 0 to 255. Its lightness does not count: that is the photograph's own."""

    @classmethod
    def parse(cls, text: str) -> Hint:
        """Read `x,y,#rrggbb`.

        Raises:
            UsageError: it is something else.
        """
        if (match := _FORM.fullmatch(text)) is None:
            raise UsageError(f"{text.strip()!r} is no hint: write x,y,#rrggbb, such as 120,80,#b0402a")
        red, green, blue = bytes.fromhex(match[3])
        return cls(int(match[1]), int(match[2]), (red, green, blue))


def paint_hints(hints: Iterable[Hint], photo: tuple[int, int], seen: tuple[int, int]) -> Tensor:
    """Return hints as a generator takes them. Where two overlap, the later one counts.

    Args:
        hints: of one photograph.
        photo: its height and width.
        seen: height and width of what the generator sees of it.

    Returns:
        (3, h, w): a mask in {0, 1}, and a*/110 and b*/110 where it is 1, else 0.

    Raises:
        UsageError: one is outside of the photograph.
    """
    import torch

    from zoo.photo import color

    painted = torch.zeros(3, *seen)
    for hint in hints:
        if hint.x >= photo[1] or hint.y >= photo[0]:
            raise UsageError(f"the hint at {hint.x},{hint.y} is outside of its {photo[1]}×{photo[0]} pixels")
        rows, columns = (
            slice(max(0, middle - SIDE // 2), middle + SIDE // 2 + 1)
            for middle in (
                int((place + 0.5) * there / whole)
                for place, there, whole in zip((hint.y, hint.x), seen, photo, strict=True)
            )
        )
        ab = color.rgb_to_lab(torch.tensor(hint.rgb, dtype=torch.uint8)[:, None, None])[1:] / color.AB_SCALE
        painted[0, rows, columns] = 1
        painted[1:, rows, columns] = ab
    return painted
