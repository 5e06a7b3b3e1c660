from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import augmentations, tiny
from torch import Tensor

from zoo import UsageError, ZooError
from zoo.data.augmentation import Augmentations
from zoo.data.crops import cropped
from zoo.data.picture import LabPicture
from zoo.registry import get, resolve
from zoo.registry.part import Part
from zoo.testing.subject import pictures


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crpo", r"there is no augmentation 'crpo': did you mean 'crop'\?"),
        ("crop:smalest=1", "crop has no option 'smalest': did you mean 'smallest'"),
        ("crop:smallest=0", "option smallest=0: input should be greater than 0"),
        ("crop:smallest=big", "option smallest=big: input should be a valid number"),
        ("crop+", "expected the name of a component"),
        ("2*flip", r"--augment 2\*flip: flip has no weight"),
        ("crop+crop:smallest=1", "--augment: crop and crop both choose a square to learn from: take one"),
    ],
)
def test_what_makes_no_sense_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        augmentations(text)


def test_they_are_written_down_whole_and_in_order() -> None:
    recipe = resolve(tiny(augment="flip+crop:smallest=0.5+film")).recipe
    assert recipe.augment == (
        "augmentations/flip+augmentations/crop:smallest=0.5+augmentations/film:grain=5.0,contrast=0.3,fading=0.2"
    )
    assert resolve(recipe).recipe == recipe
    assert {resolve(tiny(augment=text)).recipe.augment for text in ("none", "")} == {"none"}


class Made(Part):
    """A part that is made already."""

    def make(self, **_: Any) -> Any:
        return self.options["made"]


def made(*augmentations: Any) -> Augmentations:
    """Return augmentations of these objects."""
    component = replace(get().find("augmentation", "flip"), name="odd", plugin="theirs")
    return Augmentations([Made(component, "odd", {"made": one}, None, {}) for one in augmentations])


class Add:
    """Adds what it drew."""

    def __init__(self, *drawn: float) -> None:
        self.drawn = drawn

    def draw(self, rng: np.random.Generator) -> tuple[float, ...]:
        return self.drawn

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return lightness + drawn.sum(dim=1).view(-1, 1, 1, 1), chroma


class Double:
    """Draws nothing."""

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        assert drawn.shape == (len(lightness), 0)
        return lightness * 2, chroma * 3


PHOTO = torch.zeros(3, 20, 30, dtype=torch.uint8)


def test_each_gets_what_it_drew_in_order() -> None:
    augment = made(Add(1.0), Double(), Add(2.0, 4.0))
    drawn = cropped(PHOTO, 16, augment, np.random.default_rng(0)).drawn
    assert drawn == [1, 2, 4]
    lightness, chroma = augment(torch.zeros(2, 1, 4, 4), torch.ones(2, 2, 4, 4), torch.tensor([drawn, [0, 0, 1]]))
    assert lightness[:, 0, 0, 0].tolist() == [8, 1]
    assert (chroma == 3).all()


class Wrong:
    """Chooses and returns what it is told to."""

    def __init__(self, window: Any = (0, 0, 8), drawn: Any = (), result: Any = None) -> None:
        self.chosen, self.drawn, self.result = window, drawn, result

    def window(self, rng: np.random.Generator, height: int, width: int) -> Any:
        return self.chosen

    def draw(self, rng: np.random.Generator) -> Any:
        return self.drawn() if callable(self.drawn) else self.drawn

    def __call__(self, lightness: Tensor, chroma: Tensor, drawn: Tensor) -> Any:
        return self.result


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Wrong(window=(0, 0, 21)), r"window\(…\) returns top 0, left 0 and side 21: no square of a photograph of 30 ×"),
        (Wrong(window=(0, -1, 8)), "top 0, left -1 and side 8: no square"),
        (Wrong(window=None), r"window\(…\) returns None, expected top, left and side"),
        (Wrong(drawn=3.0), r"draw\(…\) returns 3.0, expected numbers"),
        (Wrong(drawn=[float("nan")]), "expected finite numbers"),
        (Wrong(drawn=iter([(1,), (1, 2)]).__next__), r"draw\(…\) returns 2 numbers, and 1 before: always as many"),
        (Wrong(result=3), "it returns int, expected lightness and chroma"),
        (Wrong(result=(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 4, 4))),
         r"it returns as lightness torch.float32 \(1, 1, 2, 2\), expected torch.float32 \(1, 1, 4, 4\)"),
    ],
)  # fmt: skip
def test_a_broken_contract_is_named(wrong: Wrong, message: str) -> None:
    def use() -> None:
        augment = made(wrong)
        cropped(PHOTO, 16, augment, np.random.default_rng(0))
        augment(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4), torch.zeros(1, 0))

    with pytest.raises(ZooError, match=f"augmentation odd of the plugin theirs .* breaks its contract: .*{message}"):
        use()


