"""Photographs from disk: orientation, colour profiles, bit depth, transparency, what the camera noted.

Reading is done by Pillow. Its limit against decompression bombs (about 178 megapixels) applies, and a file that is cut
short is an error: it is never filled up with grey.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image, UnidentifiedImageError

from zoo.errors import PhotoError
from zoo.files import explain_os_error
from zoo.memory import out_of_memory
from zoo.photo.deep import expect_low_bytes, has_deep_colours, joined
from zoo.photo.exif import dpi_of, notes_of
from zoo.photo.grey import DEEP, GREYS, grey16, is_negative, lightness_of_values, peak_of, shallow
from zoo.photo.modes import orientation_of, over_white, plain_mode, quiet, upright
from zoo.photo.notes import Notes, notes_in
from zoo.photo.opening import open_picture, photo_formats
from zoo.photo.profiles import luminance_table, transform_to_srgb
from zoo.photo.stored import Stored, stored_as

if TYPE_CHECKING:
    from torch import Tensor

_SUBFILE, _OLD_SUBFILE = 254, 255  # TIFF tags: what a picture is to the others of its file
_SMALL_OR_MASK = 0b101
_BAND = 2**20  # pixels converted at a time, so that memory for intermediates does not grow with the photo


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph to be coloured: its lightness, and what else belongs in the coloured file."""

    lightness: Tensor
    """float32 (1, H, W), L* from 0 (black) to 100 (white), upright."""
    alpha: Tensor | None = None
    """uint8 (H, W), 255 where opaque; uint16, 65535 there, of colours of 16 bits. None where the whole photo is."""
    exif: bytes | None = None
    """What the camera noted (date, camera, place, …), for an upright sRGB file without a thumbnail."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch, across and down."""
    bits: int = 8
    """16 where the file has more than 8 bits for a grey or a colour, and the lightness takes them in."""
    notes: Notes = field(default_factory=Notes)
    """What people and programs wrote into the file: XMP, IPTC's records, comments."""
    stored: Stored = field(default_factory=Stored)
    """How the file stores its pixels."""

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.lightness.shape[-2])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.lightness.shape[-1])


def read_rgb(path: str | os.PathLike[str], *, min_side: int | None = None, page: int = 0) -> Tensor:
    """Read a photograph for training.

    Upright (EXIF orientation applied) and in sRGB (embedded profiles applied). Transparent parts are laid over white,
    greys become three equal channels, 16-bit greys are rounded to 8 bits. Of several frames, the first.

    Args:
        path: The file.
        min_side: When given, a photo whose short side is longer is scaled down, antialiased, until its short side is
            this many pixels. Much faster than scaling afterwards for JPEG files. Smaller photos stay as they are.
        page: Of a TIFF file with several: 0 is the first.

    Returns:
        uint8 (3, H, W), contiguous.

    Raises:
        PhotoError: the file cannot be read, or is damaged.
    """
    path = Path(path)
    with _opened(path) as image:
        if page:
            with _explained(path, image.size, page):
                _turn_to(image, page)
        return _rgb(image, path, min_side)


def decode_rgb(data: bytes, name: str, *, min_side: int | None = None) -> Tensor:
    """Read a photograph for training from the bytes of its file; otherwise as `read_rgb`.

    Args:
        data: The file's content.
        name: What errors call it.
        min_side: See `read_rgb`.
    """
    path = Path(name)
    with _opened_picture(path, io.BytesIO(data), len(data)) as image:
        return _rgb(image, path, min_side)


def _rgb(image: Image.Image, path: Path, min_side: int | None) -> Tensor:
    import numpy as np
    import torch

    with _explained(path, image.size):
        if min_side is not None:
            # libjpeg then leaves out what would be scaled away. It never goes below what is asked for.
            image.draft(image.mode, (min_side, min_side))
        _load(image)
        orientation, profile = orientation_of(image), _profile(image)
        image = over_white(plain_mode(image))
        if image.mode in GREYS:
            image = shallow(image, profile)
        if min_side is not None and min(image.size) > min_side:
            scale = min_side / min(image.size)
            width, height = (max(min_side, round(side * scale)) for side in image.size)
            image = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
        pixels = np.array(upright(_to_srgb(image, profile), orientation))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_photo(path: str | os.PathLike[str], page: int = 0) -> Photo:
    """Read a photograph to colour it.

    The lightness is exact for 8 bits and takes in the full depth of greys and colours of 16 bits; colours give their
    L*. Profiles, of greys too, and the orientation are applied. With 8 bits are read, as Pillow does: colours of 16
    bits in CMYK or in separate planes, and greys of 16 bits with transparency.

    Args:
        path: The file.
        page: Of a TIFF file with several: 0 is the first. See `count_pages`.

    Raises:
        PhotoError: the file cannot be read, or is damaged, or has no such page.
    """
    path = Path(path)
    with _opened(path) as image:
        with _explained(path, image.size, page):
            _turn_to(image, page)
            low = _low_bytes(path, page) if has_deep_colours(image) else None
        return _photo(image, path, page, low)


