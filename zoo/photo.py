"""Photographs from and to disk: orientation, colour profiles, bit depth, transparency, what the camera noted.

Reading is done by Pillow. Its limit against decompression bombs (about 178 megapixels) applies, and a file that is cut
short is an error: it is never filled up with grey.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from zoo.errors import ZooError
from zoo.exif import dpi_of, notes_of
from zoo.files import explain_os_error, write_bytes
from zoo.grey import DEEP, GREYS, grey16, is_negative, lightness_of_values, peak_of, shallow
from zoo.profiles import srgb_bytes, transform_to_srgb

if TYPE_CHECKING:
    from torch import Tensor

# Written out, not asked of Pillow: that imports all its plugins, and would silently leave out a user's WebP files where
# Pillow was built without WebP. Without drawings (EPS, PDF, WMF), icons, films and scientific containers.
# fmt: off
PHOTO_SUFFIXES = frozenset((
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg",
    ".jpx", ".mpo", ".pbm", ".pcd", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".ras", ".sgi",
    ".tga", ".tif", ".tiff", ".webp",
))
# fmt: on
"""Suffixes, in lower case, of the files in a folder that are taken for photographs."""

_BAND = 2**20  # pixels converted at a time, so that memory for intermediates does not grow with the photo
_WHITE = 255


class PhotoError(ZooError):
    """A photograph cannot be read or written. The message is one sentence and names the file."""


# ------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph to be coloured: its lightness, and what else belongs in the coloured file."""

    lightness: Tensor
    """float32 (1, H, W), L* from 0 (black) to 100 (white), upright."""
    alpha: Tensor | None = None
    """uint8 (H, W), 255 where opaque. None where the whole photo is."""
    exif: bytes | None = None
    """What the camera noted (date, camera, place, …), for an upright sRGB file without a thumbnail."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch, across and down."""

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.lightness.shape[-2])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.lightness.shape[-1])


def read_rgb(path: str | os.PathLike[str], *, min_side: int | None = None) -> Tensor:
    """Read a photograph for training.

    Upright (EXIF orientation applied) and in sRGB (embedded profiles applied). Transparent parts are laid over white,
    greys become three equal channels, 16-bit greys are rounded to 8 bits. Of several pages or frames, the first.

    Args:
        path: The file.
        min_side: When given, a photo whose short side is longer is scaled down, antialiased, until its short side is
            this many pixels. Much faster than scaling afterwards for JPEG files. Smaller photos stay as they are.

    Returns:
        uint8 (3, H, W), contiguous.

    Raises:
        PhotoError: the file cannot be read, or is damaged.
    """
    import numpy as np
    import torch

    path = Path(path)
    with _opened(path) as image, _explained(path):
        if min_side is not None:
            # libjpeg then leaves out what would be scaled away. It never goes below what is asked for.
            image.draft(image.mode, (min_side, min_side))
        _load(image)
        orientation, profile = _orientation(image), _profile(image)
        image = _over_white(_plain(image))
        if image.mode in GREYS:
            image = shallow(image, profile)
        if min_side is not None and min(image.size) > min_side:
            scale = min_side / min(image.size)
            width, height = (max(min_side, round(side * scale)) for side in image.size)
            image = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
        pixels = np.array(_upright(_to_srgb(image, profile), orientation))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_photo(path: str | os.PathLike[str]) -> Photo:
    """Read a photograph to colour it.

    The lightness is exact for 8 bits and takes in the full depth of 16-bit greys; colours give their L*. Profiles,
    of greys too, and the orientation are applied. 16-bit colour is read with 8 bits, as Pillow does.

    Raises:
        PhotoError: the file cannot be read, or is damaged.
    """
    import numpy as np
    import torch

    path = Path(path)
    with _opened(path) as image, _explained(path):
        dpi = dpi_of(image)
        if dpi is not None and _orientation(image) >= 5:  # turned by a quarter
            dpi = (dpi[1], dpi[0])
        _load(image)
        orientation, profile = _orientation(image), _profile(image)
        plain = _upright(_plain(image), orientation)
        with _quiet():
            exif = notes_of(image, plain.size)
        alpha = None
        if plain.mode in ("LA", "RGBA"):
            opacity = plain.getchannel("A")
            if opacity.getextrema() != (255, 255):
                alpha = torch.from_numpy(np.array(opacity))
            plain = plain.convert(plain.mode[:-1])
        lightness = _lightness(plain, profile)
    return Photo(lightness, alpha, exif, dpi)


# ------------------------------------------------------------------------------------------------- opening, errors

