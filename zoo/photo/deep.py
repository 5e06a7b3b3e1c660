"""Colours of 16 bits. Pillow has no pictures of them: they are two of 8 bits each, the high bytes and the low ones.

Its decoders unpack the upper byte of each value. Told that the bytes of a file come in the other order, they unpack the
lower one.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFile

from zoo.errors import PhotoError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DEEP = re.compile(r"(RGB|RGBA|RGBX);16([LBN])")
_OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if struct.pack("=H", 1) == b"\1\0" else "L"}
_PLANAR = 284  # TIFF tag
_BITS_PER_SAMPLE = 258
_PNG_START = b"\x89PNG\r\n\x1a\n"


def has_deep_colours(image: Image.Image) -> bool:
    """Whether a picture that was opened, and not loaded, has colours of 16 bits that can be read as such.

    Raises:
        PhotoError: it has some that Pillow would read wrong.
    """
    tiles = _tiles(image)
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PLANAR) == 2 and 16 in tags.get(_BITS_PER_SAMPLE, ()) and image.mode in ("RGB", "RGBA", "CMYK"):
        if any(tile.codec_name == "raw" for tile in tiles):
            raise PhotoError(
                "its colours of 16 bits are kept in separate planes, which zoo does not read: save it with its "
                "channels interleaved"
            )
        return False
    return bool(tiles) and all(_DEEP.fullmatch(_raw_mode(tile)) for tile in tiles)


def expect_low_bytes(image: Image.Image) -> None:
    """Have the low bytes loaded of a picture that was opened, and not loaded."""
    assert isinstance(image, ImageFile.ImageFile)
    swapped = []
    for tile in _tiles(image):
        raw = _raw_mode(tile)
        raw = raw[:-1] + _OTHER_ORDER[raw[-1]]
        swapped.append(tile._replace(args=raw if isinstance(tile.args, str) else (raw, *_arguments(tile)[1:])))
    image.tile = swapped


def joined(high: Image.Image, low: Image.Image) -> NDArray[np.uint16]:
    """Join the two: (H, W, 3 or 4), from 0 to 65535."""
    import numpy as np

    pixels = np.asarray(high).astype(np.uint16)
    pixels <<= 8
    pixels |= np.asarray(low)
    return pixels


def _tiles(image: Image.Image) -> list[Any]:
    return list(getattr(image, "tile", []))


def _arguments(tile: Any) -> tuple[Any, ...]:
    return tile.args if isinstance(tile.args, tuple) else (tile.args,)


def _raw_mode(tile: Any) -> str:
    arguments = _arguments(tile)
    return str(arguments[0]) if arguments else ""


# ------------------------------------------------------------------------------------------------- PNG


def png_bytes(pixels: NDArray[np.uint16], level: int, **options: Any) -> Iterator[bytes]:
    """Write colours of 16 bits as a PNG file; yield it in pieces.

    PNG (Third Edition), W3C 2025. Whatever else is in the file is what Pillow writes for a smaller picture.

    Args:
        pixels: (H, W, 3) or, with transparency, (H, W, 4).
        level: of zlib's compression.
        options: as Pillow takes them for a PNG file.
    """
    height, width, channels = pixels.shape
    small = io.BytesIO()
    Image.new("RGBA" if channels == 4 else "RGB", (1, 1)).save(small, "PNG", **options)
    yield _PNG_START
    done = False
    for kind, data in _chunks(small.getvalue()):
        if kind == b"IHDR":
            yield _chunk(kind, struct.pack(">II", width, height) + b"\x10" + data[9:])
        elif kind != b"IDAT":
            yield _chunk(kind, data)
        elif not done:
            done = True
            for part in _compressed(pixels, level):
                yield _chunk(b"IDAT", part)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_PNG_START)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))


def _compressed(pixels: NDArray[np.uint16], level: int) -> Iterator[bytes]:
    """Filter and compress, some rows at a time."""
    import numpy as np

    height, width, channels = pixels.shape
    compressor = zlib.compressobj(level)
    rows = max(1, 2**20 // width)
    before = np.zeros((1, 2 * width * channels), np.uint8)
    for top in range(0, height, rows):
        band = np.ascontiguousarray(pixels[top : top + rows].astype(">u2")).view(np.uint8).reshape(-1, before.shape[1])
        filtered = np.empty((len(band), 1 + band.shape[1]), np.uint8)
        filtered[:, 0] = 3  # each byte less the average of those to the left and above
        above = np.concatenate([before, band[:-1]]).astype(np.uint16)
        above[:, 2 * channels :] += band[:, : -2 * channels]
        filtered[:, 1:] = band - (above >> 1).astype(np.uint8)
        if part := compressor.compress(filtered.tobytes()):
            yield part
        before = band[-1:]
    yield compressor.flush()
