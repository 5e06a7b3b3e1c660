"""sRGB and CIE L*a*b*, for batches of pictures on any device.

L*a*b* is meant for the white point D65 and the 2° observer; the numbers are those of scikit-image, so that results
agree with it. Sources: IEC 61966-2-1:1999 (sRGB); CIE 15:2004 (L*a*b*).

Everything is computed in float32 at least (in float64 where that comes in), with autocast switched off: bfloat16 would
be wrong by several units of L*a*b*. Only elementwise arithmetic is used, no matrix products, which a GPU may round to
TF32. Gradients are finite everywhere, black and white and colours out of gamut included.

Ranges of sRGB colours: L* in [0, 100], a* in [-86.2, 98.3], b* in [-107.9, 94.5].
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import Tensor

LIGHTNESS_SCALE = 50.0
"""The networks' lightness is L* / LIGHTNESS_SCALE - 1, in [-1, 1]."""
AB_SCALE = 110.0
"""The networks' chroma is a* / AB_SCALE and b* / AB_SCALE; sRGB reaches from -0.98 to 0.89."""
WHITE = (0.95047, 1.0, 1.08883)
"""X, Y and Z of the white point D65, 2° observer."""
CONVENTIONS = {
    "color_space": "CIE L*a*b* of sRGB (IEC 61966-2-1)",
    "white_point": "D65, 2 degree observer: X 0.95047, Y 1, Z 1.08883",
    "lightness": "L*/50 - 1",
    "chroma": "a*/110, b*/110",
}
"""What the numbers that go into and come out of a network mean; kept in model files."""

_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_FROM_XYZ = (  # its inverse
    (3.2404813432005266, -1.5371515162713185, -0.49853632616888793),
    (-0.9692549499965684, 1.8759900014898907, 0.04155592655829283),
    (0.05564663913517716, -0.20404133836651125, 1.0573110696453445),
)
_BAND = 2**20  # pixels that `join` converts at a time


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to L*a*b*.

    Args:
        rgb: (..., 3, H, W), in [0, 1]; uint8 in [0, 255] is taken, too.

    Returns:
        (..., 3, H, W): L* in [0, 100], a*, b*. float64 for float64, float32 for everything else.
    """
    with _full_precision(rgb):
        if rgb.dtype == torch.uint8:  # there are only 256 values to compute: three times as fast
            linear = _linear_of_bytes(rgb.device).index_select(0, rgb.flatten().int()).view(rgb.shape)
        else:
            linear = _linear(_as_float(rgb))
        return _lab(*linear.unbind(-3))


def lightness_of_luminance(luminance: Tensor) -> Tensor:
    """Convert relative luminance, Y in [0, 1], to L* in [0, 100]."""
    steep = luminance.clamp(min=0.008856)
    return torch.where(luminance > 0.008856, steep ** (1 / 3) * 116.0 - 16.0, luminance * (7.787 * 116.0))


def lab_to_rgb(lab: Tensor, *, clip: bool = True) -> Tensor:
    """Convert L*a*b* to sRGB.

    Args:
        lab: (..., 3, H, W).
        clip: Clip to [0, 1]. Clipping changes lightness and hue of colours out of gamut: see `fit_gamut`. Without it,
            values beyond are what the curve of sRGB, continued, makes of them.

    Returns:
        (..., 3, H, W), sRGB. float64 for float64, float32 for everything else.
    """
    with _full_precision(lab):
        lightness, a, b = _as_float(lab).unbind(-3)
        linear = torch.stack(_linear_rgb(*map(_cube, _lab_roots(lightness, a, b))), -3)
        # Both sides of the choice are computed: kept away from where the power's slope is infinite.
        steep = linear.clamp(min=0.0031308)
        rgb = torch.where(linear > 0.0031308, steep ** (1 / 2.4) * 1.055 - 0.055, linear * 12.92)
        return rgb.clamp(0.0, 1.0) if clip else rgb


def encode(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Convert sRGB to what the networks see.

    Args:
        rgb: (..., 3, H, W), in [0, 1], or uint8 in [0, 255].

    Returns:
        Lightness (..., 1, H, W), L*/50 - 1, and chroma (..., 2, H, W), a*/110 and b*/110.
    """
    lab = rgb_to_lab(rgb)
    return lab[..., :1, :, :] / LIGHTNESS_SCALE - 1.0, lab[..., 1:, :, :] / AB_SCALE


def decode(lightness: Tensor, chroma: Tensor) -> Tensor:
    """Convert what the networks see to sRGB, clipped; for losses and samples. Differentiable.

    Args:
        lightness: (..., 1, H, W), L*/50 - 1.
        chroma: (..., 2, H, W), a*/110 and b*/110.

    Returns:
        (..., 3, H, W), in [0, 1].
    """
    lightness, chroma = _as_float(lightness), _as_float(chroma)
    return lab_to_rgb(torch.cat(((lightness + 1.0) * LIGHTNESS_SCALE, chroma * AB_SCALE), -3))


