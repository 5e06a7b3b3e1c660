from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from zoo import find_recipe, registry
from zoo.cli.main import app
from zoo.errors import UsageError
from zoo.recipe import Recipe
from zoo.registry import resolve
from zoo.registry.catalogue import line_of, load_catalogue, read_layer


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_catalogue_has_the_promised_recipes() -> None:
    catalogue = load_catalogue()
    assert {"demo", "landscapes", "pix2pix", "deep", "style"} <= set(catalogue.recipes)
    assert {catalogue.default, catalogue.base} <= set(catalogue.recipes)


def test_every_shipped_recipe_is_valid() -> None:
    for name in load_catalogue().recipes:
        recipe = find_recipe(name)
        resolve(recipe)
        assert recipe.summary


def test_the_nearest_layer_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    theirs = '[recipes.%s]\ngenerator="%s"\ncritic="patch"\nloss="l1+adv"\ndata="scenes"\nsteps=1\n'
    write(
        tmp_path / "config" / "zoo" / "registry.toml",
        'default="mine"\n' + theirs % ("mine", "a") + theirs % ("both", "user"),
    )
    write(tmp_path / "project" / "registry.toml", 'disabled=["smp"]\n' + theirs % ("both", "project"))
    below = tmp_path / "project" / "deep" / "down"
    below.mkdir(parents=True)
    catalogue = load_catalogue(below)
    assert catalogue.default == "mine"
    assert catalogue.recipe("mine")["generator"] == "a"
    assert catalogue.recipe("both")["generator"] == "project"
    assert catalogue.recipe("demo")
    assert catalogue.disabled == {"smp": [tmp_path / "project" / "registry.toml"]}
    assert catalogue.source("recipes", "both") == (tmp_path / "project" / "registry.toml", 2)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('default = "demo"\n[recipes.x\n', 2, ""),
        ('default = "demo"\n\nname = x\n', 3, ""),
        ('default = "demo"\ndisabeld = []\n', 2, "disabeld: unknown: did you mean 'disabled'?"),
        ('\ndisabled = "smp"\n', 2, "disabled: input should be a valid list"),
        ('[recipes]\n[recipes.a]\nsize=1\n[aliases]\nencoder = {a = "b"}\n', 5, "aliases.encoder"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = write(tmp_path / "registry.toml", text)
    with pytest.raises(UsageError) as caught:
        read_layer(path)
    assert str(caught.value).startswith(f"{path}, line {line}: {message}")


def test_unknown_recipe() -> None:
    with pytest.raises(UsageError, match="there is no recipe 'dmeo': did you mean 'demo'"):
        load_catalogue().recipe("dmeo")


# ------------------------------------------------------------------------------------------------- extending


def test_a_recipe_fills_in_what_another_leaves_out(tmp_path: Path) -> None:
    write(
        tmp_path / "registry.toml",
        '[recipes.small]\nextends = "landscapes"\nsize = 64\n'
        '[recipes.smaller]\nextends = "small"\nsummary = "the smallest"\nbatch = 2\nminutes = 3\n',
    )
    landscapes, small, smaller = (find_recipe(name) for name in ("landscapes", "small", "smaller"))
    assert small == landscapes.model_copy(update={"size": 64})
    # A duration replaces all of them.
    changes = {"size": 64, "batch": 2, "minutes": 3, "epochs": None, "summary": "the smallest"}
    assert smaller == landscapes.model_copy(update=changes)
    assert "extends" not in smaller.to_toml()


def test_a_summary_is_not_handed_on_with_another_part(tmp_path: Path) -> None:
    write(tmp_path / "registry.toml", '[recipes.mine]\nextends = "landscapes"\nloss = "l2+adv"\n')
    assert find_recipe("mine").summary == ""


def test_a_recipe_extends_the_one_that_it_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    write(tmp_path / "config" / "zoo" / "registry.toml", '[recipes.demo]\nextends = "demo"\nbatch = 3\nseed = 7\n')
    shipped = find_recipe("demo")
    write(tmp_path / "registry.toml", '[recipes.demo]\nextends = "demo"\nbatch = 2\n')
    registry.get.cache_clear()
    assert shipped.batch == 3
    assert find_recipe("demo") == shipped.model_copy(update={"batch": 2})
    assert load_catalogue().place_of_field("demo", "seed").endswith("zoo/registry.toml, line 4")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            '[recipes.a]\nextends = "landscape"\n',
            2,
            "there is no recipe 'landscape' to extend: did you mean 'landscapes'?",
        ),
        ('[recipes.a]\n\nextends = "a"\n', 3, "these recipes extend one another: a -> a"),
        (
            '[recipes.b]\nextends = "a"\n[recipes.a]\nextends = "b"\n',
            2,
            "these recipes extend one another: a -> b -> a",
        ),
        ("[recipes.a]\nextends = 3\n", 2, "there is no recipe 3 to extend"),
    ],
)
def test_what_cannot_be_extended_is_named_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = write(tmp_path / "registry.toml", text)
    with pytest.raises(UsageError) as caught:
        find_recipe("a")
    assert str(caught.value) == f"{path}, line {line}: {message}"


