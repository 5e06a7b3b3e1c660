"""`zoo check` on whole packages: one of wrong components, each caught by the check that is there for it; right ones."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import colourful
from forking import Forking
from sites import add_metadata
from typer.testing import CliRunner

from zoo import registry
from zoo.cli.main import app

PACKAGES = Path(__file__).parents[1] / "packages"

CAUGHT = {
    "wrong-company": ("batch independent", "a picture alone comes to something else than among others"),
    "wrong-zero": ("gradients", "all gradients are zero: the output does not depend on the weights"),
    "wrong-dice": ("deterministic", "in evaluation, the same picture gives another result the second time"),
    "wrong-hoard": ("graphs released", "the graphs of 3 in 3 calls are kept alive"),
    "wrong-crash": ("extreme input", "it ended the process by SIGABRT (networks.py, line "),
    "wrong-sum": ("repeated calls", "it grows with each call; nothing of one call may be added up in the next"),
    "wrong-game": ("repeated calls", "generator(…) is 0.9741 at the first call and 4.87 at call 5 of the same: it"),
    "wrong-history": ("graphs released", "the graphs of 3 in 3 calls are kept alive"),
    "wrong-steps": ("gradients of fake", "no gradient reaches the fake's chroma: the generator would learn nothing"),
    "wrong-one": ("photographs", "photograph 273 has the shape (4, 20, 24), expected (3, H, W)"),
    "wrong-salt": ("fingerprint elsewhere", "in another one, for the same photographs: hash() of text and id() are"),
    "wrong-grey": ("photographs", "6 photographs of train were looked at, and none has colours: there is nothing"),
    "wrong-late": ("same photograph", "count before the `yield`, and keep in state_dict() all that they depend on"),
    "wrong-mean": ("each by itself", "a picture's lightness is another one alone than among others"),
    "wrong-grain": ("same picture", "the same numbers give another picture: let draw(rng) return what is random"),
    "wrong-amnesia": ("resumed", "after load_state_dict, the next steps are others"),
    "wrong-eraser": ("same number", "it changes the pictures that it measures"),
}
"""The check that fails, and words of what it says."""

MADE = {
    "odd-noisy": "Noisy with 370 parameters, takes noise",
    "odd-hinted": "Hinted with 3,898 parameters, multiple 8, takes hints",
    "odd-bins": "Bins with 3,657 parameters, learns by its own losses",
    "odd-flow": "Flow with 442 parameters, takes noise, learns by its own losses",
}
"""What is said of generators that know more."""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have packages of somebody else's installed, as far as Python's metadata is concerned; check in copies of this
    process, where a new one would import torch for seconds."""
    for folder in PACKAGES.iterdir():
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        if project["name"] != "zoo-tiny-model":
            add_metadata(tmp_path, project["name"], project["version"], project["entry-points"]["zoo"])
            monkeypatch.syspath_prepend(folder)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("zoo.testing.apart.multiprocessing", Forking())
    importlib.invalidate_caches()
    registry.get.cache_clear()
    modules = set(sys.modules)
    yield
    for module in set(sys.modules) - modules:
        if module.startswith(("zoo_wrong", "zoo_odd", "zoo_tiny")):
            del sys.modules[module]
    registry.get.cache_clear()


def checked(plugin: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Check a plugin; return the exit code, and the rows by component."""
    done = CliRunner().invoke(app, ["check", plugin, "--json"])
    return done.exit_code, {report["spec"]: report["results"] for report in json.loads(done.stdout)}


def failed(rows: list[dict[str, str]]) -> dict[str, str]:
    return {row["check"]: row["message"] for row in rows if row["verdict"] == "failed"}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="says which signal it was")
def test_each_wrong_component_is_caught_by_the_check_meant_for_it(installed: None) -> None:
    code, reports = checked("wrong")
    assert code == 1
    assert reports.keys() == CAUGHT.keys()
    for name, (check, words) in CAUGHT.items():
        found = failed(reports[name])
        assert list(found) == [check], name
        assert words in found[check]
    # The report of one that crashes goes on after it.
    rows = [row["check"] for row in reports["wrong-crash"]]
    assert rows[rows.index("extreme input") + 1 :][:2] == ["deterministic", "graphs released"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_those_of_others_that_are_right_raise_no_alarm(installed: None) -> None:
    write_tars()
    code, reports = checked("odd")
    assert code == 0
    assert {name: found for name, rows in reports.items() if (found := failed(rows))} == {}
    assert len(reports) == 16
    rows = {name: {row["check"]: (row["verdict"], row["message"]) for row in reports[name]} for name in reports}
    for name, made in MADE.items():
        assert rows[name]["network made"] == ("passed", made)
        assert rows[name]["compiled"] == ("passed", "torch.compile makes one graph of it")
        assert rows[name]["deterministic"][0] == "passed"
    for name in ("odd-lamp", "odd-sgd"):
        assert {verdict for verdict, _ in rows[name].values()} == {"passed"}


def write_tars() -> None:
    """The folder tars, which odd-tars reads."""
    Path("tars").mkdir()
    for number in range(3):
        with tarfile.open(f"tars/{number}.tar", "w") as archive:
            for place in range(4):
                colourful(40, 48, seed=4 * number + place).save("photo.png")
                archive.add("photo.png", f"{place}.png")