_quiet_lock = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings to ourselves: what they warn of is either an error or harmless here.

    Python's warning filters belong to the whole process, so threads that read photos take turns.
    """
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn whatever Pillow raises on a broken file into a `PhotoError`."""
    try:
        yield
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"cannot read {path}: not enough memory") from error
    except UnidentifiedImageError as error:
        raise PhotoError(f"cannot read {path}: it is not a picture, or of a kind that zoo does not know") from error
    except OSError as error:
        if error.errno is not None:
            raise PhotoError(f"cannot read {path}: {explain_os_error(error)}") from error
        raise PhotoError(f"cannot read {path}: it is damaged or cut short ({error})") from error
    except Exception as error:  # decoders of broken files raise SyntaxError, struct.error, IndexError, …
        raise PhotoError(f"cannot read {path}: it is damaged or cut short ({error or type(error).__name__})") from error


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture: its head is read, its pixels are not."""
    with _explained(path):
        if path.is_dir():
            raise PhotoError(f"cannot read {path}: that is a folder, not a photograph")
        file = path.open("rb")
    with file:
        with _explained(path), _quiet():
            if os.fstat(file.fileno()).st_size == 0:
                raise PhotoError(f"cannot read {path}: the file is empty")
            try:
                image = Image.open(file)
            except Image.DecompressionBombError as error:
                raise PhotoError(_too_large(path, file)) from error
        with image:
            yield image


def _load(image: Image.Image) -> None:
    """Read the pixels."""
    if image.format == "TIFF":  # loading it reads its tags, too, which may warn
        with _quiet():
            image.load()
    else:
        image.load()


def _too_large(path: Path, file: BinaryIO) -> str:
    """Say how large the picture is, which Pillow keeps to itself."""
    allowed = f"more than the {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} MP that zoo opens"
    file.seek(0)
    prefix = file.read(16)
    for factory, accepts in Image.OPEN.values():
        if accepts is None or accepts(prefix) is not True:  # or a reason why it can't be read
            continue
        file.seek(0)
        try:
            width, height = factory(file, str(path)).size
        except Exception:  # another format's file, after all
            continue
        return f"{path} is {width}×{height} pixels ({width * height // 10**6} MP), {allowed}"
    return f"{path} has {allowed}"


# ------------------------------------------------------------------------------------------------- modes, orientation


def _plain(image: Image.Image) -> Image.Image:
    """Reduce Pillow's many modes to L, LA, RGB, RGBA, CMYK and the deep greys."""
    if image.mode in DEEP:
        return image
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("1", "L", "RGB") and "transparency" in image.info:  # one colour means "transparent"
        return image.convert("RGBA" if image.mode == "RGB" else "LA")
    plain = {"1": "L", "La": "LA", "RGBa": "RGBA", "PA": "RGBA", "LAB": "RGB", "HSV": "RGB", "YCbCr": "RGB"}
    plain |= {mode: mode for mode in ("L", "LA", "RGB", "RGBA", "CMYK")}
    wanted = plain.get(image.mode, "RGB")
    return image if image.mode == wanted else image.convert(wanted)


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    opaque = image.convert(image.mode[:-1])
    opaque.paste(_WHITE if image.mode == "LA" else (_WHITE,) * 3, mask=_inverted(image.getchannel("A")))
    return opaque


def _inverted(mask: Image.Image) -> Image.Image:
    return mask.point([255 - level for level in range(256)])


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8, of the pixels as they are now: Pillow turns TIFF files upright while it loads them."""
    try:
        with _quiet():
            value = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # what a camera or an editor garbled must not cost the photo
        return 1
    return value if 1 <= value <= 8 else 1


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Cut a picture into pieces of full width: (first row, piece)."""
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


# ------------------------------------------------------------------------------------------------- colour profiles


def _profile(image: Image.Image) -> bytes | None:
    """The embedded profile, if it has to do with the pixels as `_plain` hands them on."""
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

    from zoo.color import rgb_to_lab

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


# ------------------------------------------------------------------------------------------------- writing

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
    subsampling, and has no transparency: what was transparent is laid over white.

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
            image = _over_white(image)
    options = {**options, "icc_profile": srgb_bytes()}
    if dpi is not None and form != "WEBP":
        options["dpi"] = dpi
    if exif is not None and not (form == "JPEG" and len(exif) > _LONGEST_EXIF):
        options["exif"] = exif
    # Through memory, because Pillow loses the reason when its encoders cannot write to a file.
    encoded = io.BytesIO()
    try:
        image.save(encoded, form, **options)
        write_bytes(path, encoded.getbuffer())
    except OSError as error:
        raise PhotoError(f"cannot write {path}: {explain_os_error(error)}") from error
    except MemoryError as error:
        raise PhotoError(f"cannot write {path}: not enough memory") from error


# ------------------------------------------------------------------------------------------------- finding


def find_photos(paths: Iterable[str | os.PathLike[str]]) -> list[tuple[Path, Path]]:
    """List the photographs among files and in folders.

    Folders are searched all the way down, symbolic links included, in the order of their names; what is hidden (its
    name starts with a dot) or has no suffix of a photograph is passed over. A file that is named itself is always
    taken. A file that is reached twice is listed once.

    Returns:
        (file, path of its result relative to the output folder): for a file, its name; for one in a folder, its path
        below that folder. Photos from several folders may share a relative path: that is for the caller to settle.

    Raises:
        PhotoError: there is no such file or folder, or a folder cannot be read.
    """
    found: dict[Path, tuple[Path, Path]] = {}
    for path in map(Path, paths):
        if path.is_dir():
            pairs = [(file, file.relative_to(path)) for file in _photos_below(path)]
        elif path.exists():
            pairs = [(path, Path(path.name))]
        else:
            raise PhotoError(f"there is no file or folder {path}")
        for file, relative in pairs:
            found.setdefault(file.resolve(), (file, relative))
    return list(found.values())


def _photos_below(folder: Path) -> Iterator[Path]:
    def give_up(error: OSError) -> None:
        raise PhotoError(f"cannot read the folder {error.filename}: {explain_os_error(error)}") from error

    seen = {folder.resolve()}
    for here, folders, files in os.walk(folder, onerror=give_up, followlinks=True):
        inner = {name: (Path(here) / name).resolve() for name in sorted(folders) if not name.startswith(".")}
        folders[:] = [name for name, place in inner.items() if place not in seen]  # links may lead in circles
        seen.update(inner.values())
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in PHOTO_SUFFIXES:
                yield Path(here) / name
