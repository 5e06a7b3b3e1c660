"""Photographs to disk: whole or not at all, with an sRGB profile."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from zoo.errors import PhotoError
from zoo.files import explain_os_error, write_bytes
from zoo.photo.modes import over_white
from zoo.photo.profiles import srgb_bytes

if TYPE_CHECKING:
    from torch import Tensor

_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    # A third of the time that the default, 6, takes, for files of nearly the same length: see docs/performance.md.
    ".png": ("PNG", {"compress_level": 3}),
    ".tif": ("TIFF", {"compression": "raw"}),  # Pillow cannot compress TIFF files and keep the camera's notes
    ".tiff": ("TIFF", {"compression": "raw"}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
}
SAVED_SUFFIXES = tuple(_FORMATS)
"""Suffixes that `save_photo` can write, in lower case."""
_LONGEST_SIDE = {"WEBP": 16383, "JPEG": 65500}
_LONGEST_EXIF = 65533  # bytes that fit into a JPEG file


def save_photo(
    path: str | os.PathLike[str],
    rgb: Tensor,
    *,
    alpha: Tensor | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write a photograph, whole or not at all, with an sRGB profile.

    The suffix says how: PNG, TIFF (not compressed) and WebP lose nothing, JPEG is written at quality 95 without chroma
    subsampling, and has no transparency: what was transparent is laid over white. A symbolic link is replaced, and the
    file that it points to stays as it is.

    Args:
        path: The file; its folder must be there.
        rgb: uint8 (3, H, W), sRGB.
        alpha: uint8 (H, W), 255 where opaque.
        exif: As in `Photo.exif`.
        dpi: Pixels per inch, across and down.

    Raises:
        PhotoError: an unknown suffix, a full disk, a folder that isn't there or may not be written to, …
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise PhotoError(f"cannot write {path}: its name must end in one of {', '.join(SAVED_SUFFIXES)}")
    form, options = _FORMATS[path.suffix.lower()]
    longest = _LONGEST_SIDE.get(form)
    if longest is not None and max(rgb.shape[-2:]) > longest:
        raise PhotoError(f"cannot write {path}: {form} files have at most {longest} pixels a side; use .png or .tif")
    image = Image.fromarray(rgb.permute(1, 2, 0).contiguous().cpu().numpy())
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha.contiguous().cpu().numpy()))
        if form == "JPEG":
            image = over_white(image)
    options = {**options, "icc_profile": srgb_bytes()}
    if dpi is not None and form != "WEBP":
        options["dpi"] = dpi
    if exif is not None and not (form == "JPEG" and len(exif) > _LONGEST_EXIF):
        options["exif"] = exif
    # Through memory, because Pillow loses the reason when its encoders cannot write to a file.
    encoded = io.BytesIO()
    try:
        image.save(encoded, form, **options)
        write_bytes(path, encoded.getbuffer(), follow_link=False)
    except OSError as error:
        raise PhotoError(f"cannot write {path}: {explain_os_error(error)}") from error
    except MemoryError as error:
        raise PhotoError(f"cannot write {path}: not enough memory for {image.width}×{image.height} pixels") from error
