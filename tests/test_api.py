"""What is public: described as it is, and not changed without a word."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
API: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "make_api.py"))
changes: Callable[..., dict[str, str]] = API["changes"]
untold: Callable[..., list[str]] = API["untold"]

CHANGELOG = "# Changelog\n## [2.0] - unreleased\n- {}\n## [1.0] - 2026-01-01\n- `frog`, `zoo frog`, `--frog`\n"


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == API["page"](), "write it anew with `make docs`"


def test_what_is_public_does_not_change_without_a_word() -> None:
    then = API["from_text"](API["SIGNATURES"].read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    forgotten = untold(changes(then, API["signatures"]()), changelog)
    assert not forgotten, (
        "this is public and has changed since tests/public_api.txt was written: add a line to the unreleased part of "
        "CHANGELOG.md that names it"
    )


def test_the_public_things_are_among_them() -> None:
    found = API["signatures"]()
    assert {"zoo.train", "zoo.Recipe.named", "zoo.registry.get", "zoo.contracts.Picture.rgb", "zoo run"} <= found.keys()
    assert {"zoo.hookspecs.zoo_components", "zoo.Register.loss", "registry.toml", "recipe.toml"} <= found.keys()
    assert found["zoo.load_model"]["device"] == "number 1, str = 'auto'"
    assert found["zoo resume"].keys() == {"folder", "--extend", "--epochs", "--steps", "--minutes", "--devices"}
    assert found["recipe.toml"]["batch"] == "int = 4"
    assert API["from_text"](API["as_text"](found)) == found


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
