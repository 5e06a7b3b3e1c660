from __future__ import annotations

import os
import pkgutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from zoo import Recipe, UsageError, registry
from zoo.colorize import album
from zoo.colorize.album import Outcome, colorize_all
from zoo.colorize.planning import Job, plan
from zoo.model import Model
from zoo.photo import read_photo, read_rgb

RECIPE = Recipe(
    generator="unet-shallow:base=4", critic="none", loss="l1", data="scenes", size=32, steps=1, precision="float32"
)


class Picky(nn.Module):
    """Predicts constant chroma, remembers how many it was shown together, and raises where one of them is white."""

    def __init__(self, most: int = 8) -> None:
        super().__init__()
        self.most, self.together = most, list[int]()

    def forward(self, lightness: Tensor) -> Tensor:
        self.together.append(len(lightness))
        if len(lightness) > self.most:
            raise torch.OutOfMemoryError("not enough memory")
        if (lightness.mean((1, 2, 3)) > 0.99).any():
            raise RuntimeError("it is blinded")
        return lightness.repeat(1, 2, 1, 1) * 0.2


def write(folder: Path, *sizes: tuple[int, int], grey: int | None = None) -> list[Job]:
    folder.mkdir(exist_ok=True)
    for size in sizes:
        number = len(list(folder.iterdir()))
        picture = Image.radial_gradient("L").rotate(7 * number) if grey is None else Image.new("L", (8, 8), grey)
        picture.resize(size).save(folder / f"{number:02}.png")
    return plan([folder], folder.parent / "out")


def colour(generator: nn.Module, jobs: list[Job], *, overwrite: bool = False) -> list[Outcome]:
    return list(colorize_all(Model(generator.eval(), RECIPE, {}, torch.device("cpu")), jobs, overwrite=overwrite))


def test_those_of_one_size_go_through_the_network_together_and_come_out_in_order(tmp_path: Path) -> None:
    jobs = write(tmp_path / "in", *[(60, 40), (40, 60), (60, 40), (120, 80)] * 3)
    generator = Picky()
    outcomes = colour(generator, jobs)
    assert generator.together == [6, 2, 3, 1]
    assert [outcome.job for outcome in outcomes] == jobs
    assert not [outcome.error for outcome in outcomes if outcome.error]
    for outcome in outcomes:
        with Image.open(outcome.job.source) as before, Image.open(outcome.job.target) as after:
            assert after.size == before.size == (outcome.width, outcome.height)


