from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

import zoo.registry.plugins
from zoo import Register, find_recipe, hookimpl, registry
from zoo.data.picture import LabPicture
from zoo.errors import UsageError, ZooError
from zoo.recipe import Recipe
from zoo.registry import resolve
from zoo.registry.options import options_of
from zoo.registry.part import names_of
from zoo.registry.spec import Spec, names_in
from zoo.training.objective import Objective


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
    assert find_recipe(data="photos/") == find_recipe("natural", data="photos/")


@pytest.mark.parametrize("part", ["generator", "critic", "loss"])
def test_networks_of_ones_own_get_settings_that_suit_any(part: str) -> None:
    own = {part: getattr(find_recipe("pix2pix"), part)}
    assert find_recipe(batch=3, **own) == find_recipe("landscapes", batch=3, **own)


def test_a_default_of_ones_own_fills_in_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "registry.toml").write_text('default = "demo"\n')
    registry.get.cache_clear()
    assert find_recipe(loss="l2+adv") == find_recipe("demo", loss="l2+adv")
    (tmp_path / "registry.toml").write_text('default = "demo"\nbase = "pix2pix"\n')
    registry.get.cache_clear()
    assert find_recipe(loss="l2+adv") == find_recipe("pix2pix", loss="l2+adv")
    assert find_recipe() == find_recipe("demo")


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
    assert recipe.loss == "100*losses/l1+0.5*losses/adv:smooth=0.0,r1=0.0,r1_every=16"
    assert recipe.data == f"datasets/folder:path={photos},val=0.05,min_side=64,decode=512"
    assert recipe.critic == "critics/patch:base=32,layers=2,norm=batch,features=false"
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


# ------------------------------------------------------------------------------------------------- later on


def plugin(name: str, distribution: str, version: str = "1.2", **factories: Any) -> Any:
    """Return a plugin with critics, losses, … by name, as the installed ones are found."""
    module = types.ModuleType(f"made_up_{name}")
    sys.modules[module.__name__] = module

    @hookimpl
    def zoo_components(register: Register) -> None:
        for key, factory in factories.items():
            kind, component = key.split("_")
            setattr(module, component, factory)
            getattr(register, kind)(component, f"{module.__name__}:{component}", summary="")

    dist = types.SimpleNamespace(name=distribution, version=version, requires=None)
    loaded = types.SimpleNamespace(zoo_components=zoo_components)
    return types.SimpleNamespace(name=name, value=module.__name__, dist=dist, load=lambda: loaded)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Have these plugins installed beside zoo's own, and no others."""
    real = list(entry_points(group="zoo"))

    def only(*more: Any) -> None:
        monkeypatch.setattr(zoo.registry.plugins, "entry_points", lambda group: [*real, *more])
        registry.get.cache_clear()

    yield only
    for name in [name for name in sys.modules if name.startswith("made_up_")]:
        del sys.modules[name]


def judge(*, width: int = 4, paths: tuple[int, ...] = (1, 2), depth: int | None = None) -> Any:
    return torch.nn.Conv2d(width, 1, 1)


def wider(*, width: int = 99, paths: tuple[int, ...] = (), depth: int | None = 7) -> Any:
    return torch.nn.Conv2d(width, 1, 1)


def test_a_changed_default_changes_nothing_that_was_resolved_before(install: Any) -> None:
    install(plugin("mine", "zoo-mine", critic_judge=judge))
    recipe = resolve(find_recipe("demo", critic="judge:depth=3")).recipe
    assert recipe.critic == "mine/judge:width=4,paths=1,2,depth=3"
    install(plugin("mine", "zoo-mine", "2.0", critic_judge=wider))
    plan = resolve(recipe)
    assert plan.critics
    assert plan.critics[0].values == {"width": 4, "paths": (1, 2), "depth": 3}
    assert plan.critics[0].make().in_channels == 4
    assert plan.recipe == recipe
    assert plan.critics[0].brief == "judge:width=4,paths=1,2,depth=3"


