"""TIFF files written page by page: 8 or 16 bits, compressed, with notes. Pillow writes its directories.

Pillow itself writes no colours of 16 bits, and no compressed files with the camera's notes. TIFF Revision 6.0
(1992), with Adobe's Technote 3 (2002) for Deflate.
"""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image, TiffImagePlugin
from PIL.ExifTags import IFD

from zoo.errors import PhotoError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STRIP = 2**18
"""Bytes of a strip before it is compressed; a row at least."""
_LONGEST = 2**32 - 1
_BYTE, _SHORT, _LONG, _UNDEFINED = 1, 3, 4, 7
_OFFSETS = TiffImagePlugin.STRIPOFFSETS
# What Pillow calls it: the number in the file, and whether differences of neighbours are what is compressed. What keeps
# no colours (the fax's) or not all of them (JPEG) becomes Deflate.
_SCHEMES = {
    "raw": (1, False),
    "tiff_lzw": (5, True),
    "packbits": (32773, False),
    "zstd": (50000, True),
    "tiff_adobe_deflate": (8, True),
}
_DEFLATE = "tiff_adobe_deflate"


class TiffWriter:
    """Writes pages, one after another."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin at the start of an empty file."""
        self._file = file
        self._link = 4  # where the place of the next page is to be written
        file.write(b"II*\0\0\0\0\0")

    def add(
        self,
        pixels: NDArray[np.uint8 | np.uint16],
        *,
        compression: str = _DEFLATE,
        tags: dict[int, bytes] | None = None,
        exif: bytes | None = None,
        dpi: tuple[float, float] | None = None,
        one_of_many: bool = False,
    ) -> None:
        """Write a page.

        Args:
            pixels: (H, W, 3) or, with transparency, (H, W, 4).
            compression: as Pillow calls it; Deflate where it would not do.
            tags: bytes, by their numbers: profile, XMP, ….
            exif: as in `Photo.exif`.
            dpi: pixels per inch, across and down.
            one_of_many: whether the file has other pages.

        Raises:
            PhotoError: the file would be larger than TIFF files can be.
            OSError: it cannot be written.
        """
        height, width, channels = pixels.shape
        if compression not in _SCHEMES:
            compression = _DEFLATE
        number, differences = _SCHEMES[compression]
        rows = max(1, _STRIP // (width * channels * pixels.itemsize))
        offsets, lengths = list[int](), list[int]()
        for top in range(0, height, rows):
            strip = _compressed(pixels[top : top + rows], compression, differences)
            offsets.append(self._append(strip))
            lengths.append(len(strip))
        directory = _directory(exif, dpi)
        bits = pixels.itemsize * 8
        numbers: dict[int, tuple[int, ...]] = {
            TiffImagePlugin.IMAGEWIDTH: (width,),
            TiffImagePlugin.IMAGELENGTH: (height,),
            TiffImagePlugin.BITSPERSAMPLE: (bits,) * channels,
            TiffImagePlugin.COMPRESSION: (number,),
            TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: (2,),
            TiffImagePlugin.SAMPLESPERPIXEL: (channels,),
            TiffImagePlugin.ROWSPERSTRIP: (min(rows, height),),
            TiffImagePlugin.PLANAR_CONFIGURATION: (1,),
            TiffImagePlugin.STRIPBYTECOUNTS: tuple(lengths),
            _OFFSETS: (0,) * len(offsets),
        }
        if one_of_many:
            numbers[254] = (2,)  # NewSubfileType: a page
        if differences:
            numbers[TiffImagePlugin.PREDICTOR] = (2,)
        if channels == 4:
            numbers[TiffImagePlugin.EXTRASAMPLES] = (2,)  # transparency that the colours are not multiplied by
        for tag, value in numbers.items():
            directory[tag] = value
            directory.tagtype[tag] = _SHORT if max(value) < 2**16 and tag != _OFFSETS else _LONG
        for tag, data in (tags or {}).items():
            directory[tag] = data
            directory.tagtype[tag] = _BYTE if tag in (700, 34377) else _UNDEFINED
        place = self._file.seek(0, io.SEEK_END)
        table = bytearray(directory.tobytes(place))
        link = _fill_in(table, place, offsets)
        self._append(bytes(table))
        self._file.seek(self._link)
        self._file.write(struct.pack("<I", place))
        self._link = link

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, data: bytes) -> int:
        """Write at the end; return where that is, which is even."""
        place: int = self._file.seek(0, io.SEEK_END)
        if place + len(data) + 1 > _LONGEST:
            raise PhotoError("it would be larger than 4 GiB, which TIFF files cannot be; use .png")
        self._file.write(data + bytes(len(data) % 2))
        return place


def _compressed(rows: NDArray[Any], compression: str, differences: bool) -> bytes:
    if differences:
        rows = rows.copy()
        rows[:, 1:] -= rows[:, :-1].copy()
    data: bytes = rows.astype(rows.dtype.newbyteorder("<"), copy=False).tobytes()
    if compression == "raw":
        return data
    if compression == _DEFLATE:
        return zlib.compress(data, 4)
    # libtiff's work, which sees bytes and no colours.
    encoded = io.BytesIO()
    height = rows.shape[0]
    image = Image.frombytes("L", (len(data) // height, height), data)
    image.save(encoded, "TIFF", compression=compression, strip_size=len(data))
    with Image.open(encoded, formats=("TIFF",)) as written:
        assert isinstance(written, TiffImagePlugin.TiffImageFile)
        (start,), (length,) = written.tag_v2[_OFFSETS], written.tag_v2[TiffImagePlugin.STRIPBYTECOUNTS]
    return encoded.getvalue()[start : start + length]


def _directory(exif: bytes | None, dpi: tuple[float, float] | None) -> TiffImagePlugin.ImageFileDirectory_v2:
    """Begin a directory with what the camera noted."""
    directory = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    notes = Image.Exif()
    with suppress(Exception):  # never garbled: zoo wrote them
        notes.load(exif or b"")
    for tag in notes:
        directory[tag] = notes.get_ifd(tag) if tag in (IFD.Exif, IFD.GPSInfo) else notes[tag]
    if dpi is not None:
        directory[TiffImagePlugin.X_RESOLUTION], directory[TiffImagePlugin.Y_RESOLUTION] = dpi
        directory[TiffImagePlugin.RESOLUTION_UNIT] = 2
    return directory


def _fill_in(table: bytearray, place: int, offsets: list[int]) -> int:
    """Write into a directory where its strips are. Pillow expects them behind it, and these lie before.

    Returns:
        Where in the file the place of the next directory is to be written.
    """
    count = int(struct.unpack_from("<H", table)[0])
    for entry in range(2, 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", table, entry)
        if tag == _OFFSETS:
            start = entry + 8 if len(offsets) == 1 else struct.unpack_from("<I", table, entry + 8)[0] - place
            struct.pack_into(f"<{len(offsets)}I", table, start, *offsets)
    return place + 2 + 12 * count
