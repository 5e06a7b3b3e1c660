"""16 bits in, 16 bits out: colours and greys, TIFF and PNG."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from pictures import ADOBE, ADOBE_PRIMARIES, RANDOM, SRGB_PRIMARIES, camera_exif, grey_lightness
from PIL import Image
from torch import Tensor

from zoo.photo import PhotoError, Stored, color, read_photo, read_rgb, save_photo
from zoo.photo.tiff import TiffWriter

DEEP = np.stack([np.linspace(at, 65535 - at, 600).round().reshape(20, 30) for at in (0, 5000, 65535)], -1)
DEEP = DEEP.astype(np.uint16)
DEEP_ALPHA = RANDOM.integers(0, 65535, (20, 30), dtype=np.uint16)


def lightness_of(pixels: np.ndarray) -> Tensor:
    return color.rgb_to_lab(torch.from_numpy(pixels.astype(np.float64) / 65535).permute(2, 0, 1))[:1]


def png16(path: Path, pixels: np.ndarray, transparent: tuple[int, int, int] | None = None) -> Path:
    """A PNG of 16 bits as any other program might write it, without filters."""
    rows = pixels.astype(">u2").view(np.uint8).reshape(len(pixels), -1)
    raw = np.concatenate([np.zeros((len(rows), 1), np.uint8), rows], 1).tobytes()
    kind = {3: 2, 4: 6}[pixels.shape[2]]
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, kind, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    if transparent is not None:
        chunks.insert(1, (b"tRNS", struct.pack(">3H", *transparent)))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_colours_of_16_bits_are_read_in_full(
    tmp_path: Path, order: str, compression: str | None, tile: tuple[int, int] | None
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", DEEP, photometric="rgb", compression=compression, predictor=compression is not None,
        byteorder=order, tile=tile, metadata=None,
    )  # fmt: skip
    photo = read_photo(tmp_path / "a.tif")
    assert photo.bits == 16
    assert (photo.lightness - lightness_of(DEEP)).abs().max() < 1e-4
    assert read_rgb(tmp_path / "a.tif").dtype == torch.uint8


def test_so_are_those_of_png_files(tmp_path: Path) -> None:
    photo = read_photo(png16(tmp_path / "a.png", DEEP))
    assert (photo.bits, photo.alpha) == (16, None)
    assert (photo.lightness - lightness_of(DEEP)).abs().max() < 1e-4
    photo = read_photo(png16(tmp_path / "b.png", np.dstack([DEEP, DEEP_ALPHA])))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha.numpy(), DEEP_ALPHA)
    transparent = tuple(map(int, DEEP[3, 4]))
    photo = read_photo(png16(tmp_path / "c.png", DEEP, transparent))  # type: ignore[arg-type]
    assert photo.alpha is not None
    assert np.argwhere(photo.alpha.numpy() == 0).tolist() == [[3, 4]]


def test_orientation_and_profile_of_deep_colours(tmp_path: Path) -> None:
    calm = (DEEP * 0.2 + DEEP[..., :1] * 0.8).astype(np.uint16)  # all of it in sRGB
    tifffile.imwrite(tmp_path / "a.tif", calm, photometric="rgb", iccprofile=ADOBE, metadata=None)
    linear = (calm / 65535) ** (563 / 256) @ np.array(ADOBE_PRIMARIES) @ np.linalg.inv(np.array(SRGB_PRIMARIES))
    luminance = linear.clip(0, 1) @ np.array((0.212671, 0.715160, 0.072169))
    expected = np.where(luminance > 0.008856, np.cbrt(luminance) * 116 - 16, luminance * 903.3)
    wrong = np.abs(read_photo(tmp_path / "a.tif").lightness[0].numpy() - expected)
    assert wrong.max() < 0.2
    assert np.median(wrong) < 0.02

    save_photo(tmp_path / "b.png", torch.from_numpy(DEEP).permute(2, 0, 1), exif=camera_exif(6).tobytes())
    turned = read_photo(tmp_path / "b.png")
    assert (turned.lightness - lightness_of(np.rot90(DEEP, -1))).abs().max() < 1e-4


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("transparent", [False, True])
def test_lightness_survives_with_16_bits(tmp_path: Path, suffix: str, transparent: bool) -> None:
    lightness = grey_lightness(np.linspace(0, 1, 65536).reshape(128, 512)).float()
    rgb = color.join(lightness, torch.full((2, 128, 512), 8.0), bits=16)
    alpha = torch.arange(65536).reshape(128, 512).to(torch.uint16) if transparent else None
    save_photo(tmp_path / f"a{suffix}", rgb, alpha=alpha)
    back = read_photo(tmp_path / f"a{suffix}")
    assert back.bits == 16
    assert (back.lightness - lightness).abs().max() < 5e-3  # a level of 255 is up to 0.4
    assert back.lightness.unique().numel() > 60_000
    assert back.alpha is None or torch.equal(back.alpha, alpha)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert "icc_profile" in image.info


def test_other_formats_round_to_8_bits(tmp_path: Path) -> None:
    rgb = torch.from_numpy(DEEP).permute(2, 0, 1)
    save_photo(tmp_path / "a.webp", rgb, alpha=torch.from_numpy(DEEP_ALPHA))
    assert np.array_equal(read_rgb(tmp_path / "a.webp").shape, (3, 20, 30))
    with Image.open(tmp_path / "a.webp") as image:
        assert np.array_equal(np.asarray(image.getchannel("A")), (DEEP_ALPHA / 257).round())


def test_planes_that_pillow_would_read_wrong_are_an_error(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.moveaxis(DEEP, -1, 0), photometric="rgb", planarconfig="separate", metadata=None
    )
    with pytest.raises(PhotoError, match=r"a.tif: its colours of 16 bits are kept in separate planes"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("share", [0.99, 0.6, 0.1])
def test_deep_files_that_are_cut_short_are_damaged(tmp_path: Path, share: float) -> None:
    for path in (tmp_path / "a.png", tmp_path / "a.tif")[: 1 if share > 0.9 else 2]:  # a TIFF file's profile comes last
        save_photo(path, torch.from_numpy(RANDOM.integers(0, 65536, (3, 64, 64)).astype(np.uint16)))
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(PhotoError, match=r"damaged|not a picture"):
            read_photo(path)


# ------------------------------------------------------------------------------------------------- TIFF


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", "group4", "jpeg", ""])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(20, 30), (700, 300), (1, 1)])
def test_tiff_files_keep_depth_and_compression(
    tmp_path: Path, compression: str, dtype: type, size: tuple[int, int]
) -> None:
    pixels = RANDOM.integers(0, np.iinfo(dtype).max, (*size, 3), dtype=dtype)
    stored = Stored("TIFF", compression=compression)
    save_photo(tmp_path / "a.tif", torch.from_numpy(pixels).permute(2, 0, 1), stored=stored, dpi=(300, 240))
    photo = read_photo(tmp_path / "a.tif")
    lossless = compression in ("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate")
    assert photo.stored.compression == (compression if lossless else "tiff_adobe_deflate")
    assert photo.bits == dtype().itemsize * 8
    assert photo.dpi == (300, 240)
    if dtype is np.uint8:
        assert np.array_equal(read_rgb(tmp_path / "a.tif").permute(1, 2, 0), pixels)
    elif compression != "tiff_lzw":  # which tifffile reads with another package only
        packed = compression != "packbits"
        assert not packed or np.array_equal(tifffile.imread(tmp_path / "a.tif").reshape(pixels.shape), pixels)


def test_a_tiff_file_has_4_gib_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.photo.tiff._LONGEST", 3000)
    with pytest.raises(PhotoError, match=r"cannot write .*a.tif: it would be larger than 4 GiB"):
        save_photo(tmp_path / "a.tif", torch.from_numpy(RANDOM.integers(0, 256, (3, 64, 64), dtype=np.uint8)))
    assert not list(tmp_path.iterdir())


def test_pages_follow_one_another(tmp_path: Path) -> None:
    pages = [RANDOM.integers(0, 255, (9 + at, 7, 3 + at % 2), dtype=np.uint8) for at in range(4)]
    with (tmp_path / "a.tif").open("xb") as file:
        writer = TiffWriter(file)
        for page in pages:
            writer.add(page, one_of_many=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as read:
        assert all(np.array_equal(found.asarray(), page) for found, page in zip(read.pages, pages, strict=True))
