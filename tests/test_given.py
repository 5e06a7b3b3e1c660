"""What people give beside photographs: a seed, hints, extras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tiny import tiny
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from zoo import UsageError
from zoo.cli.main import app
from zoo.given import find_hints
from zoo.model import load_model, save_model
from zoo.photo import Hint, read_photo, read_rgb
from zoo.photo.color import rgb_to_lab
from zoo.photo.hint import paint_hints
from zoo.registry import resolve
from zoo.testing.temporary import Add, registered

RED, BLUE = "#c03020", "#3040c0"


class Echo(nn.Module):
    """Gives back the hints."""

    multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, lightness: Tensor, hints: Tensor) -> Tensor:
        return self.weight * hints[:, 1:]


class Dice(Echo):
    """Gives every picture a colour by lot."""

    def forward(self, lightness: Tensor, noise: Any) -> Tensor:  # type: ignore[override]
        return (0.2 * noise(2, 1, 1)).expand(-1, -1, *lightness.shape[2:])


class Guided(Echo):
    """Takes the colours of another picture."""

    def forward(self, lightness: Tensor, other: Tensor) -> Tensor:  # type: ignore[override]
        return other[:, :2] - 0.5


@pytest.fixture
def add() -> Iterator[Add]:
    with registered() as add:
        yield add


def model_of(add: Add, generator: type[nn.Module]) -> Path:
    name = generator.__name__.lower()
    add("generator", name, generator)
    save_model(Path(f"{name}.safetensors"), generator().state_dict(), resolve(tiny(generator=name)), {})
    return Path(f"{name}.safetensors")


def zoo_(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["colorize", *[str(word) for word in words], "--device", "cpu"])


def ab(path: Path, x: int, y: int) -> list[float]:
    return rgb_to_lab(read_rgb(path))[1:, y, x].tolist()


def grey(path: Path, width: int = 96, height: int = 64, **more: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new("L", (width, height), 128).save(path, **more)
    return path


# ------------------------------------------------------------------------------------------------- noise


def test_a_photographs_noise_depends_on_the_seed_and_not_on_its_company(add: Add, photos: Path) -> None:
    model = model_of(add, Dice)
    assert zoo_(photos, "-m", model, "-o", "together").exit_code == 0
    assert zoo_(photos / "07.png", "-m", model, "-o", "alone").exit_code == 0
    assert zoo_(photos / "07.png", "-m", model, "-o", "other", "--seed", "1").exit_code == 0
    together, alone, other = (read_rgb(f"{folder}/07.png").int() for folder in ("together", "alone", "other"))
    assert (together - alone).abs().max() <= 1
    assert (other - alone).abs().max() > 1
    loaded = load_model(model, "cpu")
    mine = loaded.colorize(read_photo(photos / "07.png"), seed=1)
    assert (mine.int() - other).abs().max() <= 1
    assert not torch.equal(
        loaded.colorize(read_photo(photos / "06.png")), loaded.colorize(read_photo(photos / "07.png"))
    )


# ------------------------------------------------------------------------------------------------- hints


def test_a_hint_gives_its_place_its_colour(add: Add) -> None:
    model = model_of(add, Echo)
    result = zoo_(grey(Path("a/a.png")), "-m", model, "-o", "out", "--hint", f"80,10,{RED}", "--hint", f"10,50,{BLUE}")
    assert result.exit_code == 0, result.output
    red, blue, nothing = (ab(Path("out/a.png"), x, y) for x, y in ((80, 10), (10, 50), (50, 30)))
    assert red[0] > 20
    assert red[1] > 10
    assert blue[1] < -20
    assert nothing == pytest.approx([0, 0], abs=1)


def test_its_place_is_that_of_the_photograph_as_it_is_seen(add: Add) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: what lies there as 96×64 is seen as 64×96
    model, photo = model_of(add, Echo), grey(Path("a/a.png"), exif=exif)
    assert zoo_(photo, "-m", model, "-o", "out", "--hint", f"10,80,{RED}").exit_code == 0
    assert read_rgb("out/a.png").shape == (3, 96, 64)
    assert ab(Path("out/a.png"), 10, 80)[0] > 20
    outside = zoo_(photo, "-m", model, "-o", "other", "--hint", f"80,10,{RED}")
    assert outside.exit_code == 1
    assert "a/a.png: the hint at 80,10 is outside of its 64×96 pixels" in outside.stderr


def test_hints_for_an_album_are_in_a_file(add: Add) -> None:
    model = model_of(add, Echo)
    for name in ("a/one.png", "a/two.png", "a/three.png"):
        grey(Path(name))
    Path("hints.csv").write_text(f"one.png,50,30,{RED}\n\na/two.png, 50, 30, {BLUE}\n")
    result = zoo_("a", "-m", model, "-o", "out", "--hints", "hints.csv")
    assert result.exit_code == 0, result.output
    one, two, three = (ab(Path(f"out/{name}.png"), 50, 30) for name in ("one", "two", "three"))
    assert one[0] > 20
    assert two[1] < -20
    assert three == pytest.approx([0, 0], abs=1)


def test_a_model_without_hints_refuses_them(add: Add) -> None:
    result = zoo_(grey(Path("a/a.png")), "-m", model_of(add, Dice), "-o", "out", "--hint", f"1,1,{RED}")
    assert result.exit_code == 2
    assert "the generator dice takes no hints: train one whose forward has a parameter `hints`" in words(result)
    assert not Path("out").exists()


def words(result: Result) -> str:
    return " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a/one.png,5,5,red\n", r"line 1: '5,5,red' is no hint: write x,y,#rrggbb"),
        ("\none.png,-5,5,#ffffff\n", r"line 2: '-5,5,#ffffff' is no hint"),
        ("none.png,5,5,#ffffff\n", r"line 1: none of the photographs is 'none.png'"),
        ("two.png,5,5,#ffffff\n", r"line 1: 'two.png' may be a/two.png or b/two.png: write more of the path"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(lines: str, message: str) -> None:
    Path("hints.csv").write_text(lines)
    with pytest.raises(UsageError, match=message):
        find_hints([], Path("hints.csv"), [Path("a/one.png"), Path("a/two.png"), Path("b/two.png")])


def test_hints_without_a_file_are_for_one_photograph() -> None:
    with pytest.raises(UsageError, match="--hint is for one photograph, and there are 2: take --hints FILE"):
        find_hints([f"1,1,{RED}"], None, [Path("a.png"), Path("b.png")])
    with pytest.raises(UsageError, match=r"--hints none\.csv: "):
        find_hints([], Path("none.csv"), [Path("a.png")])


def test_a_hint_is_a_square_that_keeps_within_the_picture() -> None:
    painted = paint_hints([Hint(0, 0, (255, 0, 0)), Hint(99, 49, (0, 0, 255))], (50, 100), (16, 32))
    assert painted.shape == (3, 16, 32)
    assert painted[0].sum() == 9 + 9
    assert painted[0, 0, 0] == painted[0, 15, 31] == 1
    assert painted[1, 0, 0] * 110 == pytest.approx(80.1, abs=0.2)
    assert painted[2, 15, 31] * 110 == pytest.approx(-107.9, abs=0.2)


# ------------------------------------------------------------------------------------------------- extras


def test_each_photograph_has_the_extra_of_its_name(add: Add) -> None:
    model = model_of(add, Guided)
    for number in range(3):
        grey(Path(f"a/{number}.png"))
    Path("others").mkdir()
    Image.new("RGB", (31, 57), (200, 128, 0)).save("others/0.tif")
    Image.new("RGB", (96, 64), (60, 128, 0)).save("others/1.png")
    result = zoo_("a", "-m", model, "-o", "out", "--extra", "other=others")
    assert result.exit_code == 1
    assert "a/2.png: there is no picture named 2 in others" in result.stderr
    assert ab(Path("out/0.png"), 5, 5)[0] > 20
    assert ab(Path("out/1.png"), 5, 5)[0] < -20


def test_extras_that_do_not_fit_are_refused(add: Add) -> None:
    model, photo = model_of(add, Guided), grey(Path("a/a.png"))
    Path("others").mkdir()
    for given, message in (
        ([], "the generator guided needs the extra 'other' beside each photograph: --extra other=FOLDER"),
        (["--extra", "depth=others"], "the generator guided takes no extra 'depth' (it takes other)"),
        (["--extra", "others"], "--extra others: write NAME=FOLDER"),
        (["--extra", "other=nowhere"], "--extra other=nowhere: there is no folder nowhere"),
    ):
        result = zoo_(photo, "-m", model, "-o", "out", *given)
        assert result.exit_code == 2
        assert message in words(result)
    assert not Path("out").exists()