def test_crops_and_flips_are_what_they_always_were() -> None:
    """The same numbers, drawn in the same order: a run of an earlier zoo sees the same pictures."""
    augment = augmentations("crop:smallest=0.6+flip")
    photo = torch.arange(3 * 40 * 60, dtype=torch.int64).view(3, 40, 60).remainder(251).to(torch.uint8)
    for seed in range(8):
        found = cropped(photo, 16, augment, np.random.default_rng(seed))
        crop, drawn = found.photo, found.drawn
        rng = np.random.default_rng(seed)
        side = max(1, round(40 * rng.uniform(0.6, 1)))
        top, left = int(rng.integers(40 - side + 1)), int(rng.integers(60 - side + 1))
        assert drawn == [float(rng.random() < 0.5)]
        rows, columns = slice(top, top + side), slice(left, left + side)
        resized = torch.nn.functional.interpolate(
            photo[None, :, rows, columns], (16, 16), mode="bilinear", antialias=True
        )
        assert torch.equal(crop, resized[0])


def test_mirrored_pictures_are_mirrored_bit_for_bit() -> None:
    picture = pictures(batch=3, size=32)
    lightness, chroma = augmentations("flip")(picture.lightness, picture.chroma, torch.tensor([[1.0], [0.0], [1.0]]))
    photos = (picture.rgb * 255).round().to(torch.uint8)
    real = LabPicture.of_photos(photos)
    mirrored, _ = augmentations("flip")(real.lightness, real.chroma, torch.tensor([[1.0], [0.0], [1.0]]))
    expected = LabPicture.of_photos(torch.stack([photos[0].flip(-1), photos[1], photos[2].flip(-1)]))
    assert torch.equal(mirrored, expected.lightness)
    assert torch.equal(lightness[0], picture.lightness[0].flip(-1))
    assert torch.equal(chroma[1], picture.chroma[1])


def test_film_leaves_the_colours_and_has_the_grain_that_it_says() -> None:
    film = get().build("augmentation", "film:grain=50,contrast=0,fading=0")
    grey, chroma = torch.zeros(2, 1, 256, 256), torch.rand(2, 2, 256, 256)
    for softness in (0.0, 1.0):
        # exponent, black, white, grain, softness, seed
        drawn = torch.tensor([[1, 0, 1, 0.04, softness, 5], [1, 0, 1, 0.02, softness, 6]])
        lightness, same = film(grey, chroma, drawn)
        assert torch.equal(same, chroma)
        assert (lightness.std((1, 2, 3)) * 50).tolist() == pytest.approx([4, 2], rel=0.03)
        assert lightness.mean().item() == pytest.approx(0, abs=0.005)
        neighbours = torch.corrcoef(torch.stack([lightness[0, 0, :, 1:].flatten(), lightness[0, 0, :, :-1].flatten()]))
        assert float(neighbours[0, 1]) == pytest.approx(2 / 3 if softness else 0, abs=0.03)
    black, _ = film(torch.full_like(grey, -1), chroma, drawn)
    assert (black == -1).all()
    faded, _ = film(
        torch.tensor([[-1.0, 1.0]]).expand(1, 1, 2, 2), chroma[:1, :, :2, :2], torch.tensor([[1.2, 0.1, 0.9, 0, 0, 1]])
    )
    assert faded[0, 0, 0].tolist() == pytest.approx([-0.8, 0.8])
