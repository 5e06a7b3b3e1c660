"""What `--help` shows: whole sentences, and every default of a recipe."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from zoo.cli.main import app
from zoo.recipe import Recipe


def shown(*words: str) -> str:
    answer = CliRunner().invoke(app, [*words, "--help"])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def sentence(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("columns", [40, 80])
def test_summaries_are_wrapped_not_cut(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = shown()
    assert max(map(len, text.splitlines())) <= columns
    assert "..." not in text.partition("Commands:")[2]
    for whole in (
        "resume Go on with a run from its newest checkpoint, as if it had never stopped.",
        "plugins List installed plugins: where from, what they offer, how long they take to load, what is wrong with",
    ):
        assert whole in sentence(text)


@pytest.mark.parametrize(
    "command", ["run", "resume", "colorize", "compare", "list", "show", "runs", "check", "plugins", "plugin"]
)
def test_no_help_is_wider_than_the_terminal(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sentence(shown(command))
    monkeypatch.setenv("COLUMNS", "40")
    text = shown(command)
    long = re.compile(r"  -\S+(, -\S+)* <\S*\|\S*>")  # the names of all kinds
    assert max(len(line) for line in text.splitlines() if not long.match(line)) <= 40
    # A word that is longer than its column is broken.
    assert "".join(text.split()) == "".join(whole.split())


def test_a_run_shows_every_default() -> None:
    text = re.sub("\n +", "  ", shown("run"))
    for name, field in Recipe.model_fields.items():
        default = field.default
        if field.is_required() or default in (None, "", ()):
            continue
        place = re.search(rf"--{name.replace('_', '-')}[ ,]|  {name} ", text)
        assert place, name
        value = str(default).lower() if isinstance(default, bool) else str(default)
        found = re.search(r"\[default: ([^\]]*)\]", text[place.start() :])
        assert found is not None
        assert sentence(found[1]) == value, name


def test_a_run_lists_each_field_once() -> None:
    command: Any = typer.main.get_command(app)
    options = {parameter.name.rstrip("_") for parameter in command.commands["run"].params}
    rest = shown("run").partition("Fields for --set:")[2]
    listed = set(re.findall(r"^  (\w+)", rest, re.MULTILINE))
    assert listed | options >= set(Recipe.model_fields)
    assert not listed & options