def photo_of_image(image: Image.Image, path: Path) -> Photo:
    """Take a picture of Pillow's for a photograph that shall get colours: as `read_photo`, which opens it first.

    Colours have 8 bits.

    Args:
        image: The picture. Its pixels may not be read yet.
        path: What errors call it.

    Raises:
        PhotoError: its pixels cannot be read, or are damaged.
    """
    return _photo(image, path)


def _photo(image: Image.Image, path: Path, page: int = 0, low: Image.Image | None = None) -> Photo:
    """Read an opened picture; `low` has the low bytes of one with colours of 16 bits."""
    import numpy as np
    import torch

    with _explained(path, image.size, page):
        dpi = dpi_of(image)
        if dpi is not None and orientation_of(image) >= 5:  # turned by a quarter
            dpi = (dpi[1], dpi[0])
        _load(image)
        orientation, profile = orientation_of(image), _profile(image)
        plain = upright(plain_mode(image) if low is None else image, orientation)
        with quiet():
            exif = notes_of(image, plain.size)
            notes, stored = notes_in(image), stored_as(image)
        alpha = None
        if low is not None:
            low = upright(low, orientation)
            alpha = _deep_alpha(plain, low, image.info.get("transparency"))
            lightness = _deep_lightness(plain, low, profile)
            return Photo(lightness, alpha, exif, dpi, 16, notes, stored)
        if plain.mode in ("LA", "RGBA"):
            opacity = plain.getchannel("A")
            if opacity.getextrema() != (255, 255):
                alpha = torch.from_numpy(np.array(opacity))
            plain = plain.convert(plain.mode[:-1])
        lightness = _lightness(plain, profile)
    return Photo(lightness, alpha, exif, dpi, 16 if plain.mode in DEEP else 8, notes, stored)


def count_pages(path: str | os.PathLike[str]) -> int:
    """Count the pages of a TIFF file, previews and masks left out; every other file has one.

    Raises:
        PhotoError: the file cannot be read.
    """
    path = Path(path)
    with _opened(path) as image, _explained(path):
        return len(_pages(image))


def _pages(image: Image.Image) -> list[int]:
    """Find which of a TIFF file's pictures are pages, among them smaller copies and masks."""
    if image.format != "TIFF":
        return [0]
    found, frame = list[int](), 0
    with quiet():
        while True:
            try:
                image.seek(frame)
            except SyntaxError:
                pass  # a page of a kind that Pillow does not know: reading it will say so
            except Exception:  # the end, or a directory that is none
                break
            tags = getattr(image, "tag_v2", {})
            kind, is_small = tags.get(_SUBFILE, 0), tags.get(_OLD_SUBFILE) == 2
            has_pixels = all(tag in tags for tag in (256, 257)) and (273 in tags or 324 in tags)
            if has_pixels and not is_small and not (isinstance(kind, int) and kind & _SMALL_OR_MASK):
                found.append(frame)
            frame += 1
        image.seek(0)
    return found or [0]


def _turn_to(image: Image.Image, page: int) -> None:
    if page:
        pages = _pages(image)
        if page >= len(pages):
            raise IndexError("it has no such page")
        with quiet():
            image.seek(pages[page])


@contextmanager
def _explained(path: Path, size: tuple[int, int] | None = None, page: int = 0) -> Iterator[None]:
    """Turn whatever Pillow raises on a broken file into a `PhotoError`; torch, too, where memory runs out."""
    named = f"{path}, page {page + 1}" if page else str(path)
    try:
        yield
    except PhotoError as error:
        if str(path) in str(error):
            raise
        raise PhotoError(f"cannot read {named}: {error}") from error
    except Exception as error:
        if not out_of_memory(error):
            raise _cannot_read(path, named, error) from error
        pixels = f" for its {size[0]}×{size[1]} pixels: make it smaller, or close other programs" if size else ""
        raise PhotoError(f"cannot read {named}: not enough memory{pixels}") from error


