"""Arrays, tensors and Pillow's pictures are the photographs that their files would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import colourful
from PIL import Image

from zoo import UsageError
from zoo.photo import Photo, photo_of, read_photo
from zoo.photo.in_memory import image_of

RGB = np.asarray(colourful(37, 53))
GREY = np.asarray(colourful(37, 53).convert("L"))
DEEP = (GREY.astype(np.uint16) << 8) + np.arange(53, dtype=np.uint16)


def from_disk(array: np.ndarray, folder: Path) -> Photo:
    Image.fromarray(array).save(folder / "file.png")
    return read_photo(folder / "file.png")


@pytest.mark.parametrize(
    ("given", "file"),
    [
        (RGB, RGB),
        (RGB[::-1], RGB[::-1]),
        (RGB.astype(np.uint16) * 257, RGB),
        (RGB / 255, RGB),
        ((RGB / 255).astype(np.float32), RGB),
        (torch.from_numpy(RGB.copy()).permute(2, 0, 1), RGB),
        (torch.from_numpy(RGB / 255).permute(2, 0, 1), RGB),
        (Image.fromarray(RGB), RGB),
        (GREY, GREY),
        (GREY[..., None], GREY),
        (torch.from_numpy(GREY.copy()), GREY),
        (torch.from_numpy(GREY.copy())[None], GREY),
        (GREY / 255, GREY),
        (DEEP, DEEP),
        (torch.from_numpy(DEEP.copy()), DEEP),
        (Image.fromarray(DEEP), DEEP),
    ],
)
def test_a_picture_is_what_its_file_would_be(given: Any, file: np.ndarray, tmp_path: Path) -> None:
    photo, expected = photo_of(given), from_disk(file, tmp_path)
    assert photo.lightness.shape == expected.lightness.shape
    assert photo.lightness.dtype == torch.float32
    assert (photo.lightness - expected.lightness).abs().max() < 1e-3
    assert photo.alpha is expected.alpha is None


def test_all_bits_of_a_deep_grey_count() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert len(photo_of(ramp).lightness.unique()) > 50_000


def test_bfloat16_is_taken() -> None:
    assert photo_of(torch.full((3, 4, 5), 0.5, dtype=torch.bfloat16)).lightness.mean() == pytest.approx(53.4, abs=0.1)


@pytest.mark.parametrize("scale", [np.uint8(1), np.uint16(257), 1 / 255])
@pytest.mark.parametrize("colours", [RGB, GREY[..., None]])
def test_alpha_is_kept(colours: np.ndarray, scale: Any, tmp_path: Path) -> None:
    alpha = np.arange(37 * 53, dtype=np.uint8).reshape(37, 53, 1)
    both = np.concatenate([colours, alpha], axis=2)
    photo, expected = photo_of(both * scale), from_disk(both, tmp_path)
    assert photo.alpha is not None
    assert expected.alpha is not None
    assert torch.equal(photo.alpha, expected.alpha)
    assert (photo.lightness - expected.lightness).abs().max() < 1e-3
    assert image_of(torch.zeros(3, 37, 53, dtype=torch.uint8), photo).mode == "RGBA"
    both[..., -1] = 255
    assert photo_of(both * scale).alpha is None


def test_a_picture_keeps_its_orientation_and_what_the_camera_noted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    colourful(30, 50).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 150))
    with Image.open(tmp_path / "a.jpg") as opened:
        photo = photo_of(opened)
    file = read_photo(tmp_path / "a.jpg")
    assert torch.equal(photo.lightness, file.lightness)
    assert (photo.exif, photo.dpi) == (file.exif, file.dpi)
    image = image_of(torch.zeros(3, photo.height, photo.width, dtype=torch.uint8), photo)
    assert image.size == (30, 50)
    assert image.getexif()[0x010F] == "a camera"
    assert image.info["dpi"] == (150, 300)
    assert photo_of(photo) is photo


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (RGB.astype(np.float32), "from 0 to 1, and these from .* divide them"),
        (np.full((4, 4), np.nan), "from nan to nan"),
        (RGB.astype(np.int64), "uint8, uint16, or floats from 0 to 1, not int64"),
        (RGB[None], r"\(H, W\) or \(H, W, C\), C from 1 to 4, not \(1, 37, 53, 3\); one at a time"),
        (torch.from_numpy(RGB.copy()), r"\(C, H, W\), C from 1 to 4, not \(37, 53, 3\)"),
        (np.zeros((0, 5), np.uint8), r"not \(0, 5\)"),
        (b"GIF89a", "a bytes is no photograph"),
        (None, "a NoneType is no photograph"),
    ],
)
def test_what_is_no_photograph_is_told(given: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        photo_of(given)
