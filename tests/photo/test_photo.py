"""zoo.photo: what photographs on disk look like, the odd ones and the broken ones included."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import ALPHA, GREY, P3, RANDOM, RGB, camera_exif, grey_lightness, lightness_of, pixels, same, saved
from PIL import EpsImagePlugin, Image, ImageCms
from torch import Tensor

from zoo import photo
from zoo.photo import PhotoError, color, find_photos, opening, profiles, read_photo, read_rgb, reading, save_photo

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
    monkeypatch.setattr(reading, "_BAND", 90)
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


def test_a_program_that_is_named_like_a_photo_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ghostscript(*_: Any, **__: Any) -> None:
        raise AssertionError("it was run")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    Image.fromarray(RGB).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    assert "of a kind that zoo does not know" in refused(tmp_path / "a.jpg")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these")
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_not_a_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/tty")
    else:
        end = socket.socket(socket.AF_UNIX)
        end.bind(str(path))
        end.close()
    assert "a pipe, a socket or a device" in refused(path)


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


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_in_a_circle_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("a.jpg")
    (tmp_path / "b.jpg").touch()
    assert [file.name for file, _ in find_photos([tmp_path])] == ["a.jpg", "b.jpg"]
    assert "cannot read" in refused(tmp_path / "a.jpg")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_replaced_by_the_photo(tmp_path: Path, there: bool) -> None:
    pointed, link = tmp_path / "pointed.png", tmp_path / "link.png"
    if there:
        pointed.write_text("precious")
    link.symlink_to(pointed)
    save_photo(link, torch.zeros(3, 4, 5, dtype=torch.uint8))
    assert not link.is_symlink()
    assert read_rgb(link).shape == (3, 4, 5)
    assert pointed.exists() == there
    assert not there or pointed.read_text() == "precious"


HEIF = {".heic", ".heif", ".hif"}
"""pillow-heif's, where it is installed."""


def test_a_photo_may_be_of_all_kinds_that_the_suffixes_name_and_no_others() -> None:
    # Multi-picture files are JPEG files with more behind.
    named = {Image.registered_extensions()[suffix] for suffix in photo.PHOTO_SUFFIXES - HEIF} - {"MPO"}
    assert set(opening.photo_formats()) - {"HEIF"} == named


def test_suffixes_are_ones_that_pillow_knows() -> None:
    assert not photo.PHOTO_SUFFIXES - HEIF - set(Image.registered_extensions())
    assert not set(photo.SAVED_SUFFIXES) - photo.PHOTO_SUFFIXES
