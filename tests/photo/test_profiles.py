"""What photographs with an ICC profile look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import (
    ADOBE,
    ADOBE_PRIMARIES,
    GREY,
    P3,
    P3_PRIMARIES,
    RGB,
    SRGB_CURVE,
    SRGB_PRIMARIES,
    gamma,
    grey_lightness,
    ink_profile,
    lightness_of,
    matrix_profile,
    pixels,
    profile,
    same,
    saved,
    srgb_to_linear,
    through,
)
from PIL import Image, ImageCms

from zoo.photo import color, read_photo, read_rgb


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
