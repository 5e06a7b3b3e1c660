"""What models that know more are given where they are judged: noise by its seed, hints, extras."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from zoo import registry
from zoo.cli.main import app
from zoo.evaluation.given import Given, colorize, draw_hints
from zoo.evaluation.measure import without_colours
from zoo.model import load_model, save_model
from zoo.photo import read_rgb
from zoo.photo.color import rgb_to_lab
from zoo.registry import resolve
from zoo.testing.temporary import Add, registered


class Plain(nn.Module):
    """Predicts one colour."""

    multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, lightness: Tensor) -> Tensor:
        return self.weight * torch.full_like(lightness, 0.1).expand(-1, 2, -1, -1)


class Echo(Plain):
    """Gives back the hints."""

    def forward(self, lightness: Tensor, hints: Tensor) -> Tensor:  # type: ignore[override]
        return self.weight * hints[:, 1:]


class Dice(Plain):
    """Gives every picture a colour by lot."""

    def forward(self, lightness: Tensor, noise: Any) -> Tensor:  # type: ignore[override]
        return (0.2 * noise(2, 1, 1)).expand(-1, -1, *lightness.shape[2:])


class Guided(Plain):
    """Takes the colours of another picture: knowing the originals, it is right."""

    def forward(self, lightness: Tensor, other: Tensor) -> Tensor:  # type: ignore[override]
        lab = torch.stack([rgb_to_lab(one) for one in other])
        return self.weight * lab[:, 1:] / 110


class Labelled(Plain):
    """Learns from what is no picture: a mask, and a number beside each photograph."""

    def forward(self, lightness: Tensor, given: Tensor, number: Tensor) -> Tensor:  # type: ignore[override]
        assert given.dtype == torch.bool
        assert given.shape == lightness.shape
        assert number.shape == (len(lightness), 1)
        return self.weight * (given * (number - 1000).view(-1, 1, 1, 1) / 20).expand(-1, 2, -1, -1)


KINDS = (Plain, Echo, Dice, Guided, Labelled)


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "packages" / "zoo-odd")
    with registered() as add:
        add("dataset", "odd-hints", "zoo_odd.streams:OddHints")
        yield add


@pytest.fixture
def models(add: Add) -> Mapping[type[nn.Module], Path]:
    """A model of each kind."""
    found = {}
    for kind in KINDS:
        name = kind.__name__.lower()
        add("generator", name, kind)
        found[kind] = Path(f"{name}.safetensors")
        save_model(found[kind], kind().state_dict(), resolve(tiny(generator=name)), {})
    return found


def zoo_(command: str, *words: object) -> Result:
    return CliRunner().invoke(app, [command, *map(str, words), "--device", "cpu"], env={"COLUMNS": "200"})


def evaluated(*words: object) -> Any:
    result = zoo_("evaluate", *words, "--metrics", "chroma_error", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def error(found: Any, model: object) -> float:
    value: float = found["numbers"]["chroma_error"]["methods"][str(model)]["value"]
    return value


# ------------------------------------------------------------------------------------------------- extras


def test_extras_lie_in_a_folder(models: Mapping[type[nn.Module], Path], photos: Path) -> None:
    Path("others").mkdir()
    for path in photos.iterdir():
        Image.open(path).resize((200, 120)).save(Path("others", path.name).with_suffix(".jpg"), quality=95)
    found = evaluated(models[Guided], models[Plain], "--data", photos, "--extra", "other=others")
    assert error(found, models[Guided]) < 0.4 * error(found, "grey")
    assert found["protocol"]["photographs"]["extras"] == {"other": "others"}
    assert [model["takes"] for model in found["protocol"]["models"]] == [["other"], []]
    # It is cut as the photograph is.
    Path("registry.toml").write_text('[presets.middle]\nmetrics = "chroma_error"\ncrop = 32\n')
    registry.get.cache_clear()
    middle = evaluated(models[Guided], "--data", photos, "--extra", "other=others", "--preset", "middle")
    assert error(middle, models[Guided]) < 0.4 * error(middle, "grey")
    # One that is missing is its photograph's failure.
    Path("others/03.jpg").unlink()
    less = evaluated(models[Guided], "--data", photos, "--extra", "other=others")
    assert [one["path"] for one in less["left_out"]] == ["03.png"]
    assert "there is no picture named 03 in others" in less["left_out"][0]["reason"]


def test_a_model_that_lacks_an_extra_is_refused_before_anything_is_measured(
    models: Mapping[type[nn.Module], Path], photos: Path
) -> None:
    for command, words in (("evaluate", ["--data", photos]), ("turing", ["--photos", photos, "--static", "site"])):
        lacking = zoo_(command, models[Guided], *words)
        assert lacking.exit_code == 2, lacking.output
        assert "the generator guided needs the extra 'other' beside each photograph: --extra other=FOLDER" in " ".join(
            lacking.stderr.split()
        )
        unknown = zoo_(command, models[Plain], *words, "--extra", f"depth={photos}")
        assert unknown.exit_code == 2
        assert "--extra depth: no" in unknown.stderr
    sets = zoo_("evaluate", models[Plain], "--data", "odd-hints", "--extra", f"depth={photos}")
    assert sets.exit_code == 2
    assert "odd-hints brings its own extras" in " ".join(sets.stderr.split())


def test_a_data_set_brings_its_own(models: Mapping[type[nn.Module], Path]) -> None:
    found = evaluated(models[Labelled], "--data", "odd-hints:length=6")
    assert found["protocol"]["photographs"]["measured"] == 6
    assert error(found, models[Labelled]) != pytest.approx(error(found, "grey"))
    # As training hands them over: what the model sees of the same photograph is the same.
    model = load_model(models[Labelled], "cpu")
    photo, extras = registry.get().build("dataset", "odd-hints:length=6", split="val")[5]
    coloured = colorize(model, Given(without_colours(photo), 0, extras))
    there = rgb_to_lab(coloured)[1:].norm(dim=0) > 3
    assert 0.02 < there.float().mean() < 0.6
    without = zoo_("evaluate", models[Guided], "--data", "odd-hints:length=6")
    assert without.exit_code == 1
    said = " ".join(without.stderr.split())
    assert "guided needs the extra 'other' beside each photograph, and there is hints, given, number" in said


# ------------------------------------------------------------------------------------------------- hints


def test_hints_are_drawn_from_the_originals_and_the_protocol_says_so(
    models: Mapping[type[nn.Module], Path], photos: Path
) -> None:
    without = evaluated(models[Echo], models[Plain], "--data", photos)
    assert error(without, models[Echo]) == pytest.approx(error(without, "grey"), rel=0.01)
    assert without["protocol"]["hints"] == 0
    assert (
        f"{models[Echo]} takes hints, and is given none: --draw-hints N draws some from the originals"
        in (without["notes"])
    )
    few, many = (evaluated(models[Echo], models[Plain], "--data", photos, "--draw-hints", n) for n in (3, 60))
    assert error(many, models[Echo]) < error(few, models[Echo]) < error(without, models[Echo])
    assert error(many, models[Plain]) == error(without, models[Plain])
    assert many["protocol"]["hints"] == 60
    assert f"{models[Plain]} takes no hints, and is given none" in many["notes"]
    again, other = (evaluated(models[Echo], "--data", photos, "--draw-hints", 3, "--seed", s) for s in (0, 1))
    assert error(again, models[Echo]) == error(few, models[Echo]) != error(other, models[Echo])
    nobody = zoo_("evaluate", models[Plain], "--data", photos, "--draw-hints", 3)
    assert nobody.exit_code == 2
    assert "no model takes hints" in nobody.stderr


def test_a_drawn_hint_is_the_colour_at_its_place(photos: Path) -> None:
    rgb = read_rgb(photos / "05.png")[:, :48]  # so small that a hint is of one pixel
    height, width = rgb.shape[1:]
    hints = draw_hints(rgb, 200, 0)
    assert hints[:7] == draw_hints(rgb, 7, 0) != draw_hints(rgb, 7, 1)
    assert all(list(hint.rgb) == rgb[:, hint.y, hint.x].tolist() for hint in hints)
    # Every place is as likely.
    assert np.mean([hint.x for hint in hints]) == pytest.approx(width / 2, rel=0.15)
    assert np.mean([hint.y for hint in hints]) == pytest.approx(height / 2, rel=0.15)
    large = torch.zeros(3, 512, 512, dtype=torch.uint8)
    large[0] = (torch.arange(512) % 2 * 200).to(torch.uint8)  # stripes, which one pixel would not tell
    assert {hint.rgb[0] for hint in draw_hints(large, 50, 0) if 20 < hint.x < 490} <= set(range(85, 116))
    assert draw_hints(rgb, 0, 0) == ()


# ------------------------------------------------------------------------------------------------- noise


def test_noise_is_of_the_seed(models: Mapping[type[nn.Module], Path], photos: Path) -> None:
    first, again, other = (evaluated(models[Dice], "--data", photos, "--seed", seed) for seed in (0, 0, 1))
    assert error(first, models[Dice]) == error(again, models[Dice]) != error(other, models[Dice])


# ------------------------------------------------------------------------------------------------- side by side


def sheet_of(folder: str) -> Any:
    return np.asarray(Image.open(Path(folder, "sheet-1.png")).convert("RGB"))


def test_compare_gives_them_too(models: Mapping[type[nn.Module], Path], photos: Path) -> None:
    Path("others").mkdir()
    for path in photos.iterdir():
        Image.open(path).save(Path("others", path.name))
    chosen = [models[Guided], models[Echo], models[Dice], "--photos", photos / "05.png"]
    lacking = zoo_("compare", *chosen, "-o", "lacking")
    assert lacking.exit_code == 1
    assert "needs the extra 'other'" in " ".join((lacking.stdout + lacking.stderr).split())
    sheets = []
    for name, more in (("zero", []), ("hints", ["--draw-hints", 9]), ("seed", ["--seed", 3])):
        result = zoo_("compare", *chosen, "--extra", "other=others", *more, "-o", name)
        assert result.exit_code == 0, result.output
        sheets.append(sheet_of(name))
    assert all(sheet.shape == sheets[0].shape for sheet in sheets)
    # Grey, guided, hinted, by lot, original.
    changed = [(sheets[0] != sheet).any(axis=(0, 2)) for sheet in sheets[1:]]
    width = len(changed[0]) / 5
    assert [int(np.flatnonzero(one).mean() // width) for one in changed] == [2, 3]
    unused = zoo_("compare", models[Plain], "--photos", photos, "--extra", "other=others", "--draw-hints", 2, "-o", "u")
    assert unused.exit_code == 1
    said = unused.stdout + unused.stderr
    assert "none of the models takes it" in said
    assert "none of the models takes hints" in said


# ------------------------------------------------------------------------------------------------- a study


def test_a_study_has_extras_and_a_seed(models: Mapping[type[nn.Module], Path], photos: Path) -> None:
    Path("others").mkdir()
    for path in photos.iterdir():
        large = Image.open(path).resize((96, 96))
        large.save(path)
        large.save(Path("others", path.name))

    def study(name: str, *more: object) -> Result:
        return zoo_(
            "turing", models[Guided], models[Dice], "--photos", photos, "--extra", "other=others", "-o", name,
            "--static", f"{name}-site", *more,
        )  # fmt: skip

    made = study("study", "--seed", 5)
    assert made.exit_code == 0, made.output
    about = json.loads(Path("study/study.json").read_text())
    assert about["seed"] == 5
    assert about["left_out"] == []
    assert study("study", "--seed", 5).exit_code == 0
    another = study("study", "--seed", 6)
    assert another.exit_code == 2
    assert "holds a study with --seed 5" in " ".join(another.stderr.split())
    # Somebody who knows the original colours is not told from it.
    pairs = [pair for pair in about["pairs"] if pair["role"] == "compared" and pair["against"] == str(models[Guided])]
    assert pairs
    halves = np.asarray(Image.open(Path("study/pictures", f"{pairs[0]['id']}-0.jpg")).convert("RGB")).astype(int)
    side = min(halves.shape[:2])
    assert np.abs(halves[:side, :side] - halves[-side:, -side:]).mean() < 6
