"""Grey pictures of any depth: what their values mean, with or without a profile."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from zoo.photo.profiles import grey_curve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
"""Pillow's modes of grey with more than 8 bits."""
GREYS = ("L", *DEEP)
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF tags


def peak_of(image: Image.Image) -> float:
    """The value that means white in a grey picture."""
    import numpy as np

    if image.mode == "L":
        return 255.0
    if image.mode == "F":  # nothing says what white is: 1, as in most files, or the largest value of a common depth
        values = np.asarray(image)
        high = float(values.max(initial=0.0, where=np.isfinite(values)))
        return next((peak for limit, peak in ((2, 1.0), (255, 255.0), (65535, 65535.0)) if high <= limit), high)
    if image.mode == "I":  # 16-bit PGM and TIFF files, or true 32 bits
        low, high = cast(tuple[int, int], image.getextrema())
        return 65535.0 if 0 <= low <= high <= 65535 else 4294967295.0
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]  # 12 in the files of some scanners
    return float(2**bits - 1) if 8 < bits < 16 else 65535.0


def grey16(image: Image.Image, peak: float) -> NDArray[np.uint16]:
    """A grey picture's values: (H, W), 0 for black to 65535 for white."""
    import numpy as np

    values: NDArray[Any] = np.asarray(image)
    if image.mode == "L":
        return values * np.uint16(257)
    if peak == 65535.0 and image.mode != "F":
        return values.astype(np.uint16)
    if image.mode == "I":
        values = values.view(np.uint32)  # Pillow keeps unsigned 32 bits in signed integers
    scaled: NDArray[np.float64] = np.nan_to_num(values * np.float64(65535.0 / peak), nan=0.0)
    return scaled.clip(0.0, 65535.0).round().astype(np.uint16)


def is_negative(image: Image.Image) -> bool:
    """Whether white is zero. Pillow inverts such TIFF files itself, but not those with more than 8 bits."""
    return image.mode.startswith("I;16") and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0


def _curve(profile: bytes | None) -> NDArray[np.float64]:
    """What each of the 65536 values means as sRGB: (65536,), in [0, 1]."""
    import numpy as np

    curve = grey_curve(profile) if profile is not None else None
    return np.linspace(0.0, 1.0, 65536) if curve is None else curve


@lru_cache(maxsize=16)
def lightness_of_values(profile: bytes | None) -> NDArray[np.float32]:
    """The L* of each of the 65536 values: (65536,)."""
    import numpy as np
    import torch

    from zoo.photo.color import rgb_to_lab

    lab = rgb_to_lab(torch.from_numpy(_curve(profile)).expand(3, 1, -1))
    return lab[0, 0].numpy().astype(np.float32)


def shallow(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A grey picture as sRGB with 8 bits: mode L."""
    import numpy as np

    if image.mode == "L" and (profile is None or grey_curve(profile) is None):
        return image
    peak, levels = peak_of(image), np.rint(_curve(profile) * 255.0).astype(np.uint8)
    if is_negative(image):
        levels = levels[::-1]
    return Image.fromarray(levels[grey16(image, peak)])