def test_a_field_that_is_wrong_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "registry.toml",
        '[fields]\nworkers = -1\n[recipes.a]\nbatch = 0\nextends = "demo"\n'
        '[recipes.b]\nextends = "a"\nsize = 64\n[recipes.c]\n',
    )
    for name, line in (("landscapes", 2), ("a", 4), ("b", 4), ("c", 9)):
        with pytest.raises(UsageError) as caught:
            find_recipe(name, **({} if name == "landscapes" else {"workers": 0}))
        assert str(caught.value).startswith(f"recipe {name} ({path}, line {line}): ")


# ------------------------------------------------------------------------------------------------- defaults

DEFAULTS = """
[aliases.generator]
big = "unet-deep"

[options.generator.unet-deep]
base = 8
dropout = false

[options.generator.big]
norm = "instance"

[options.generator.unet-shallow]
depth = 2

[options.dataset.folder]
min_side = 99

[options.loss.gram]
layers = [1, 2]

[fields]
batch = 2
minutes = 9
device = "cpu"
"""


@pytest.fixture
def defaults(tmp_path: Path) -> Path:
    return write(tmp_path / "registry.toml", DEFAULTS)


def test_default_options_count_where_none_are_written(defaults: Path) -> None:
    filled = "base=8,dropout=false,norm=instance"
    assert find_recipe("landscapes").generator == f"unet-deep:{filled}"
    assert find_recipe("demo", generator="big").generator == f"big:{filled}"
    assert find_recipe("demo").generator == "unet-shallow:depth=2,base=32"
    assert find_recipe("demo").critic == "patch:base=32,layers=2"
    assert find_recipe("demo", data="photos/").data == "folder:min_side=99,path=photos/"
    loss = find_recipe("demo", loss="5*l1+adv+gram").loss
    assert loss == "5*l1+adv+gram:layers=1,2"


def test_show_measures_with_default_options(defaults: Path) -> None:
    shown = CliRunner().invoke(app, ["show", "unet-deep:norm=none", "--size", "16"])
    assert shown.exit_code == 0, shown.output
    assert "\nwith base=8,norm=none,dropout=false at 16×16:\n" in shown.stdout


def test_what_is_written_wins(defaults: Path) -> None:
    written = find_recipe("landscapes", generator="unet-deep:dropout=true,base=16").generator
    assert written == "unet-deep:base=16,dropout=true,norm=instance"
    assert find_recipe("demo", loss="l1+adv+2*gram:layers=0").loss == "l1+adv+2*gram:layers=0"


def test_default_fields_count_where_a_recipe_has_none(defaults: Path) -> None:
    recipe = find_recipe("landscapes")
    assert (recipe.device, recipe.batch, recipe.epochs, recipe.minutes) == ("cpu", 4, 100, None)
    assert find_recipe("landscapes", device="auto", batch=1).device == "auto"


