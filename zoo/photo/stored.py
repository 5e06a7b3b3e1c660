"""How a photograph's file stores its pixels, for a result that shall be stored alike."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, JpegImagePlugin


@dataclass(frozen=True)
class Stored:
    """How the file of a photograph stores its pixels."""

    format: str = ""
    """Pillow's name: JPEG, PNG, TIFF, … "" where there is no file."""
    quantization: tuple[tuple[int, ...], ...] = ()
    """A JPEG file's tables, which say what its encoder left out; 64 numbers each."""
    subsampling: int = 0
    """How many pixels of a JPEG file share their chroma: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0."""
    progressive: bool = False
    """Whether a JPEG file comes into view as a whole, and then gets sharp."""
    compression: str = ""
    """A TIFF file's, as Pillow calls it: raw, tiff_lzw, tiff_adobe_deflate, packbits, group4, jpeg, …"""


def stored_as(image: Image.Image) -> Stored:
    """Say how an opened picture is stored."""
    form = image.format or ""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        tables = tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))
        known = all(len(table) == 64 and max(table) < 256 for table in tables)
        # Of a grey one, whose chroma has none, and of odd ones, all pixels keep their chroma.
        subsampling = max(0, JpegImagePlugin.get_sampling(image)) if image.mode == "RGB" else 0
        return Stored("JPEG", tables[:4] if known else (), subsampling, bool(image.info.get("progressive")))
    return Stored(form, compression=str(image.info.get("compression", "")) if form == "TIFF" else "")