def _cannot_read(path: Path, named: str, error: Exception) -> PhotoError:
    if isinstance(error, UnidentifiedImageError):
        suffix = path.suffix.lower()
        if suffix in (".heic", ".heif", ".hif") and "HEIF" not in photo_formats():
            return PhotoError(f"cannot read {named}: HEIC photographs take pillow-heif: pip install pillow-heif")
        if suffix == ".avif" and "AVIF" not in photo_formats():
            return PhotoError(f"cannot read {named}: AVIF photographs take Pillow 11.3 or a newer one")
        return PhotoError(f"cannot read {named}: it is not a picture, or of a kind that zoo does not know")
    if isinstance(error, OSError) and error.errno is not None:
        return PhotoError(f"cannot read {named}: {explain_os_error(error)}")
    # Decoders of broken files raise SyntaxError, struct.error, IndexError, …
    return PhotoError(f"cannot read {named}: it is damaged or cut short ({str(error) or type(error).__name__})")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture: its head is read, its pixels are not."""
    with _explained(path):
        if path.is_dir():
            raise PhotoError(f"cannot read {path}: that is a folder, not a photograph")
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise PhotoError(f"cannot read {path}: that is a pipe, a socket or a device, not a photograph")
        file = path.open("rb")
    with file, _opened_picture(path, file, os.fstat(file.fileno()).st_size) as image:
        yield image


@contextmanager
def _opened_picture(path: Path, file: BinaryIO, size: int) -> Iterator[Image.Image]:
    with _explained(path), quiet():
        if size == 0:
            raise PhotoError(f"cannot read {path}: the file is empty")
        try:
            image = open_picture(file)
        except Image.DecompressionBombError as error:
            raise PhotoError(_too_large(path, file)) from error
    with image:
        yield image


def _load(image: Image.Image) -> None:
    """Read the pixels."""
    if image.format == "TIFF":  # loading it reads its tags, too, which may warn
        with quiet():
            image.load()
    else:
        image.load()


def _too_large(path: Path, file: BinaryIO) -> str:
    """Say how large the picture is, which Pillow keeps to itself."""
    allowed = f"more than the {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} MP that zoo opens"
    file.seek(0)
    prefix = file.read(16)
    for factory, accepts in map(Image.OPEN.__getitem__, photo_formats()):
        if accepts is None or accepts(prefix) is not True:  # or a reason why it can't be read
            continue
        file.seek(0)
        try:
            width, height = factory(file, str(path)).size
        except Exception:  # another format's file, after all
            continue
        return f"{path} is {width}×{height} pixels ({width * height // 10**6} MP), {allowed}"
    return f"{path} has {allowed}"


def _profile(image: Image.Image) -> bytes | None:
    """The embedded profile, if it has to do with the pixels as `plain_mode` hands them on."""
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile and image.mode != "LAB" else None


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Mode L, RGB or CMYK to sRGB. A grey profile is not applied here."""
    if image.mode == "L":
        image = image.convert("RGB")
    transform = transform_to_srgb(profile, image.mode) if profile is not None else None
    if transform is not None:
        return transform.apply(image)
    return image.convert("RGB")


def _lightness(image: Image.Image, profile: bytes | None) -> Tensor:
    """L* of an opaque picture: float32 (1, H, W)."""
    import numpy as np
    import torch

    from zoo.photo.color import rgb_to_lab

    lightness = np.empty((image.height, image.width), dtype=np.float32)
    # A profile may give colour even to greys.
    coloured = profile is not None and transform_to_srgb(profile, "RGB") is not None
    if image.mode in GREYS and not (image.mode == "L" and coloured):
        peak, table = peak_of(image), lightness_of_values(profile)
        if is_negative(image):
            table = table[::-1]
        for top, band in _bands(image):
            lightness[top : top + band.height] = table[grey16(band, peak)]
    else:
        for top, band in _bands(image):
            rgb = torch.from_numpy(np.array(_to_srgb(band, profile))).permute(2, 0, 1)
            lightness[top : top + band.height] = rgb_to_lab(rgb)[0].numpy()
    return torch.from_numpy(lightness)[None]


def _low_bytes(path: Path, page: int) -> Image.Image:
    """Read a picture with colours of 16 bits once more, for the low bytes."""
    with _opened(path) as image:
        _turn_to(image, page)
        expect_low_bytes(image)
        _load(image)
        image.getexif()
    return image


def _deep_lightness(high: Image.Image, low: Image.Image, profile: bytes | None) -> Tensor:
    """L* of colours of 16 bits: float32 (1, H, W)."""
    import torch

    from zoo.photo.color import lightness_of_luminance, rgb_to_lab

    lightness = torch.empty(1, high.height, high.width)
    table = luminance_table(profile) if profile is not None else None
    for top, band in _bands(high):
        pixels = joined(band, low.crop((0, top, low.width, top + band.height)))
        rgb = torch.from_numpy(pixels[..., :3].astype("float32") / 65535)
        if table is None:
            found = rgb_to_lab(rgb.permute(2, 0, 1))[0]
        else:
            # Of each pixel, where it is in the table: blue is its last side, which the sampler wants first.
            places = rgb.flip(-1)[None, None] * 2 - 1
            luminance = torch.nn.functional.grid_sample(
                torch.from_numpy(table)[None, None], places, padding_mode="border", align_corners=True
            )
            found = lightness_of_luminance(luminance[0, 0, 0])
        lightness[0, top : top + band.height] = found
    return lightness


def _deep_alpha(high: Image.Image, low: Image.Image, transparent: Any) -> Tensor | None:
    """Transparency of colours of 16 bits: uint16 (H, W); None where all is opaque."""
    import numpy as np
    import torch

    if high.mode == "RGBA":
        alpha = joined(high.getchannel("A"), low.getchannel("A"))
    elif high.mode == "RGB" and isinstance(transparent, tuple) and len(transparent) == 3:  # one colour means it
        alpha = np.full((high.height, high.width), 65535, np.uint16)
        for top, band in _bands(high):
            pixels = joined(band, low.crop((0, top, low.width, top + band.height)))
            alpha[top : top + band.height][(pixels == transparent).all(-1)] = 0
    else:
        return None
    return torch.from_numpy(alpha) if alpha.min() < 65535 else None


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Cut a picture into pieces of full width: (first row, piece)."""
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))
