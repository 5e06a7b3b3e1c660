"""zoo.photo: what photographs on disk look like, the odd ones and the broken ones included."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageCms
from torch import Tensor

from zoo import color, photo, profiles
from zoo.photo import PhotoError, find_photos, read_photo, read_rgb, save_photo

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


# ------------------------------------------------------------------------------------------------- profiles, by hand


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


# ------------------------------------------------------------------------------------------------- modes


def test_8_bit_colour_is_exact(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", RGB)
    read = read_rgb(path)
    assert read.dtype == torch.uint8
    assert read.is_contiguous()
    assert np.array_equal(pixels(read), RGB)
    opened = read_photo(path)
    assert same(opened.lightness, lightness_of(read))
    assert (opened.height, opened.width) == (20, 30)
    assert opened.alpha is opened.exif is opened.dpi is None


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp", "jp2", "tga", "pgm"])
def test_8_bit_grey_is_exact(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"a.{suffix}", GREY, **options)
    assert np.array_equal(pixels(read_rgb(path)), np.stack([GREY] * 3, -1))
    lightness = read_photo(path).lightness
    assert lightness.dtype == torch.float32
    assert (lightness - grey_lightness(GREY / 255)).abs().max() < 1e-4
    neutral = color.join(lightness, torch.zeros(2, 20, 30))
    assert np.array_equal(pixels(neutral), np.stack([GREY] * 3, -1))


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bit_grey_keeps_its_depth(tmp_path: Path, suffix: str) -> None:
    values = np.linspace(0, 65535, 600).round().astype(np.uint16).reshape(20, 30)
    path = saved(tmp_path / f"a.{suffix}", values)
    assert (read_photo(path).lightness - grey_lightness(values / 65535)).abs().max() < 1e-4
    assert np.array_equal(pixels(read_rgb(path))[..., 0], (values / 257).round())


def test_16_bit_grey_with_the_other_byte_order(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 600).round().astype(np.uint16).reshape(20, 30)
    image = Image.frombytes("I;16B", (30, 20), values.astype(">u2").tobytes())
    image.save(tmp_path / "a.tif")
    assert (read_photo(tmp_path / "a.tif").lightness - grey_lightness(values / 65535)).abs().max() < 1e-4


def test_16_bit_negatives(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 600).round().astype(np.uint16).reshape(20, 30)
    path = saved(tmp_path / "a.tif", values)
    data = path.read_bytes()
    is_black_zero, is_white_zero = (struct.pack("<HHII", 262, 3, 1, kind) for kind in (1, 0))
    assert data.count(is_black_zero) == 1
    path.write_bytes(data.replace(is_black_zero, is_white_zero))
    assert (read_photo(path).lightness - grey_lightness(1 - values / 65535)).abs().max() < 1e-4
    assert np.array_equal(pixels(read_rgb(path))[..., 0], 255 - (values / 257).round())


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0, 1e9])
def test_floating_point_grey(tmp_path: Path, white: float) -> None:
    values = np.linspace(0, white, 600).astype(np.float32).reshape(20, 30)
    path = saved(tmp_path / "a.tif", values)
    assert (read_photo(path).lightness - grey_lightness(values / np.float32(white))).abs().max() < 1e-2
    values[0, :3] = np.nan, np.inf, -5
    lightness = read_photo(saved(path, values)).lightness
    assert lightness.isfinite().all()
    assert lightness[0, 0, :3].tolist() == [0, 100, 0]


def test_32_bit_grey(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 600).round().astype(np.int32).reshape(20, 30)
    path = saved(tmp_path / "a.tif", values)
    assert (read_photo(path).lightness - grey_lightness(values / 65535)).abs().max() < 1e-4
    path = saved(path, values * 32768)
    assert (read_photo(path).lightness - grey_lightness(values * 32768 / (2**32 - 1))).abs().max() < 1e-2


def test_transparency_is_kept_to_colour_and_white_to_train(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", np.dstack([RGB, ALPHA]))
    opened = read_photo(path)
    assert opened.alpha is not None
    assert np.array_equal(opened.alpha.numpy(), ALPHA)
    assert same(opened.lightness, lightness_of(RGB))
    over_white = (RGB * (ALPHA[..., None] / 255) + (255.0 - ALPHA[..., None])).round()
    assert np.abs(pixels(read_rgb(path)) - over_white).max() <= 1


def test_opaque_photos_have_no_transparency(tmp_path: Path) -> None:
    assert read_photo(saved(tmp_path / "a.png", np.dstack([RGB, np.full_like(ALPHA, 255)]))).alpha is None


def test_transparent_greys(tmp_path: Path) -> None:
    Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]).save(tmp_path / "a.png")
    opened = read_photo(tmp_path / "a.png")
    assert opened.alpha is not None
    assert np.array_equal(opened.alpha.numpy(), ALPHA)
    assert (opened.lightness - grey_lightness(GREY / 255)).abs().max() < 1e-4
    assert read_rgb(tmp_path / "a.png").shape == (3, 20, 30)


def test_palettes(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(16)
    flat = np.asarray(image.convert("RGB"))
    for name, options in {
        "plain": {},
        "one": {"transparency": 3},
        "many": {"transparency": bytes([9, 99, 200])},
    }.items():
        path = tmp_path / f"{name}.png"
        image.save(path, **options)
        assert same(read_photo(path).lightness, lightness_of(flat))
        assert (read_photo(path).alpha is None) == (name == "plain")
        opaque = np.asarray(image) > 3
        assert np.array_equal(pixels(read_rgb(path))[opaque], flat[opaque])


def test_one_transparent_colour(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", GREY, transparency=7)
    alpha = read_photo(path).alpha
    assert alpha is not None
    assert np.array_equal(alpha.numpy() == 0, GREY == 7)
    assert np.array_equal(pixels(read_rgb(path))[..., 0], np.where(GREY == 7, 255, GREY))


def test_black_and_white(tmp_path: Path) -> None:
    bits = Image.fromarray(GREY).point(lambda level: 255 * (level > 99), "1")
    for suffix in ("png", "tif"):
        bits.save(tmp_path / f"a.{suffix}")
        assert np.array_equal(pixels(read_rgb(tmp_path / f"a.{suffix}"))[..., 0], np.asarray(bits) * 255)


def test_first_page_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(RGB).quantize(200), Image.fromarray(255 - RGB).quantize(200)]
    for suffix in ("tif", "gif", "webp"):
        path = tmp_path / f"a.{suffix}"
        options = {"lossless": True} if suffix == "webp" else {}
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        assert np.array_equal(pixels(read_rgb(path)), np.asarray(frames[0].convert("RGB")))


# ------------------------------------------------------------------------------------------------- profiles


@pytest.mark.parametrize("name", ["p3", "adobe"])
def test_wide_gamut_profiles_become_srgb(tmp_path: Path, name: str) -> None:
    steps = np.arange(40, 216, 25, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(8, 64, 3)
    if name == "p3":
        expected = through(P3_PRIMARIES, srgb_to_linear(rgb / 255))
    else:
        expected = through(ADOBE_PRIMARIES, (rgb / 255) ** (563 / 256))
    path = saved(tmp_path / "a.png", rgb, icc_profile=P3 if name == "p3" else ADOBE)
    read = pixels(read_rgb(path))
    assert np.abs(rgb - expected).max() > 10
    assert np.abs(read - expected).max() < 2
    assert same(read_photo(path).lightness, lightness_of(read_rgb(path)))


@pytest.mark.parametrize("where", ["pillow", "by hand"])
def test_srgb_profiles_change_nothing(tmp_path: Path, where: str) -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    icc = own if where == "pillow" else matrix_profile(*SRGB_PRIMARIES, SRGB_CURVE)
    assert np.array_equal(pixels(read_rgb(saved(tmp_path / "a.png", RGB, icc_profile=icc))), RGB)
    path = saved(tmp_path / "b.png", GREY, icc_profile=icc)
    assert np.array_equal(pixels(read_rgb(path))[..., 1], GREY)
    assert (read_photo(path).lightness - grey_lightness(GREY / 255)).abs().max() < 1e-4


@pytest.mark.parametrize("deep", [False, True])
def test_grey_profiles(tmp_path: Path, deep: bool) -> None:
    values = np.linspace(0, 65535, 600).round().astype(np.uint16).reshape(20, 30) if deep else GREY
    share = values / (65535 if deep else 255)
    linear = share ** (461 / 256)
    srgb = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    path = saved(tmp_path / "a.tif", values, icc_profile=profile(b"GRAY", {b"kTRC": gamma(1.8)}))
    wrong = (read_photo(path).lightness - grey_lightness(srgb)).abs()
    assert wrong.max() < 0.4  # Little CMS does not follow the curve closely near black
    assert wrong[0][share > 1 / 16].max() < 0.1
    assert np.abs(pixels(read_rgb(path))[..., 2] - srgb * 255)[share > 1 / 16].max() < 0.75


def test_greys_with_a_profile_for_colours(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", GREY, icc_profile=ADOBE)
    expected = through(ADOBE_PRIMARIES, (np.stack([GREY] * 3, -1) / 255) ** (563 / 256))
    assert np.abs(pixels(read_rgb(path)) - expected).max() < 3
    assert same(read_photo(path).lightness, lightness_of(read_rgb(path)))


def test_inks(tmp_path: Path) -> None:
    inks = np.zeros((16, 16, 4), dtype=np.uint8)
    inks[:, 8:, 0] = 255
    image = Image.frombytes("CMYK", (16, 16), inks.tobytes())
    image.save(tmp_path / "plain.tif")
    assert pixels(read_rgb(tmp_path / "plain.tif"))[0, [0, 15]].tolist() == [[255, 255, 255], [0, 255, 255]]
    image.save(tmp_path / "profiled.tif", icc_profile=ink_profile())
    white, orange = color.rgb_to_lab(read_rgb(tmp_path / "profiled.tif"))[:, 0, [0, 15]].T
    assert torch.allclose(white, torch.tensor([100.0, 0, 0]), atol=1)
    assert torch.allclose(orange, torch.tensor([70.0, 30, 60]), atol=4)
    assert read_photo(tmp_path / "profiled.tif").lightness[0, 0, 15].item() == pytest.approx(70, abs=1)


@pytest.mark.parametrize(
    "icc", [b"nonsense", P3[:150], P3[:-30], ink_profile(), profile(b"GRAY", {b"kTRC": gamma(2.2)})]
)
def test_profiles_that_do_not_fit_are_passed_over(tmp_path: Path, icc: bytes) -> None:
    path = saved(tmp_path / "a.png", RGB, icc_profile=icc)
    assert np.array_equal(pixels(read_rgb(path)), RGB)
    assert read_photo(path).lightness.shape == (1, 20, 30)


# ------------------------------------------------------------------------------------------------- orientation, EXIF


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


# What each orientation means: where the first row and the first column of the stored picture are to be seen.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_photos_are_turned_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"a.{suffix}", np.dstack([RGB, ALPHA]), exif=camera_exif(orientation).tobytes(), **options)
    upright = UPRIGHT[orientation](np.dstack([RGB, ALPHA]))
    opened = read_photo(path)
    assert opened.alpha is not None
    assert np.array_equal(opened.alpha.numpy(), upright[..., 3])
    assert same(opened.lightness, lightness_of(upright[..., :3]))
    assert read_rgb(path).shape[1:] == upright.shape[:2]
    kept = Image.Exif()
    kept.load(opened.exif or b"")
    assert kept[ExifTags.Base.Orientation] == 1


@pytest.mark.parametrize("before", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("after", ["jpg", "png", "tif", "webp"])
def test_what_the_camera_noted_is_kept(tmp_path: Path, before: str, after: str) -> None:
    opened = read_photo(saved(tmp_path / f"a.{before}", RGB, exif=camera_exif(6).tobytes()))
    out = tmp_path / f"b.{after}"
    save_photo(out, torch.zeros(3, 30, 20, dtype=torch.uint8), exif=opened.exif)
    with Image.open(out) as image:
        exif = image.getexif()
        notes, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
        assert exif[ExifTags.Base.Make] == "Kodak"
        assert exif.get(ExifTags.Base.Orientation, 1) == 1
        assert notes[ExifTags.Base.DateTimeOriginal] == "1936:05:01 12:00:00"
        assert notes[ExifTags.Base.ExifImageWidth] == 20
        assert notes[ExifTags.Base.ColorSpace] == 1
        assert ExifTags.Base.MakerNote not in notes
        assert place[ExifTags.GPS.GPSLatitude] == (52, 31, 12)


def test_thumbnails_are_left_out(tmp_path: Path) -> None:
    exif = camera_exif(1).tobytes()
    thumbnail = b"\xff\xd8thumbnail\xff\xd9"
    start = len(exif) - 6
    # A second directory with the one thing in it, chained to the first.
    entries = struct.pack(">HHHII", 2, 0x0201, 4, 1, start + 30) + struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail))
    raw = bytearray(exif)
    assert raw[6:8] == b"MM"
    count = struct.unpack_from(">H", raw, 14)[0]
    struct.pack_into(">I", raw, 16 + 12 * count, start)
    path = saved(tmp_path / "a.jpg", RGB, exif=bytes(raw) + entries + bytes(4) + thumbnail)
    with Image.open(path) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1)
    kept = read_photo(path).exif
    assert kept is not None
    assert b"thumbnail" not in kept
    assert b"Kodak" in kept


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_garbled_exif_does_not_cost_the_photo(tmp_path: Path, exif: bytes, suffix: str) -> None:
    path = saved(tmp_path / f"a.{suffix}", RGB, exif=exif)
    assert read_photo(path).lightness.shape == (1, 20, 30)
    assert read_rgb(path).shape == (3, 20, 30)


def test_odd_orientations_are_passed_over(tmp_path: Path) -> None:
    for odd in (0, 9, 300):
        assert read_rgb(saved(tmp_path / "a.png", RGB, exif=camera_exif(odd).tobytes())).shape == (3, 20, 30)


# ------------------------------------------------------------------------------------------------- size


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize(("size", "expected"), [((400, 300), (85, 64)), ((300, 401), (64, 86)), ((60, 500), (60, 500))])
def test_photos_are_scaled_to_the_short_side(
    tmp_path: Path, suffix: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    ramp = np.linspace(0, 255, size[0]).astype(np.uint8)[None, :, None].repeat(size[1], 0).repeat(3, 2)
    read = read_rgb(saved(tmp_path / f"a.{suffix}", ramp), min_side=64)
    assert (read.shape[2], read.shape[1]) == expected
    assert np.abs(pixels(read)[30, :, 0] - np.linspace(0, 255, expected[0])).max() < 5


def test_scaling_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((320, 320, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    read = read_rgb(saved(tmp_path / "a.png", stripes), min_side=40).float()
    assert (read[..., 2:-2] - 127.5).abs().max() < 6


def test_scaling_and_turning(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", np.zeros((300, 400, 3), dtype=np.uint8), exif=camera_exif(6).tobytes())
    assert read_rgb(path, min_side=64).shape == (3, 85, 64)


def test_deep_greys_are_scaled(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", np.full((300, 400), 30000, dtype=np.uint16))
    assert read_rgb(path, min_side=64).shape == (3, 64, 85)
    assert read_rgb(path, min_side=64).unique().tolist() == [117]


def test_bands_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [saved(tmp_path / "a.png", RGB, icc_profile=P3), saved(tmp_path / "b.png", GREY)]
    whole = [read_photo(path).lightness for path in paths]
    monkeypatch.setattr(photo, "_BAND", 90)
    assert all(same(read_photo(path).lightness, one) for path, one in zip(paths, whole, strict=True))


# ------------------------------------------------------------------------------------------------- broken files


def png_of_size(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    return path


def refused(path: Path) -> str:
    """The message, the same for both ways of reading."""
    messages = []
    for read in (read_rgb, read_photo):
        with pytest.raises(PhotoError) as caught:
            read(path)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert str(path) in messages[0]
    assert "\n" not in messages[0]
    return messages[0]


def test_missing_empty_and_other_files(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.png")
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.jpg").touch()
    assert "empty" in refused(tmp_path / "empty.jpg")
    (tmp_path / "text.jpg").write_text("not a photo at all")
    assert "not a picture" in refused(tmp_path / "text.jpg")
    assert "a file, not a folder" in refused(tmp_path / "text.jpg" / "a.png")


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all"
)
def test_no_permission(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", RGB)
    path.chmod(0)
    assert "no permission" in refused(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp", "gif", "jp2", "ppm", "tga"])
@pytest.mark.parametrize("share", [0.95, 0.5, 0.1])
def test_truncated_files_are_never_filled_with_grey(tmp_path: Path, suffix: str, share: float) -> None:
    noise = RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    options = {"compression": "tiff_lzw"} if suffix == "tif" else {}
    path = saved(tmp_path / f"a.{suffix}", noise, **options)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "damaged" in refused(path) or "not a picture" in refused(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "gif"])
def test_overwritten_files_are_an_error_or_a_picture(tmp_path: Path, suffix: str) -> None:
    whole = saved(tmp_path / f"a.{suffix}", RGB).read_bytes()
    path = tmp_path / f"b.{suffix}"
    random = np.random.default_rng(6)
    for _ in range(40):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 8):
            data[place] = random.integers(0, 256)
        path.write_bytes(data)
        for read in (read_rgb, read_photo):
            with contextlib.suppress(PhotoError):
                read(path)


def test_bombs(tmp_path: Path) -> None:
    message = refused(png_of_size(tmp_path / "a.png", 30000, 30000))
    assert "30000×30000 pixels (900 MP), more than the 178 MP that zoo opens" in message


def test_large_photos_are_no_reason_to_warn(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "cut short" in refused(png_of_size(tmp_path / "a.png", 10000, 10000))


# ------------------------------------------------------------------------------------------------- writing


def tensors() -> tuple[Tensor, Tensor]:
    return torch.from_numpy(RGB).permute(2, 0, 1), torch.from_numpy(ALPHA)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".webp", ".PNG"])
def test_lossless_round_trip(tmp_path: Path, suffix: str) -> None:
    rgb, alpha = tensors()
    path = tmp_path / f"a{suffix}"
    save_photo(path, rgb, alpha=alpha, dpi=(300, 240))
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), np.dstack([RGB, ALPHA]))
        assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(image.info["icc_profile"]))  # type: ignore[arg-type]
    opened = read_photo(path)
    assert opened.alpha is not None
    assert torch.equal(opened.alpha, alpha)
    assert same(opened.lightness, lightness_of(rgb))
    if suffix != ".webp":  # which has no place for it
        assert opened.dpi == pytest.approx((300, 240), abs=0.02)


def test_jpeg(tmp_path: Path) -> None:
    smooth = torch.from_numpy(np.linspace(0, 255, 3 * 64 * 64).astype(np.uint8).reshape(3, 64, 64))
    alpha = torch.full((64, 64), 255, dtype=torch.uint8)
    alpha[:16, :16] = 0
    save_photo(tmp_path / "a.jpg", smooth, alpha=alpha, dpi=(300, 300))
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.mode == "RGB"
        assert image.info["dpi"] == (300, 300)
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
    read = read_rgb(tmp_path / "a.jpg").int()
    assert (read[:, :14, :14] - 255).abs().max() < 12
    assert (read - smooth)[:, 20:].abs().max() < 12


def test_the_same_photo_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_photo(tmp_path / name, tensors()[0])
        profiles.srgb.cache_clear()
        profiles.srgb_bytes.cache_clear()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert profiles.srgb_bytes()[24:26] == b"\x07\xd0"


def test_resolution_follows_the_orientation(tmp_path: Path) -> None:
    for suffix in ("png", "tif"):
        path = saved(tmp_path / f"a.{suffix}", RGB, exif=camera_exif(6).tobytes(), dpi=(300, 150))
        assert read_photo(path).dpi == pytest.approx((150, 300), abs=0.02)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    rgb, _ = tensors()
    for name, said in {"a.xyz": "must end in one of .png", "a": "must end", "missing/a.png": "no such file"}.items():
        with pytest.raises(PhotoError, match=said) as caught:
            save_photo(tmp_path / name, rgb)
        assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(PhotoError, match=r"WEBP files have at most 16383 pixels a side; use \.png"):
        save_photo(tmp_path / "a.webp", torch.zeros(3, 1, 16384, dtype=torch.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    original = Path.open

    def onto_full_disk(self: Path, mode: str = "r") -> Any:
        original(self, mode).close()
        return original(Path("/dev/full"), "wb")

    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    monkeypatch.setattr(Path, "open", onto_full_disk)
    with pytest.raises(PhotoError, match="the disk is full"):
        save_photo(path, tensors()[0])
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------------------------------------- finding


def test_finding_photos(tmp_path: Path) -> None:
    names = ["b.jpg", "a.PNG", "sub/c.tif", "sub/deep/d.webp", "notes.txt", ".hidden.jpg", ".git/e.png", "f.pdf"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_photos([tmp_path])
    assert [str(relative) for _, relative in found] == ["a.PNG", "b.jpg", "sub/c.tif", "sub/deep/d.webp"]
    assert all(file == tmp_path / relative for file, relative in found)
    named = [tmp_path / "notes.txt", tmp_path / "sub" / "c.tif", tmp_path / "sub"]
    assert find_photos(named) == [
        (tmp_path / "notes.txt", Path("notes.txt")),
        (tmp_path / "sub" / "c.tif", Path("c.tif")),
        (tmp_path / "sub" / "deep" / "d.webp", Path("deep/d.webp")),
    ]
    with pytest.raises(PhotoError, match=r"no file or folder .*missing"):
        find_photos([tmp_path / "missing"])


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    album = tmp_path / "album"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jpg").touch()
    album.mkdir()
    (album / "circle").symlink_to(album)
    (album / "link").symlink_to(tmp_path / "elsewhere")
    assert find_photos([album]) == [(album / "link" / "a.jpg", Path("link/a.jpg"))]


def test_suffixes_are_ones_that_pillow_knows() -> None:
    assert not photo.PHOTO_SUFFIXES - set(Image.registered_extensions())
    assert not set(photo.SAVED_SUFFIXES) - photo.PHOTO_SUFFIXES
