"""What the camera noted in a photograph, kept for its coloured version."""

from __future__ import annotations

import math
from typing import Any

from PIL import ExifTags, Image

_BASE, _IFD = ExifTags.Base, ExifTags.IFD
# The main directory of a TIFF file mixes notes about the photo with how its pixels are stored: only the notes are kept.
_NOTES = (
    _BASE.DocumentName,
    _BASE.PageName,
    _BASE.PageNumber,
    _BASE.ImageDescription,
    _BASE.Make,
    _BASE.Model,
    _BASE.Software,
    _BASE.DateTime,
    _BASE.Artist,
    _BASE.HostComputer,
    _BASE.Copyright,
    _BASE.Rating,
    _BASE.XPTitle,
    _BASE.XPComment,
    _BASE.XPAuthor,
    _BASE.XPKeywords,
    _BASE.XPSubject,
)
# Previews of the photo in grey; and what says that the colours are not sRGB.
_IS_SRGB = 1
_NOT_KEPT = (_BASE.MakerNote, _IFD.Interop)


def notes_of(image: Image.Image, size: tuple[int, int]) -> bytes | None:
    """What the camera noted, with the orientation reset; None where it noted nothing, or nothing legible."""
    try:
        old = image.getexif()
        new = Image.Exif()
        for tag in _NOTES:
            if tag in old:
                _keep(new, tag, old[tag])
        for directory in (_IFD.Exif, _IFD.GPSInfo):
            kept = Image.Exif()
            for entry, value in old.get_ifd(directory).items():
                if entry not in _NOT_KEPT:
                    _keep(kept, entry, value)
            if len(kept):
                entries = dict(kept)
                true = {_BASE.ExifImageWidth: size[0], _BASE.ExifImageHeight: size[1], _BASE.ColorSpace: _IS_SRGB}
                new[directory] = entries | {key: value for key, value in true.items() if key in entries}
        if not len(new):
            return None
        new[_BASE.Orientation] = 1
        return new.tobytes()
    except Exception:  # what a camera or an editor garbled must not cost the photo
        return None


def _keep(exif: Image.Exif, tag: int, value: Any) -> None:
    """Take over one entry, unless it is so garbled that it can't be written."""
    alone = Image.Exif()
    alone[tag] = value
    try:
        alone.tobytes()
    except Exception:
        return
    exif[tag] = value


def dpi_of(image: Image.Image) -> tuple[float, float] | None:
    """Dots per inch, across and down; None where the file does not say, or says nonsense."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    # Many programs write 1 where they mean that they don't know.
    return (across, down) if all(math.isfinite(value) and value > 1 for value in (across, down)) else None
