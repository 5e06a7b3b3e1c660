"""Photographs to disk: whole or not at all, with an sRGB profile, and with what was written in the originals."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from zoo.errors import PhotoError
from zoo.files import explain_os_error, replacing
from zoo.photo import xmp
from zoo.photo.deep import png_bytes
from zoo.photo.modes import over_white
from zoo.photo.notes import IPTC_TAG, RESOURCES_TAG, XMP_TAG, Notes, png_info, segments, xmp_segments
from zoo.photo.profiles import srgb_bytes
from zoo.photo.stored import Stored
from zoo.photo.tiff import TiffWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

# A third of the time that the default, 6, takes, for files of nearly the same length: see docs/performance.md.
_PNG_LEVEL = 3
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": _PNG_LEVEL}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
}
SAVED_SUFFIXES = tuple(_FORMATS)
"""Suffixes that `save_photo` can write, in lower case."""
_LONGEST_SIDE = {"WEBP": 16383, "JPEG": 65500}
_LONGEST_EXIF = 65533  # bytes that fit into a JPEG file


@dataclass(frozen=True, eq=False)
class Coloured:
    """A photograph to be written: see `save_photo`."""

    rgb: Tensor
    """uint8 or uint16 (3, H, W), sRGB."""
    alpha: Tensor | None = None
    """uint8 or uint16 (H, W)."""
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    notes: Notes = field(default_factory=Notes)
    stored: Stored = field(default_factory=Stored)
    mark: xmp.Mark | None = None

    @property
    def packet(self) -> bytes | None:
        """XMP, of a file that has a place of its own for comments."""
        return self._xmp([])

    @property
    def packet_of_all(self) -> bytes | None:
        """XMP, of a file that has none."""
        return self._xmp(self.notes.lines())

    def _xmp(self, lines: list[str]) -> bytes | None:
        height, width = self.rgb.shape[-2:]
        return xmp.updated(self.notes.xmp, mark=self.mark, width=width, height=height, lines=lines)


def save_photo(
    path: str | os.PathLike[str],
    rgb: Tensor,
    *,
    alpha: Tensor | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    notes: Notes | None = None,
    stored: Stored | None = None,
    mark: xmp.Mark | None = None,
) -> None:
    """Write a photograph, whole or not at all, with an sRGB profile.

    The suffix says how: PNG, TIFF and WebP lose nothing, JPEG has no transparency: what was transparent is laid over
    white. PNG and TIFF keep 16 bits, the others have 8. A symbolic link is replaced, and the file that it points to
    stays as it is.

    Args:
        path: The file; its folder must be there.
        rgb: uint8 or uint16 (3, H, W), sRGB.
        alpha: uint8 or uint16 (H, W), 255 or 65535 where opaque.
        exif: As in `Photo.exif`.
        dpi: Pixels per inch, across and down.
        notes: As in `Photo.notes`. What is not true any more in its XMP is corrected.
        stored: As in `Photo.stored`: a JPEG file is written as that one was, with its tables and its subsampling, a
            TIFF file with its compression. Otherwise JPEG has quality 95 without chroma subsampling, TIFF Deflate.
        mark: What the file shall say of how it got its colours: see `zoo.model.Model.mark`.

    Raises:
        PhotoError: an unknown suffix, a full disk, a folder that isn't there or may not be written to, …
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise PhotoError(f"cannot write {path}: its name must end in one of {', '.join(SAVED_SUFFIXES)}")
    photo = Coloured(rgb, alpha, exif, dpi, notes or Notes(), stored or Stored(), mark)
    try:
        with replacing(path, follow_link=False) as new:
            write_photo(new, path.suffix, photo)
    except PhotoError as error:
        raise PhotoError(f"cannot write {path}: {error}") from error
    except OSError as error:
        raise PhotoError(f"cannot write {path}: {explain_os_error(error)}") from error
    except MemoryError as error:
        pixels = f"{rgb.shape[-1]}×{rgb.shape[-2]} pixels"
        raise PhotoError(f"cannot write {path}: not enough memory for {pixels}") from error


