from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from zoo import find_recipe
from zoo.errors import UsageError
from zoo.recipe import Recipe
from zoo.registry import resolve


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(ValidationError):
        find_recipe("demo").size = 3  # type: ignore[misc]


def test_toml_round_trip(tmp_path: Path) -> None:
    recipe = find_recipe("demo", lr=1e-3, seed=5, steps=7)
    path = tmp_path / "mine.toml"
    path.write_text(recipe.to_toml())
    assert Recipe.load(path) == recipe


def test_a_duration_replaces_the_recipes_own_whatever_its_unit() -> None:
    recipe = find_recipe("landscapes", minutes=8)
    assert (recipe.epochs, recipe.steps, recipe.minutes) == (None, None, 8)


def test_a_size_replaces_growing_ones(tmp_path: Path) -> None:
    path = tmp_path / "growing.toml"
    path.write_text(find_recipe("landscapes", size="32,64,96").to_toml())
    assert find_recipe(str(path), seed=1).progressive_sizes == (32, 64)
    assert find_recipe(str(path), size=128).progressive_sizes == ()
    assert find_recipe(str(path), size="48,128").progressive_sizes == (48,)
    assert find_recipe(str(path), size=128, progressive_sizes="48").progressive_sizes == (48,)


def test_a_schedule_brings_its_own_end() -> None:
    schedule = "generator:2 gan:3"
    assert find_recipe("landscapes", schedule=schedule).last_epoch == 5
    assert find_recipe("landscapes", schedule=schedule, epochs=9).last_epoch == 9
    assert find_recipe("demo", schedule=schedule).minutes is None
    assert find_recipe("landscapes", schedule="").epochs == find_recipe("landscapes").epochs


def test_the_default_recipe_fills_in() -> None:
    assert find_recipe(data="photos/").generator == find_recipe("landscapes").generator


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sise": 3}, "a recipe has no 'sise': did you mean 'size'"),
        ({"size": 3}, "size = 3: input should be greater than or equal to 16"),
        ({"batch": "two"}, "batch = 'two': input should be a valid integer"),
        ({"device": "gpu"}, "device = 'gpu'"),
        ({"steps": 0}, "steps = 0"),
        ({"schedule": "generator:1,gan:2"}, "schedule = 'generator:1,gan:2': expected who learns for how many epochs"),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_recipe("demo", **changes)


def test_a_run_must_end() -> None:
    table = {"generator": "unet-deep", "critic": "none", "loss": "l1", "data": "scenes"}
    with pytest.raises(UsageError, match="give one of epochs, steps and minutes"):
        Recipe.from_table(table, "mine")
    with pytest.raises(UsageError, match="mine: loss is missing"):
        Recipe.from_table({k: v for k, v in table.items() if k != "loss"} | {"steps": 1}, "mine")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "l1"}, "the critic .* has no part in --loss l1: add an adversarial loss .adv, adv-hinge, adv-lsgan."),
        ({"critic": "none"}, "adv needs a critic: write --critic NAME .patch, pixel."),
        ({"loss": "l1+adv+2*l1"}, "l1 is there twice"),
        ({"loss": "l1+advv"}, "there is no loss 'advv': did you mean 'adv'"),
        ({"generator": "unet-dep"}, "did you mean 'unet-deep'"),
        ({"data": "scnes"}, "there is no dataset 'scnes': did you mean 'scenes'"),
        ({"generator": "unet-deep:"}, "expected option=value"),
        ({"schedule": "generator:1 gan:2", "critic": "none", "loss": "l1"}, "needs a critic"),
        ({"schedule": "generator:1 gan:2", "loss": "adv"}, "--loss adv teaches nothing"),
    ],
)
def test_parts_that_do_not_fit_together(changes: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(find_recipe("demo", **changes))


def test_resolving_writes_weights_and_paths_out(photos: Path) -> None:
    recipe = resolve(find_recipe("demo", data="photos", loss="l1+0.5*adv")).recipe
    assert recipe.loss == "100*l1+0.5*adv"
    assert recipe.data == f"folder:path={photos}"
    assert resolve(recipe).recipe == recipe
    with pytest.raises(UsageError, match="generator unet-deep has no option 'x'"):
        _ = resolve(find_recipe("demo", generator="unet-deep:x=1")).recipe


def test_a_malformed_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('generator = "x"\ncritic = \n')
    with pytest.raises(UsageError, match=r"r.toml, line 2: "):
        Recipe.load(path)
    with pytest.raises(UsageError, match=r"gone.toml cannot be read"):
        Recipe.load(tmp_path / "gone.toml")


def test_an_automatic_batch_is_written_as_it_is_typed() -> None:
    recipe = find_recipe("demo", batch="auto")
    assert 'batch = "auto"' in recipe.to_toml()
    assert Recipe.from_table(recipe.to_table(), "it") == recipe
    for wrong in ("0", 0, "-1", "many"):
        with pytest.raises(UsageError, match="batch = "):
            find_recipe("demo", batch=wrong)