def test_a_recipe_of_a_file_says_all_itself(defaults: Path, tmp_path: Path) -> None:
    """So that what a run wrote down means the same beside any registry.toml."""
    recipe = resolve(find_recipe("landscapes", device="auto")).recipe
    assert recipe.generator == "unet/unet-deep:base=8,depth=none,norm=instance,dropout=false,up=transposed"
    defaults.write_text(DEFAULTS.replace("base = 8", "base = 99\nup = 'resize'").replace("gram", "vgg"))
    registry.get.cache_clear()
    file = write(tmp_path / "run" / "recipe.toml", recipe.to_toml())
    assert Recipe.load(file) == recipe
    assert resolve(Recipe.load(file)).recipe == recipe
    assert find_recipe(str(tmp_path / "run")) == recipe
    assert (
        find_recipe(str(file), generator="big:norm=none").generator == "big:base=99,up=resize,dropout=false,norm=none"
    )


def test_what_is_built_knows_no_defaults(tmp_path: Path) -> None:
    """So that a model has the shape that its recipe says, beside any registry.toml."""

    def shapes() -> list[Any]:
        registry.get.cache_clear()
        return [p.shape for p in registry.get().build("generator", "unet-shallow:depth=2", size=32).parameters()]

    before = shapes()
    write(tmp_path / "registry.toml", "[options.generator.unet-shallow]\nbase = 2\n")
    assert shapes() == before
    assert find_recipe("demo", generator="unet-shallow:depth=2").generator == "unet-shallow:base=2,depth=2"


def test_a_default_option_that_is_wrong_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "registry.toml", "[options.generator.unet-deep]\nbsae = 8\n")
    with pytest.raises(UsageError) as caught:
        _ = resolve(find_recipe("landscapes")).recipe
    assert "generator unet-deep has no option 'bsae': did you mean 'base'?" in str(caught.value)
    assert str(caught.value).endswith(f"(default options are in {path}, line 2)")


def test_defaults_leave_to_others_what_makes_no_sense(defaults: Path) -> None:
    for change in ({"generator": "nope"}, {"generator": "unet-deep:"}, {"loss": "adv+"}):
        with pytest.raises(UsageError):
            resolve(find_recipe("landscapes", **change))


# ------------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["a"], 2),
        (["b", "c"], 5),
        (["b", "c", "d"], 5),
        (["b", "x.y", "z"], 8),
        (["list"], 3),
        (["b", "nothing"], 4),
        (["nothing"], 1),
    ],
)
def test_lines_are_found(keys: list[str], line: int) -> None:
    text = '# a = 1\na = 1 # b = 3\nlist = ["b", "c"]\n[b]\nc = {d = 1}\n\n  [ b . "x.y" ]\nz=1\n'
    assert line_of(text, keys) == line


# ------------------------------------------------------------------------------------------------- whose it is


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry.toml of somebody else's, in a folder above the working folder."""
    path = write(tmp_path / "shared" / "registry.toml", '[recipes.theirs]\nextends = "demo"\n')
    below = tmp_path / "shared" / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    if os.getuid() == 0:
        os.chown(path, 54321, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 54321)
    return path


