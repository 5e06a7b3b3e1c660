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
