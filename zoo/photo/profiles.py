"""ICC profiles: what the numbers in a photograph's file mean as sRGB. Little CMS, through Pillow, does the work."""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import ImageCms


@lru_cache(maxsize=1)
def srgb() -> ImageCms.ImageCmsProfile:
    """The profile that everything is converted to."""
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _between(
    source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile, mode: str, to: str
) -> ImageCms.ImageCmsTransform:
    from PIL import ImageCms

    # As browsers and editors do by default: white stays white, and ink's black becomes black.
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.ImageCmsTransform(source, target, mode, to, intent, flags=flags)


@lru_cache(maxsize=16)
def transform_to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """How RGB or CMYK pixels become sRGB. None where they are sRGB already, or the profile is of no use."""
    import numpy as np
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != mode:
            return None
        transform = _between(source, srgb(), mode, "RGB")
        if mode == "RGB":
            # There are dozens of sRGB profiles. Left alone, their photos keep exactly the values they have.
            steps = np.arange(0, 256, 15, dtype=np.uint8)
            colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
            moved = np.asarray(transform.apply(Image.fromarray(colours))).astype(int) - colours
            if np.abs(moved).max() <= 1:
                return None
    except (OSError, ValueError, TypeError):  # a damaged profile must not cost the photo
        return None
    return transform


_NODES = 86
"""Values of each colour that `luminance_table` has: every third one of 256."""


@lru_cache(maxsize=4)
def luminance_table(profile: bytes) -> NDArray[np.float32] | None:
    """How bright colours of any depth are, for colours between its nodes to be looked up.

    Little CMS, as Pillow has it, takes colours of 8 bits only. It makes greys of 16 bits of them, though, and between
    two nodes luminance is nearly straight: what lies between is right to 0.2 of L*, and mostly to 0.01.

    Returns:
        Luminance of the colours with the values 0, 3, …, 255: (86, 86, 86), by red, green and blue, from 0 for black to
        1 for white. None where the colours are sRGB already, or the profile is of no use.
    """
    import numpy as np
    from PIL import ImageCms

    transform = transform_to_srgb(profile, "RGB")
    if transform is None:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.ImageCmsProfile(io.BytesIO(_grey_srgb_profile()))
        steps = np.arange(0, 256, 255 // (_NODES - 1), dtype=np.uint8)
        colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(_NODES, -1, 3)
        greys = np.asarray(_between(source, target, "RGB", "I;16").apply(Image.fromarray(colours))).astype(np.float64)
    except (OSError, ValueError, TypeError):
        return None
    if greys.max() == 0:
        return None
    # A profile's luminance is that under D50, and lightness here is that of sRGB, under D65. For the share of the one
    # in the other, 8 bits will do; greys have the same in both.
    rgb = _linear(np.asarray(transform.apply(Image.fromarray(colours))) / 255.0)
    d50, d65 = rgb @ (0.22249, 0.71690, 0.06061), rgb @ (0.212671, 0.715160, 0.072169)
    luminance = _linear(greys / greys.max()) * np.divide(d65, d50, out=np.ones_like(d50), where=d50 > 0)
    return luminance.reshape(_NODES, _NODES, _NODES).astype(np.float32)


def _linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo the curve of sRGB."""
    import numpy as np

    return np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)


@lru_cache(maxsize=16)
def grey_curve(profile: bytes) -> NDArray[np.float64] | None:
    """What the 65536 values of a grey profile mean as sRGB, in [0, 1]. None where it is damaged or none for greys."""
    import numpy as np
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != "GRAY":
            return None
        target = ImageCms.ImageCmsProfile(io.BytesIO(_grey_srgb_profile()))
        ramp = Image.fromarray(np.arange(65536, dtype=np.uint16)[None])
        curve = np.asarray(_between(source, target, "I;16", "I;16").apply(ramp))[0].astype(np.float64)
    except (OSError, ValueError, TypeError):
        return None
    # Profiles keep their numbers with 16 bits: white comes out some 1e-4 off.
    return curve / curve.max() if curve.max() > 0 else None


def _grey_srgb_profile() -> bytes:
    """The smallest ICC profile for greys with the curve of sRGB. ICC.1:2022 (sections 7.2, 7.3 and 10.18)."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"para" + struct.pack(">IHH", 0, 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    size = 128 + 4 + 12 + len(curve)
    head = struct.pack(">I4sI4s4s4s", size, b"", 0x02400000, b"mntr", b"GRAY", b"XYZ ").ljust(36, b"\0") + b"acsp"
    head = (head.ljust(68, b"\0") + fixed(0.9642, 1.0, 0.8249)).ljust(128, b"\0")
    return head + struct.pack(">I4sII", 1, b"kTRC", 128 + 4 + 12, len(curve)) + curve


@lru_cache(maxsize=1)
def srgb_bytes() -> bytes:
    """An sRGB profile that does not depend on the hour, so that the same photo gives the same file."""
    profile = bytearray(srgb().tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # when it was made
    return bytes(profile)