def test_somebody_elses_file_is_not_taken_and_that_is_said(strangers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = load_catalogue()
    assert catalogue.project is None
    assert "theirs" not in catalogue.recipes
    (said,) = catalogue.passed_over
    assert said.startswith(f"{strangers} belongs to the user ")
    assert said.endswith(f"and is not taken: copy it, or allow it with ZOO_TRUST={strangers}")
    listed = CliRunner().invoke(app, ["registry"])
    assert said in listed.stderr
    monkeypatch.setenv("ZOO_TRUST", str(strangers))
    assert "theirs" in load_catalogue().recipes


def test_the_nearest_of_ones_own_is_taken_instead(strangers: Path) -> None:
    if os.getuid() == 0:
        mine = write(strangers.parents[1] / "registry.toml", '[recipes.mine]\nextends = "demo"\n')
        catalogue = load_catalogue()
        assert catalogue.project == mine
        assert "mine" in catalogue.recipes
        assert "theirs" not in catalogue.recipes


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_neither_end_of_a_link_may_be_somebody_elses(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.toml", "")
    (tmp_path / "registry.toml").symlink_to(mine)
    assert load_catalogue().project
    os.chown(tmp_path / "registry.toml", 54321, -1, follow_symlinks=False)
    assert load_catalogue().project is None


def test_the_projects_file_is_named_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "registry.toml", '[recipes.mine]\nextends = "demo"\n')
    assert f"# 2: {path}  (this project's)\n" in CliRunner().invoke(app, ["registry"]).stdout
    ran = CliRunner().invoke(app, ["run", "--gen", "nope"])
    assert ran.exit_code == 2
    words = ["run", "-r", "demo", "--size", "32", "--batch", "2", "--device", "cpu", "--set", "workers=0", "--dry-run"]
    ran = CliRunner().invoke(app, words)
    assert ran.stderr.count(f"note: {path} has a say in this run; `zoo registry` shows what it says\n") == 1


# ------------------------------------------------------------------------------------------------- consent


_FETCHES = 'generator = "smp-unet:encoder=resnet34"\n'


@pytest.mark.parametrize(
    ("text", "words", "asked"),
    [
        ('default = "mine"\n[recipes.mine]\nextends = "demo"\n' + _FETCHES, [], False),
        ('default = "mine"\n[recipes.mine]\nextends = "demo"\n' + _FETCHES, ["--recipe", "mine"], True),
        ('[recipes.mine]\nextends = "demo"\n', ["--gen", "smp-unet"], True),
        ('default = "mine"\n[recipes.mine]\nextends = "demo"\n' + _FETCHES, ["--gen", "smp-unet"], True),
        ("[options.generator.smp-unet]\nencoder = 'resnet50'\n", ["--gen", "smp-unet"], False),
    ],
)
def test_what_only_a_registry_toml_asks_for_is_not_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: list[str], asked: bool
) -> None:
    """Where the command line asks for it, it is tried, and here there is no network."""
    path = write(tmp_path / "registry.toml", text)
    loss = ["--loss", "l1", "--critic", "none", "--data", "scenes:length=4", "--device", "cpu"]
    said = CliRunner().invoke(app, ["run", *words, *loss, "--dry-run"]).stderr.splitlines()[-1]
    assert said.startswith("error: generator smp-unet: ")
    assert ("Could not fetch the weights 'imagenet'" in said) == asked
    assert (f"would be downloaded. {path if 'extends' not in text else ''}" in said) != asked
    assert ("name the recipe there (--recipe NAME)" in said) != asked


def test_a_tracker_sends_nothing_that_only_a_registry_toml_asks_for(tmp_path: Path) -> None:
    path = write(tmp_path / "registry.toml", '[fields]\ntrack = "wandb"\n')
    words = ["run", "--recipe", "demo", "--size", "32", "--batch", "2", "--device", "cpu", "--set", "workers=0"]
    ran = CliRunner().invoke(app, [*words, "--steps", "1"], env={"WANDB_MODE": "online"})
    assert ran.exit_code == 2
    assert f"would be sent to Weights & Biases. {path}, line 2, asks for that" in ran.stderr
    assert not Path("runs").exists()


# ------------------------------------------------------------------------------------------------- a thousand recipes


def test_a_thousand_recipes_that_extend_one_another_are_read_at_once(tmp_path: Path) -> None:
    chain = [f'[recipes.r{n}]\nextends = "r{n - 1}"\n' for n in range(1, 1500)]
    write(tmp_path / "registry.toml", '[recipes.r0]\nextends = "demo"\n' + "".join(chain))
    start = time.process_time()
    assert CliRunner().invoke(app, ["list"]).stdout.count("extends r") == 1499
    assert find_recipe("r1499").generator == find_recipe("demo").generator
    assert CliRunner().invoke(app, ["registry"]).stdout.count("extends = ") >= 1500
    assert time.process_time() - start < 10


def test_a_thousand_recipes_in_a_circle_are_one_problem(tmp_path: Path) -> None:
    chain = [f'[recipes.r{n}]\nextends = "r{(n + 1) % 1500}"\n' for n in range(1500)]
    path = write(tmp_path / "registry.toml", "".join(chain) + '[recipes.x]\nextends = "r7"\n')
    (remark,) = registry.get().remarks
    assert remark == f"{path}, line 3000: these recipes extend one another: r0 -> r1 -> r2 -> … -> r1498 -> r1499 -> r0"