def write_photo(file: Path, suffix: str, photo: Coloured) -> None:
    """Write a photograph into a file.

    Args:
        file: an empty one.
        suffix: one of `SAVED_SUFFIXES`, which says how, whatever the file is called.
        photo: what is written.

    Raises:
        PhotoError: it does not fit into such a file. Nothing of the message says where it is.
        OSError: it cannot be written.
    """
    form, options = _FORMATS[suffix.lower()]
    with file.open("r+b") as opened:
        if form == "TIFF":
            add_page(TiffWriter(opened), photo)
            return
        longest = _LONGEST_SIDE.get(form)
        if longest is not None and max(photo.rgb.shape[-2:]) > longest:
            raise PhotoError(f"{form} files have at most {longest} pixels a side; use .png or .tif")
        if photo.rgb.dtype.itemsize == 2 and form == "PNG":
            for part in png_bytes(_pixels(photo, 16), _PNG_LEVEL, **_png_options(photo)):
                opened.write(part)
            return
        # Through memory, because Pillow loses the reason when its encoders cannot write to a file.
        encoded = io.BytesIO()
        image = Image.fromarray(_pixels(photo, 8))
        if form == "JPEG":
            _save_jpeg(over_white(image), encoded, photo, options)
        elif form == "WEBP":
            image.save(encoded, form, **options, **_webp_options(photo))
        else:
            image.save(encoded, form, **options, **_png_options(photo))
        opened.write(encoded.getbuffer())


def _pixels(photo: Coloured, bits: int) -> NDArray[Any]:
    """Colours and transparency with so many bits: (H, W, 3 or 4)."""
    import numpy as np

    planes = [photo.rgb.cpu().numpy()]
    if photo.alpha is not None:
        planes.append(photo.alpha.cpu().numpy()[None])
    for place, plane in enumerate(planes):
        if plane.itemsize == 2 and bits == 8:
            planes[place] = ((plane.astype(np.uint32) + 128) // 257).astype(np.uint8)
        elif plane.itemsize == 1 and bits == 16:
            planes[place] = plane * np.uint16(257)
    return np.ascontiguousarray(np.concatenate(planes).transpose(1, 2, 0))


def add_page(writer: TiffWriter, photo: Coloured, *, several: bool = False) -> None:
    """Write a page of a TIFF file; `several` says that there are others."""
    found = {
        XMP_TAG: photo.packet_of_all,
        IPTC_TAG: photo.notes.iptc,
        RESOURCES_TAG: photo.notes.resources,
        34675: srgb_bytes(),
    }
    writer.add(
        _pixels(photo, photo.rgb.dtype.itemsize * 8),
        compression=photo.stored.compression,
        tags={tag: data for tag, data in found.items() if data},
        exif=photo.exif,
        dpi=photo.dpi,
        one_of_many=several,
    )


def _png_options(photo: Coloured) -> dict[str, Any]:
    options = {"icc_profile": srgb_bytes(), "pnginfo": png_info(photo.notes, photo.packet)}
    return {**options, **_given(dpi=photo.dpi, exif=photo.exif)}


def _webp_options(photo: Coloured) -> dict[str, Any]:
    exif = photo.exif
    if photo.notes.iptc is not None or photo.notes.resources:  # there is no other place for them
        notes = Image.Exif()
        notes.load(exif or b"")
        for tag, data in ((IPTC_TAG, photo.notes.iptc), (RESOURCES_TAG, photo.notes.resources)):
            if data:
                notes[tag] = data
        exif = notes.tobytes()
    return {"icc_profile": srgb_bytes(), **_given(exif=exif, xmp=photo.packet_of_all)}


def _save_jpeg(image: Image.Image, file: io.BytesIO, photo: Coloured, options: dict[str, Any]) -> None:
    more = b"".join(segments(photo.notes))
    if (packet := photo.packet) is not None:
        more = b"".join(xmp_segments(packet)) + more
    exif = photo.exif if photo.exif is None or len(photo.exif) <= _LONGEST_EXIF else None
    common = {"icc_profile": srgb_bytes(), "extra": more, **_given(dpi=photo.dpi, exif=exif)}
    stored = photo.stored
    if stored.quantization:
        options = {"qtables": stored.quantization, "subsampling": stored.subsampling}
    image.save(file, "JPEG", progressive=stored.progressive, **options, **common)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