def test_another_plugin_of_the_same_name_changes_nothing_that_was_resolved_before(install: Any) -> None:
    before = resolve(find_recipe("demo"))
    install(plugin("theirs", "zoo-theirs", critic_patch=judge, loss_l1=judge, metric_psnr=judge, dataset_scenes=judge))
    Path("registry.toml").write_text('[aliases.generator]\nunet-shallow = "unet-deep"\n')
    registry.get.cache_clear()
    with pytest.raises(UsageError, match="more than one plugin offers"):
        resolve(find_recipe("demo"))
    after = resolve(before.recipe)
    assert after.recipe == before.recipe
    assert {part["plugin"] for part in after.provenance()} == {
        "unet", "critics", "losses", "datasets", "augmentations", "optimizers", "metrics",
    }  # fmt: skip
    assert names_of(after.metrics) == ["chroma_error", "psnr", "colourfulness", "variety", "bins"]


def test_names_that_stand_alone_mean_the_plugins_that_it_was_made_with(install: Any) -> None:
    """As in what an earlier zoo wrote down."""
    made_with = resolve(find_recipe("demo")).provenance()
    install(plugin("theirs", "zoo-theirs", critic_patch=judge, loss_l1=judge, dataset_scenes=judge))
    plan = resolve(find_recipe("demo"), made_with)
    assert plan.critics
    assert plan.critics[0].component.plugin == "critics"
    assert plan.losses[0].component.plugin == "losses"
    assert registry.get().part("dataset", "scenes:side=80", plugin="datasets").component.plugin == "datasets"


def test_what_is_missing_is_named_with_what_to_install(install: Any) -> None:
    install(plugin("mine", "zoo-mine", critic_judge=judge))
    before = resolve(find_recipe("demo", critic="judge"))
    made_with = before.provenance()
    assert made_with[1] == {
        "kind": "critic", "name": "judge", "plugin": "mine", "distribution": "zoo-mine", "version": "1.2",
    }  # fmt: skip
    install()
    for recipe in (before.recipe, before.asked):
        with pytest.raises(ZooError) as caught:
            resolve(recipe, made_with)
        assert str(caught.value).startswith(
            "the critic judge of the plugin mine is not there: pip install 'zoo-mine==1.2' (there is no critic "
            "'mine/judge'"
        )
    made_with[1]["distribution"] = "x' ; curl"
    with pytest.raises(ZooError, match=r"install its distribution, .x' ; curl. 1\.2"):
        resolve(before.recipe, made_with)


def test_two_losses_of_one_name_both_count(install: Any) -> None:
    def lost() -> Any:
        return lambda fake, real: 3 * fake.chroma.mean()

    install(plugin("theirs", "zoo-theirs", loss_l1=lost))
    objective = Objective(resolve(find_recipe("demo", critic="none", loss="losses/l1+2*theirs/l1")).losses)
    chroma = torch.ones(1, 2, 8, 8, requires_grad=True)
    fake, real = (LabPicture(torch.zeros(1, 1, 8, 8), share * chroma) for share in (1, 0))
    assert {name: float(loss.detach()) for name, loss in objective.image(fake, real).items()} == {
        "losses/l1": 100.0,
        "theirs/l1": 6.0,
    }


def test_weights_read_back_to_the_last_digit() -> None:
    recipe = resolve(find_recipe("demo", loss="0.12345678901234567*l1+1e-7*adv")).recipe
    assert [loss.weight for loss in resolve(recipe).losses] == [0.12345678901234567, 1e-7]


def test_every_shipped_component_keeps_all_its_options_in_text() -> None:
    known = registry.get()
    for component in known.components:
        if component.kind in ("tracker", "model"):
            continue
        required = {
            "folder": {"path": "/x"},
            "shards": {"path": "/x"},
            "torchvision": {"name": "STL10"},
            "fd": {"net": "test_resnet"},
            "kid": {"net": "test_resnet"},
        }.get(component.name, {})
        part = known.part(component.kind, Spec(component.qualified, required))
        options = {option.name for option in options_of(component.factory(), component.kind)}
        assert set(part.spec.options) == options, component
        again = known.part(component.kind, str(part.spec))
        assert again.spec == part.spec
        assert again.values == {**again.values, **part.values}


def test_names_alone_fit_into_a_table() -> None:
    recipe = resolve(find_recipe("style")).recipe
    assert names_in(recipe.generator) == "unet-deep"
    assert names_in(recipe.loss) == "50*l1+1*adv+0.1*vgg+0.002*gram"
    assert names_in("none") == "none"
    assert names_in("un:") == "un:"
