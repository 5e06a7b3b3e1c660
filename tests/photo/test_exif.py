"""What the camera noted: photographs are turned by it, and it is kept."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import ALPHA, RGB, camera_exif, lightness_of, same, saved
from PIL import ExifTags, Image

from zoo.photo import read_photo, read_rgb, save_photo

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
