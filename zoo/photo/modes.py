"""Pillow's many modes reduced to a few, and pictures turned upright."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ExifTags, Image

from zoo.photo.grey import DEEP

_WHITE = 255
_quiet_lock = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings to ourselves: what they warn of is either an error or harmless here.

    Python's warning filters belong to the whole process, so threads that read photos take turns.
    """
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def plain_mode(image: Image.Image) -> Image.Image:
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


def over_white(image: Image.Image) -> Image.Image:
    """Lay what is transparent over white."""
    if image.mode not in ("LA", "RGBA"):
        return image
    opaque = image.convert(image.mode[:-1])
    opaque.paste(_WHITE if image.mode == "LA" else (_WHITE,) * 3, mask=_inverted(image.getchannel("A")))
    return opaque


def _inverted(mask: Image.Image) -> Image.Image:
    return mask.point([255 - level for level in range(256)])


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8, of the pixels as they are now: Pillow turns TIFF files upright while it loads them."""
    try:
        with quiet():
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


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn and mirror a picture as its EXIF orientation says."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
