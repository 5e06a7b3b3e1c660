"""Pictures as tests write them to disk, with profiles and notes made by hand."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor

from zoo.photo import color

RANDOM = np.random.default_rng(5)
RGB = RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = np.arange(600, dtype=np.uint16).reshape(20, 30).astype(np.uint8)
ALPHA = RANDOM.integers(0, 255, (20, 30), dtype=np.uint8)


def pixels(tensor: Tensor) -> np.ndarray:
    return tensor.permute(1, 2, 0).numpy()


def lightness_of(rgb: np.ndarray | Tensor) -> Tensor:
    """L* of uint8 pictures."""
    return color.rgb_to_lab(torch.tensor(rgb.copy()).permute(2, 0, 1) if isinstance(rgb, np.ndarray) else rgb)[:1]


def same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=1e-4)  # of 100: rounding, which depends on the place in a vector


def saved(path: Path, array: np.ndarray, **options: Any) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def grey_lightness(values: np.ndarray) -> Tensor:
    """L* of greys in [0, 1]: (1, H, W), float64."""
    return color.rgb_to_lab(torch.from_numpy(values.astype(np.float64)).expand(3, *values.shape))[:1]


def camera_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Kodak"
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "1936:05:01 12:00:00",
        ExifTags.Base.ExifImageWidth: 999,
        ExifTags.Base.ColorSpace: 65535,
        ExifTags.Base.MakerNote: b"preview" * 100,
    }
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.0)}
    return exif


# ------------------------------------------------------------------------------------------------- profiles


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(*values)


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(value * 256), 0)


SRGB_CURVE = b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def profile(space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", connection: bytes = b"XYZ ") -> bytes:
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"", 0x02400000, kind, space, connection).ljust(36, b"\0")
    head = ((head + b"acsp").ljust(68, b"\0") + fixed(0.9642, 1, 0.8249)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + table + data


def matrix_profile(red: tuple[float, ...], green: tuple[float, ...], blue: tuple[float, ...], curve: bytes) -> bytes:
    tags = {b"rXYZ": xyz(*red), b"gXYZ": xyz(*green), b"bXYZ": xyz(*blue)}
    return profile(b"RGB ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


# Primaries adapted to D50, as in Apple's and Adobe's own profiles.
P3_PRIMARIES = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
SRGB_PRIMARIES = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))
ADOBE_PRIMARIES = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
P3 = matrix_profile(*P3_PRIMARIES, SRGB_CURVE)
ADOBE = matrix_profile(*ADOBE_PRIMARIES, gamma(563 / 256))


def ink_profile() -> bytes:
    """A CMYK profile after which "cyan" ink is orange, Lab(70, 30, 60), and all else is white or black."""
    nodes = b""
    for node in range(16):  # the first ink varies slowest
        lab = (100, 0, 0) if node == 0 else (70, 30, 60) if node == 8 else (0, 0, 0)
        nodes += bytes([round(lab[0] * 2.55), lab[1] + 128, lab[2] + 128])
    straight = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + straight * 4 + nodes + straight * 3
    return profile(b"CMYK", {b"A2B0": lut, b"A2B1": lut}, kind=b"prtr", connection=b"Lab ")


def through(primaries: tuple[tuple[float, ...], ...], linear: np.ndarray) -> np.ndarray:
    """Linear light (..., 3) in these primaries -> sRGB in 0..255, clipped."""
    linear = linear @ np.array(primaries) @ np.linalg.inv(np.array(SRGB_PRIMARIES))
    linear = linear.clip(0, 1)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear) * 255


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