@torch.no_grad()
def fit_gamut(lab: Tensor) -> Tensor:
    """Bring colours out of sRGB's gamut into it, at the same lightness and hue: they lose chroma instead.

    Colours in gamut stay as they are, bit for bit. No gradients flow.

    Args:
        lab: (..., 3, H, W).

    Returns:
        (..., 3, H, W).
    """
    with _full_precision(lab):
        lab = _as_float(lab)
        planes = lab.movedim(-3, 0)
        # The margins are what rounding may do to colours on the gamut's surface; less than 1e-3 of L*.
        outside = ~_in_gamut(*map(_cube, _lab_roots(*planes)), below=1e-6, above=1e-5)
        if not outside.any():
            return lab
        lightness, a, b = planes[:, outside]
        _, root, _ = _lab_roots(lightness, a, b)
        a, b, y = a / 500.0, b / 200.0, _cube(root)
        # Bisection: a grey is in gamut, so `inside` always is. 16 steps find the chroma to 1 part in 65,000.
        inside, step = torch.zeros_like(root), 0.5
        for _ in range(16):
            tried = inside + step
            fits = _in_gamut(_cube(root + a * tried), y, _cube(root - b * tried), below=0.0, above=0.0)
            inside += fits * step
            step /= 2
        fitted = lab.clone()
        fitted.movedim(-3, 0)[1:, outside] = planes[1:, outside] * inside
        return fitted


@torch.no_grad()
def join(lightness: Tensor, ab: Tensor, *, bits: int = 8) -> Tensor:
    """Give a photo its colour: fit into the gamut, convert to sRGB, round to 8 or 16 bits.

    Works through the photo in bands, so that 100 megapixels need little more memory than they take up themselves.

    Args:
        lightness: (..., 1, H, W), L* in [0, 100].
        ab: (..., 2, H, W), a* and b*.
        bits: 8 or 16.

    Returns:
        uint8, or uint16, (..., 3, H, W).
    """
    dtype, white = (torch.uint8, 255.0) if bits == 8 else (torch.uint16, 65535.0)
    rgb = torch.empty((*ab.shape[:-3], 3, *ab.shape[-2:]), dtype=dtype, device=ab.device)
    rows = max(1, _BAND * ab.shape[-2] * 2 // max(1, ab.numel()))
    for top in range(0, ab.shape[-2], rows):
        band = slice(top, top + rows)
        lab = torch.cat((_as_float(lightness[..., band, :]), _as_float(ab[..., band, :])), -3)
        rgb[..., band, :] = lab_to_rgb(fit_gamut(lab)).mul_(white).round_().to(dtype)
    return rgb


def colourfulness(rgb: Tensor, *, signed: bool = True) -> Tensor:
    """Measure how colourful pictures look: 0 for greys, about 33 for "moderately", 109 for "extremely colourful".

    Hasler and Süsstrunk, "Measuring colourfulness in natural images" (2003), in their units: sRGB from 0 to 255.

    Args:
        rgb: (..., 3, H, W), in [0, 1], or uint8 in [0, 255].
        signed: the differences of opponent colours are, in the paper. The common implementation takes their absolute
            values.

    Returns:
        (...): one number per picture.
    """
    with _full_precision(rgb):
        red, green, blue = (_as_float(rgb) * 255.0).flatten(-2).unbind(-2)
        red_green, yellow_blue = red - green, (red + green) / 2 - blue
        if not signed:
            red_green, yellow_blue = red_green.abs(), yellow_blue.abs()
        spread = (red_green.var(-1, correction=0) + yellow_blue.var(-1, correction=0)).sqrt()
        return spread + 0.3 * torch.hypot(red_green.mean(-1), yellow_blue.mean(-1))


def _full_precision(like: Tensor) -> AbstractContextManager[object]:
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def _as_float(values: Tensor) -> Tensor:
    """float64 as it is, uint8 scaled to [0, 1], the rest as float32."""
    if values.dtype == torch.uint8:
        return values.float() / 255.0
    return values if values.dtype == torch.float64 else values.float()


@cache
def _linear_of_bytes(device: torch.device) -> Tensor:
    # Kept: sending it to a GPU at every step would wait for the GPU.
    with torch.inference_mode(False):
        return _linear(torch.arange(256, dtype=torch.float64) / 255.0).float().to(device)


def _linear(rgb: Tensor) -> Tensor:
    """Undo the curve of sRGB."""
    steep = rgb.clamp(min=0.04045)  # for the gradient's sake: a negative base has none
    return torch.where(rgb > 0.04045, ((steep + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def _weighted(weights: tuple[float, float, float], x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    return torch.add(torch.add(x * weights[0], y, alpha=weights[1]), z, alpha=weights[2])


def _lab(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    """L*a*b* of linear sRGB."""
    roots = []
    for (r, g, b), white in zip(_TO_XYZ, WHITE, strict=True):
        share = _weighted((r / white, g / white, b / white), red, green, blue)
        # Kept away from zero, where the root's slope is infinite.
        roots.append(torch.where(share > 0.008856, share.clamp(min=0.008856) ** (1 / 3), share * 7.787 + 16 / 116))
    x, y, z = roots
    return torch.stack((y * 116.0 - 16.0, (x - y) * 500.0, (y - z) * 200.0), -3)


def _lab_roots(lightness: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cube roots, as L*a*b* has them, of X, Y and Z relative to white."""
    y = (lightness + 16.0) / 116.0
    return y + a / 500.0, y, y - b / 200.0


def _cube(root: Tensor) -> Tensor:
    """Undo the cube root of L*a*b*."""
    return torch.where(root > 0.2068966, root * root * root, (root - 16 / 116) * (1 / 7.787))


def _linear_rgb(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Linear sRGB, not clipped, of X, Y and Z relative to white."""
    red, green, blue = (_weighted((wx * WHITE[0], wy * WHITE[1], wz * WHITE[2]), x, y, z) for wx, wy, wz in _FROM_XYZ)
    return red, green, blue


def _in_gamut(x: Tensor, y: Tensor, z: Tensor, *, below: float, above: float) -> Tensor:
    red, green, blue = _linear_rgb(x, y, z)
    low = torch.minimum(torch.minimum(red, green), blue)
    high = torch.maximum(torch.maximum(red, green), blue)
    return (low >= -below) & (high <= 1.0 + above)
