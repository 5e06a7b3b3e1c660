from __future__ import annotations

from pathlib import Path

import pytest

from zoo.catalogue import load_catalogue, read_layer
from zoo.errors import UsageError
from zoo.recipe import Recipe


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_catalogue_has_the_promised_recipes() -> None:
    catalogue = load_catalogue()
    assert {"demo", "landscapes", "pix2pix", "deep", "style"} <= set(catalogue.recipes)
    assert catalogue.default in catalogue.recipes


def test_every_shipped_recipe_is_valid() -> None:
    for name in load_catalogue().recipes:
        recipe = Recipe.named(name)
        recipe.check_parts()
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
    assert catalogue.disabled == {"smp"}
    assert catalogue.sources["both"] == tmp_path / "project" / "registry.toml"


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