def test_company_changes_no_photograph_by_more_than_rounding(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = registry.get().build("generator", RECIPE.generator, size=RECIPE.size)
    jobs = write(tmp_path / "in", *[(60, 40)] * 5)
    colour(generator, jobs)
    model = Model(generator, RECIPE, {}, torch.device("cpu"))
    for job in jobs:
        alone = model.colorize(read_photo(job.source))
        assert (read_rgb(job.target).int() - alone.int()).abs().max() <= 1


def test_one_that_the_network_fails_on_does_not_spoil_the_others(tmp_path: Path) -> None:
    write(tmp_path / "in", (60, 40), (60, 40))
    write(tmp_path / "in", (60, 40), grey=255)
    jobs = write(tmp_path / "in", (60, 40))
    generator = Picky()
    outcomes = colour(generator, jobs)
    assert generator.together == [4, 1, 1, 1, 1]
    blinded = f"{jobs[2].source}: RuntimeError: it is blinded"
    assert [outcome.error for outcome in outcomes] == [None, None, blinded, None]
    assert [job.target.exists() for job in jobs] == [True, True, False, True]


def test_where_memory_is_enough_for_one_only_all_are_coloured(tmp_path: Path) -> None:
    generator = Picky(most=1)
    outcomes = colour(generator, write(tmp_path / "in", *[(60, 40)] * 3))
    assert generator.together == [3, 1, 1, 1]
    assert not [outcome.error for outcome in outcomes if outcome.error]


NO_MEMORY = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried …")


@pytest.mark.parametrize("error", [NO_MEMORY, MemoryError()])
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("zoo.photo.reading._lightness", "cannot read {}: not enough memory for its 40×60 pixels: make it smaller, or"),
        ("zoo.model.Model.predict", "{}: not enough memory for the model to see it at 32×48 pixels: use a smaller --s"),
        ("zoo.model.join_chroma", "{} (40×60): not enough memory for so many pixels: make it smaller, or close other"),
        (
            "zoo.colorize.album.write_photo",
            "{} (40×60): not enough memory for so many pixels: make it smaller, or clos",
        ),
    ],
)
def test_one_that_does_not_fit_into_memory_stops_no_other(
    place: str, message: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, with its size, and with what to do."""
    jobs = write(tmp_path / "in", (60, 40), (40, 60), (60, 40))
    works = pkgutil.resolve_name(place)

    def is_tall(value: Any) -> bool:
        if isinstance(value, Image.Image):
            return value.height > value.width
        pixels = getattr(value, "lightness", getattr(value, "rgb", value))
        return isinstance(pixels, Tensor) and pixels.shape[-2] > pixels.shape[-1]

    def greedy(*arguments: Any, **more: Any) -> Any:
        if any(map(is_tall, arguments)):
            raise error
        return works(*arguments, **more)

    monkeypatch.setattr(place, greedy)
    outcomes = colour(Picky(), jobs)
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, False]
    assert str(outcomes[1].error).startswith(message.format(jobs[1].source))


def test_what_fails_before_the_network_is_left_out(tmp_path: Path) -> None:
    jobs = write(tmp_path / "in", *[(60, 40)] * 4)
    jobs[1].source.write_bytes(b"no picture")
    jobs[2].target.parent.mkdir()
    jobs[2].target.write_bytes(b"precious")
    generator = Picky()
    outcomes = colour(generator, jobs)
    assert generator.together == [2]
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, True, False]
    assert jobs[2].target.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("limit", "pixels", "together"),
    [
        ("_PIXELS", 60 * 40, [1] * 5),
        ("_PIXELS", 60 * 40 + 1, [2, 2, 1]),
        ("_SEEN_PIXELS", 48 * 32 * 3, [3, 2]),
        ("_SEEN_PIXELS", 1, [1] * 5),
    ],
)
def test_large_photographs_go_in_smaller_handfuls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, pixels: int, together: list[int]
) -> None:
    monkeypatch.setattr(album, limit, pixels)
    generator = Picky()
    outcomes = colour(generator, write(tmp_path / "in", *[(60, 40)] * 5))
    assert generator.together == together
    assert not [outcome.error for outcome in outcomes if outcome.error]


def test_no_more_is_read_than_the_next_handful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album, "_PIXELS", 1)
    jobs = write(tmp_path / "in", *[(60, 40)] * 6)
    taken: list[Job] = []

    def taking() -> Iterator[Job]:
        for job in jobs:
            taken.append(job)
            yield job

    model = Model(Picky(), RECIPE, {}, torch.device("cpu"))
    for done, _ in enumerate(colorize_all(model, taking()), 1):
        # Beside those that are done: one that is coloured, one that is read.
        assert len(taken) <= done + 2
    assert taken == jobs


# ------------------------------------------------------------------------------------------------- odd files

without_links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there, and there are no pipes")


@without_links
def test_what_is_no_file_fails_and_the_others_go_on(tmp_path: Path) -> None:
    write(tmp_path / "in", (60, 40))
    (tmp_path / "in/circle.png").symlink_to("circle.png")
    (tmp_path / "in/device.png").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "in/pipe.png")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "in/socket.png"))
    outcomes = colour(Picky(), plan([tmp_path / "in"], tmp_path / "out"))
    said = {outcome.job.source.stem: outcome.error for outcome in outcomes}
    assert list(said) == ["00", "circle", "device", "pipe", "socket"]
    assert said.pop("00") is None
    assert all("cannot read" in str(error) for error in said.values())


@without_links
@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_written_through_a_link(tmp_path: Path, there: bool) -> None:
    (job,) = write(tmp_path / "in", (60, 40))
    pointed = tmp_path / "elsewhere.png"
    if there:
        pointed.write_text("precious")
    job.target.parent.mkdir()
    job.target.symlink_to(pointed)
    (outcome,) = colour(Picky(), [job])
    assert "is there already" in str(outcome.error)
    (outcome,) = colour(Picky(), [job], overwrite=True)
    assert outcome.error is None
    assert not job.target.is_symlink()
    assert pointed.exists() == there
    assert not there or pointed.read_text() == "precious"


@without_links
@pytest.mark.parametrize("there", [True, False])
def test_no_link_leads_out_of_the_folder_of_results(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "in", (60, 40))
    (tmp_path / "in").rename(tmp_path / "sub")
    (tmp_path / "in").mkdir()
    (tmp_path / "sub").rename(tmp_path / "in/sub")
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    (job,) = plan([tmp_path / "in"], tmp_path / "out")
    assert job.target == tmp_path / "out/sub/00.png"
    job.target.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"out/sub is a symbolic link, and leads out of .*out"):
        plan([tmp_path / "in"], tmp_path / "out")


def test_colours_that_are_not_numbers_are_no_black_pictures(tmp_path: Path) -> None:
    class Overflowing(nn.Module):
        def forward(self, lightness: Tensor) -> Tensor:
            return lightness.repeat(1, 2, 1, 1) * 1e38 * 1e38

    (outcome,) = colour(Overflowing(), write(tmp_path / "in", (60, 40)))
    assert outcome.error == f"{outcome.job.source}: the generator predicts colours that are not numbers"
    assert not outcome.job.target.exists()
