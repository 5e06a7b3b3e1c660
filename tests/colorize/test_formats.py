"""Results in the formats that people ask for, page by page where there are pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor, nn

from zoo import Recipe, UsageError
from zoo.colorize import FORMATS, Job, Outcome, colorize_all, plan
from zoo.model import Model
from zoo.photo import count_pages, read_photo
from zoo.photo.xmp import ENHANCED

RECIPE = Recipe(
    generator="unet-shallow:base=4", critic="none", loss="l1", data="scenes", size=32, steps=1, precision="float32"
)
GREY = np.tile(np.linspace(0, 65535, 40).astype(np.uint16), (24, 1))


class Warm(nn.Module):
    """Predicts the same colour everywhere; fails on white."""

    def forward(self, lightness: Tensor) -> Tensor:
        if (lightness.mean((1, 2, 3)) > 0.99).any():
            raise RuntimeError("it is blinded")
        return torch.full_like(lightness, 0.1).repeat(1, 2, 1, 1)


def colour(jobs: list[Job], *, overwrite: bool = False) -> list[Outcome]:
    return list(colorize_all(Model(Warm().eval(), RECIPE, {}, torch.device("cpu")), jobs, overwrite=overwrite))


def fonds(path: Path, *widths: int, white: int | None = None) -> Path:
    """A TIFF file with pages of 16 bits."""
    path.parent.mkdir(exist_ok=True)
    with tifffile.TiffWriter(path) as writer:
        for number, width in enumerate(widths):
            page = np.full((24, width), 65535, np.uint16) if number == white else GREY[:, :width]
            writer.write(page, photometric="minisblack", metadata=None, description=f"sheet {number}")
    return path


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    eight = Image.fromarray((GREY >> 8).astype(np.uint8))
    eight.save(folder / "a.jpg", quality=40)
    eight.save(folder / "b.JPEG")
    eight.save(folder / "c.gif")
    eight.save(folder / "d.webp")
    Image.fromarray(GREY).save(folder / "e.png")
    fonds(folder / "f.tiff", 40)
    return folder


@pytest.mark.parametrize(
    ("format", "names"),
    [
        (None, ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]),
        ("png", ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]),
        ("tiff", ["a.tif", "b.tif", "c.tif", "d.tif", "e.tif", "f.tif"]),
        ("jpeg", ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"]),
        ("webp", ["a.webp", "b.webp", "c.webp", "d.webp", "e.webp", "f.webp"]),
        ("same", ["a.jpg", "b.JPEG", "c.png", "d.webp", "e.png", "f.tiff"]),
    ],
)
def test_every_format_keeps_depth_and_is_marked(album: Path, format: str | None, names: list[str]) -> None:
    jobs = plan([album], album.parent / "out", format)
    assert [job.target.name for job in jobs] == names
    assert not [outcome.error for outcome in colour(jobs) if outcome.error]
    kinds = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    for job in jobs:
        photo = read_photo(job.target)
        assert photo.stored.format == kinds[job.target.suffix.lower()]
        assert ENHANCED.encode() in (photo.notes.xmp or b"")
        deep = job.source.suffix in (".png", ".tiff") and photo.stored.format in ("PNG", "TIFF")
        assert photo.bits == (16 if deep else 8)
        near = (photo.lightness - read_photo(job.source).lightness).abs()
        assert near.max() < (0.01 if deep else 4)
    assert set(FORMATS) >= {format or "png"}


def test_a_single_photograph_goes_to_the_file_that_is_named(album: Path, tmp_path: Path) -> None:
    for name in ("x.jpg", "deeper/y.TIF", "z.png"):
        (job,) = plan([album / "e.png"], tmp_path / name)
        assert job.target == tmp_path / name
        assert colour([job])[0].error is None
        assert "is there already" in str(colour([job])[0].error)
        assert colour([job], overwrite=True)[0].error is None
        assert read_photo(job.target).width == 40
    assert plan([album / "e.png"], tmp_path / "z.png", "png")[0].target == tmp_path / "z.png"
    assert plan([album / "a.jpg"], tmp_path / "x.jpeg", "same")[0].target == tmp_path / "x.jpeg"


@pytest.mark.parametrize(
    ("photos", "out", "format", "message"),
    [
        (["a.jpg", "d.webp"], "x.jpg", None, "is the name of one photograph, and there may be several"),
        (["."], "x.jpg", None, "is the name of one photograph"),
        (["a.jpg"], "x.gif", None, "zoo does not write .gif; choose one of .png"),
        (["a.jpg"], "x.png", "jpeg", "--format jpeg is not what -o"),
        (["a.jpg"], "x.png", "same", "--format same is not what -o"),
        (["a.jpg"], "album/a.jpg", None, "is one of the originals"),
        (["a.jpg"], "out", "gif", "choose one of png, tiff, jpeg, webp, same"),
    ],
)
def test_what_does_not_go_together(album: Path, photos: list[str], out: str, format: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        plan([album / photo for photo in photos], album.parent / out, format)


def test_a_folder_may_be_named_like_a_photograph(album: Path, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").mkdir()
    (job,) = plan([album / "a.jpg"], tmp_path / "x.jpg")
    assert job.target == tmp_path / "x.jpg/a.png"


def test_all_pages_come_out_of_a_file_of_pages(tmp_path: Path) -> None:
    path = fonds(tmp_path / "in/a.tif", 40, 30, 20)
    for format, pages in (("same", 3), ("tiff", 3), ("png", 1)):
        out = tmp_path / format
        outcomes = colour(plan([path], out, format))
        assert [outcome.error for outcome in outcomes] == [None] * (1 if pages == 3 else 3)
        files = sorted(file for file in out.iterdir() if not file.name.startswith("."))
        assert [count_pages(file) for file in files] == [pages] * len(files)
        if pages == 3:
            (outcome,) = outcomes
            assert (outcome.pages, outcome.width) == (3, 20)
            found = [read_photo(files[0], page) for page in range(3)]
        else:
            assert [file.name for file in files] == ["a-1.png", "a-2.png", "a-3.png"]
            found = [read_photo(file) for file in files]
        for page, photo in enumerate(found):
            assert (photo.lightness - read_photo(path, page).lightness).abs().max() < 0.01
            assert f"sheet {page}".encode() in (photo.exif or b"")


@pytest.mark.parametrize("white", [0, 1, 11])
def test_a_page_that_fails_leaves_no_half_of_a_file(tmp_path: Path, white: int) -> None:
    fonds(tmp_path / "in/a.tif", *[40] * 12, white=white)
    fonds(tmp_path / "in/b.tif", 40, 40)
    bad, good = colour(plan([tmp_path / "in"], tmp_path / "out", "tiff"))
    assert bad.error == f"{bad.job.source}: RuntimeError: it is blinded"
    assert good.error is None
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["b.tif"]


def test_a_page_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = fonds(tmp_path / "in/a.tif", 40, 40, 40)
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[1].dataoffsets[0], file.pages[1].tags["StripOffsets"].valueoffset
    data = bytearray(path.read_bytes())
    assert int.from_bytes(data[count : count + 4], "little") == offset
    data[count : count + 4] = (len(data) + 5).to_bytes(4, "little")
    path.write_bytes(data)
    (outcome,) = colour(plan([path], tmp_path / "out", "same"))
    assert f"cannot read {path}, page 2: it is damaged or cut short" in str(outcome.error)
    assert not list((tmp_path / "out").glob("*"))


def test_an_album_that_nobody_waits_for_leaves_nothing_half_done(tmp_path: Path) -> None:
    fonds(tmp_path / "in/a.tif", 40)
    fonds(tmp_path / "in/b.tif", *[40] * 30)
    outcomes = colorize_all(
        Model(Warm().eval(), RECIPE, {}, torch.device("cpu")), plan([tmp_path / "in"], tmp_path / "out", "tiff")
    )
    assert next(outcomes).error is None
    outcomes.close()  # type: ignore[attr-defined]
    assert {file.name for file in (tmp_path / "out").iterdir()} <= {"a.tif", "b.tif"}
    assert not (tmp_path / "out/b.tif").exists() or count_pages(tmp_path / "out/b.tif") == 30
