"""What is public: listed once, described, and not changed without a word."""

from __future__ import annotations

import re
from pathlib import Path

import griffe
import pytest
from public_api import SIGNATURES, as_text, changes, from_text, members, methods, public_modules, signatures, untold

ROOT = Path(__file__).parents[2]

CHANGELOG = "# Changelog\n## [2.0] - unreleased\n- {}\n## [1.0] - 2026-01-01\n- `frog`, `zoo frog`, `--frog`\n"


def test_table_pages_and_signatures_are_about_the_same_modules() -> None:
    modules = [module.path for module in public_modules()]
    assert len(modules) == len(set(modules))
    assert {owner.rpartition(".")[0] for owner in signatures()} >= set(modules)
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").iterdir()}
    assert pages.keys() == set(modules)
    for name, text in pages.items():
        assert re.findall(r"^# (.*)$", text, re.MULTILINE) == re.findall(r"^::: (.*)$", text, re.MULTILINE) == [name]


def test_a_public_name_is_no_module_that_is_not_in_the_table() -> None:
    """A function that has the name of a module beside it hides that module, or is hidden by it."""
    modules = {module.path: module for module in public_modules()}
    named = [module[str(name)] for module in modules.values() for name in module.exports or ()]
    assert {thing.path for thing in named if thing.is_module} <= modules.keys()


def test_every_public_name_has_a_docstring() -> None:
    missing = []
    for module in public_modules():
        things = list(members(module))
        for name, cls in [*things]:
            if cls.is_class:
                things += [(f"{name}.{method}", one) for method, one in methods(cls)]
        missing += [f"{module.path}.{name}" for name, thing in [("", module), *things] if not is_described(thing)]
    assert not missing


def is_described(thing: griffe.Object) -> bool:
    """Whether it has a docstring, or is a method whose base class has one for it, or one that Python itself calls."""
    if thing.has_docstring or thing.name.startswith("__"):
        return True
    bases = thing.parent.mro() if thing.parent and thing.parent.is_class else []
    return any(thing.name in base.members and base.members[thing.name].has_docstring for base in bases)


def test_what_is_public_does_not_change_without_a_word() -> None:
    then = from_text(SIGNATURES.read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    forgotten = untold(changes(then, signatures()), changelog)
    assert not forgotten, (
        "this is public and has changed since tests/public_api.txt was written: add a line to the unreleased part of "
        "CHANGELOG.md that names it"
    )


def test_the_public_things_are_among_them() -> None:
    found = signatures()
    assert {
        "zoo.train",
        "zoo.Recipe.load",
        "zoo.Register.loss",
        "zoo.registry.get",
        "zoo.registry.contracts.Generator.__call__",
        "zoo.registry.hookspecs.zoo_components",
        "zoo.photo.color.fit_gamut",
        "zoo run",
        "registry.toml",
    } <= found.keys()
    assert found["zoo.load_model"]["device"] == "number 1, str = 'auto'"
    assert found["zoo.registry.contracts.Picture.rgb"] == {"return": "Tensor"}
    assert found["zoo.photo.color.AB_SCALE"] == {"value": "110.0"}
    assert found["zoo.errors.ZooError"] == {"is": "zoo.ZooError"}
    assert found["zoo resume"].keys() == {"folder", "--extend", "--epochs", "--steps", "--minutes", "--devices"}
    assert found["recipe.toml"]["lr"] == "float = 0.0002"
    assert from_text(as_text(found)) == found


BEFORE = {
    "zoo.f": {"a": "int", "return": "int"},
    "zoo.C": {},
    "zoo.C.m": {"x": "int"},
    "zoo run": {"--gen/-g": "option"},
}


@pytest.mark.parametrize(
    ("after", "name"),
    [
        ({**BEFORE, "zoo.f": {"a": "float", "return": "int"}}, "a"),
        ({**BEFORE, "zoo.f": {"a": "int", "frog": "int", "return": "int"}}, "frog"),
        ({**BEFORE, "zoo.f": {"a": "int", "return": "str"}}, "f"),
        ({k: v for k, v in BEFORE.items() if k != "zoo.f"}, "f"),
        ({k: v for k, v in BEFORE.items() if not k.startswith("zoo.C")}, "C"),
        ({**BEFORE, "zoo.C.frog": {}}, "frog"),
        ({**BEFORE, "zoo frog": {"--out": "option"}}, "zoo frog"),
        ({**BEFORE, "zoo run": {"--gen/-g": "option", "--frog": "option"}}, "--frog"),
        ({**BEFORE, "zoo run": {"--gen": "option"}}, "--gen"),
    ],
)
def test_a_change_is_found_and_wants_its_line(after: dict[str, dict[str, str]], name: str) -> None:
    found = changes(BEFORE, after)
    assert set(found.values()) == {name}
    # What an older version says of it, and what merely contains the name, does not count.
    assert untold(found, CHANGELOG.format("something else, `frogs`, `--gen-frog`")) == list(found)
    assert untold(found, CHANGELOG.format(f"a line about `{name}`")) == []


def test_what_stays_wants_none() -> None:
    assert changes(BEFORE, BEFORE) == {}
