"""Pictures opened by Pillow: those of the kinds that photographs have, and no others."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image

# What hides behind a suffix is for the file itself to say. Pillow knows kinds that are better left alone: for EPS it
# starts Ghostscript, which is a programming language's interpreter. The last two open nearly any file.
_FORMATS = (
    "JPEG", "PNG", "TIFF", "WEBP", "AVIF", "JPEG2000", "GIF", "BMP", "DIB", "PPM", "PSD", "PCX", "QOI", "SGI",
    "HEIF", "SUN", "PCD", "TGA",
)  # fmt: skip


@lru_cache(maxsize=1)
def photo_formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that photographs have, as far as it was built with them.

    HEIF is pillow-heif's, where that is installed.
    """
    Image.init()
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def open_picture(file: Path | BinaryIO) -> Image.Image:
    """Open a picture: its head is read, its pixels are not.

    Raises:
        UnidentifiedImageError: it is none, or of a kind that photographs do not have.
        Image.DecompressionBombError: it is too large to be opened safely.
        OSError: it cannot be read.
    """
    return Image.open(file, formats=photo_formats())
