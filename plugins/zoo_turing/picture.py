"""A pair as one picture, so that no file, name or size belongs to one of the two alone."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from zoo.photo.modes import over_white

if TYPE_CHECKING:
    from torch import Tensor

LONG_SIDE = 768
"""Pixels of the long side of each half, at most: no photograph is enlarged."""
_BLOCK = 8
"""JPEG compresses squares of so many pixels: none of them may lie in both halves."""
_BUCKET = 4096
"""Bytes: files are as long as a multiple of it."""
_QUALITY = 92
_COMMENT = b"\xff\xfe"  # JPEG's marker of a comment
_LONGEST_COMMENT = 65533


def to_image(rgb: Tensor, alpha: Tensor | None = None) -> Image.Image:
    """Make a picture of uint8 (3, H, W), over white where `alpha`, uint8 (H, W), says so."""
    image = Image.fromarray(rgb.permute(1, 2, 0).contiguous().numpy())
    if alpha is None:
        return image
    image.putalpha(Image.fromarray(alpha.contiguous().numpy()))
    return over_white(image)


def side_by_side(original: Image.Image, coloured: Image.Image) -> tuple[bytes, bytes]:
    """Encode a pair as JPEG files: the original to the left, and the original to the right.

    Both halves are scaled, cut and compressed alike, in one file without metadata; both files have the same length.
    """
    halves = _fitted(original), _fitted(coloured)
    files = [_encoded(left, right) for left, right in (halves, halves[::-1])]
    length = max(map(len, files)) + 4
    length += -length % _BUCKET
    return _padded(files[0], length), _padded(files[1], length)


def _fitted(image: Image.Image) -> Image.Image:
    scale = min(1.0, LONG_SIDE / max(image.size))
    width, height = (max(_BLOCK, round(side * scale)) for side in image.size)
    if scale < 1:
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    left, top = width % _BLOCK // 2, height % _BLOCK // 2
    return image.crop((left, top, left + width - width % _BLOCK, top + height - height % _BLOCK))


def _encoded(left: Image.Image, right: Image.Image) -> bytes:
    whole = Image.new("RGB", (left.width + right.width, left.height))
    whole.paste(left, (0, 0))
    whole.paste(right, (left.width, 0))
    encoded = io.BytesIO()
    # Colours at full resolution, and the tables of the standard, not those that would suit this picture best.
    whole.save(encoded, "JPEG", quality=_QUALITY, subsampling="4:4:4", optimize=False, progressive=False)
    return encoded.getvalue()


def _padded(file: bytes, length: int) -> bytes:
    """Fill a JPEG file up to a length, by at least 4 bytes, with comments of zeros."""
    missing = length - len(file)
    comments = b""
    while missing:
        size = min(missing, _LONGEST_COMMENT + 4)
        if 0 < missing - size < 4:  # what is left must hold a comment, too
            size -= 4
        comments += _COMMENT + (size - 2).to_bytes(2, "big") + bytes(size - 4)
        missing -= size
    start = 4 + int.from_bytes(file[4:6], "big")  # after JFIF's header, which comes first
    return file[:start] + comments + file[start:]
