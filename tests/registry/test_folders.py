"""Plugins that are files of a folder: found, named, refused, there in every process, and missed where they are gone."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from sites import zoo_
from typer.testing import CliRunner, Result

from zoo import registry
from zoo.cli.main import app
from zoo.registry.folders import HASH
from zoo.registry.requirements import how_to_install

MINE = """
from zoo import hookimpl
from _constants import NUMBER

@hookimpl
def zoo_components(register):
    register.dataset("mine", "{name}:Photos", summary="Photographs of mine")
    register.generator("my-gen", "{name}:make", summary="A generator of mine")

@hookimpl
def zoo_commands(commands):
    commands.add("hail", "{name}:hail", summary="Say hello.")

def hail():
    print("hail", NUMBER)

def make():
    "Make a generator."
    import torch
    return torch.nn.Conv2d(1, 2, 3, padding=1)

class Photos:
    "Photographs of mine."

    def __init__(self, *, split):
        self.seed = 100 * (split == "val")

    def __len__(self):
        return 6

    def __getitem__(self, index):
        import torch
        seed = torch.Generator().manual_seed(index + self.seed)
        return torch.randint(256, (3, 40, 40), generator=seed, dtype=torch.uint8)
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command adds to the environment is gone after the test."""
    monkeypatch.setenv("ZOO_PLUGINS_DIR", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(tmp_path / "mine")


def fill(folder: Path, name: str = "my_own") -> Path:
    folder.mkdir()
    (folder / f"{name}.py").write_text(MINE.format(name=name))
    (folder / "_constants.py").write_text(f"NUMBER = {folder.name!r}")
    return folder


def zoo(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="zoo")


def plugins_of(*folders: Path) -> dict[str, Any]:
    options = [word for folder in folders for word in ("--plugins-dir", folder)]
    listed = json.loads(zoo(*options, "plugins", "--json").stdout)
    return {plugin["location"]: plugin for plugin in listed if plugin["distribution"] != "gan-zoo"}


def test_a_file_is_a_plugin(folder: Path) -> None:
    (mine,) = plugins_of(folder).values()
    file = str(folder / "my_own.py")
    assert (mine["plugin"], mine["distribution"], mine["location"], mine["state"]) == ("my_own", file, file, "loaded")
    assert mine["version"].startswith(HASH)
    assert zoo("hail").stdout == "hail mine\n"  # the environment keeps it
    (folder / "my_own.py").write_text(MINE.format(name="my_own") + "\n")
    registry.get.cache_clear()
    assert registry.get().plugins[-1].version not in ("", mine["version"])


def test_one_folder_takes_the_place_of_another_of_an_earlier_call(tmp_path: Path) -> None:
    for name in ("first", "second"):
        fill(tmp_path / name)
        os.environ.pop("ZOO_PLUGINS_DIR", None)
        assert zoo("--plugins-dir", tmp_path / name, "hail").stdout == f"hail {name}\n"


def test_several_folders(folder: Path, tmp_path: Path) -> None:
    other = fill(tmp_path / "other", "other")
    twin = fill(tmp_path / "twin")
    found = plugins_of(folder, other, twin)
    assert [Path(file).parent.name for file in found] == ["mine", "other", "twin"]
    taken = found[str(twin / "my_own.py")]["error"]
    assert taken.startswith(f"its name is taken by the plugin my_own of {folder}{os.sep}my_own.py sha256:")
    assert taken.endswith(": give the file another one")
    assert os.environ["ZOO_PLUGINS_DIR"] == os.pathsep.join(map(str, (folder, other, twin)))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("broken", "ZeroDivisionError: division by zero"),
        ("json", "json.py has the name of a module of Python's own: give it another name"),
        ("pluggy", "pluggy.py has the name of a module that is installed ("),
        ("zoo_losses", "zoo_losses.py has the name of a module that is installed ("),
        ("losses", "its name is taken by the plugin losses of gan-zoo 0.1.0: give the file another one"),
        ("my-own", "my-own.py cannot be imported: a module's name is made of letters, digits and '_'"),
    ],
)
def test_what_cannot_be_a_plugin_is_listed_with_its_reason(folder: Path, name: str, error: str) -> None:
    (folder / f"{name}.py").write_text("1 / 0")
    found = plugins_of(folder)
    assert found[str(folder / f"{name}.py")]["error"].startswith(error)
    assert found[str(folder / "my_own.py")]["state"] == "loaded"
    assert f"broken plugin {name} ({folder}{os.sep}{name}.py sha256:" in zoo("list").stdout.replace("\n", "")


def test_a_folder_that_is_not_there_is_misuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = zoo("--plugins-dir", tmp_path / "nowhere", "list")
    assert refused.exit_code == 2
    assert "nowhere" in refused.stderr
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(tmp_path / "nowhere"))
    refused = zoo("list")
    assert refused.exit_code == 2
    assert refused.stderr == f"error: ZOO_PLUGINS_DIR: there is no folder {tmp_path / 'nowhere'}\n"


def test_the_tab_key_knows_it(folder: Path) -> None:
    variables = {
        "_ZOO_COMPLETE": "complete_bash",
        "COMP_WORDS": f"zoo --plugins-dir {folder} show my",
        "COMP_CWORD": "4",
    }
    offered = zoo_(**variables)
    assert (offered.stdout.split(), offered.stderr) == (["my-gen"], "")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_loaders_that_are_started_afresh_can_import_it(folder: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
    plugins_of(folder)
    photos = registry.get().build("dataset", "mine", split="train")
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(len, (photos,)) == 6


@pytest.mark.slow
def test_a_run_says_which_file_it_needs(folder: Path) -> None:
    ran = zoo(
        *("--plugins-dir", folder, "run", "--recipe", "demo", "--gen", "my-gen", "--data", "mine", "--size", "32"),
        *("--batch", "2", "--steps", "2", "--device", "cpu", "--set", "workers=0", "--name", "mine"),
    )
    assert ran.exit_code == 0, ran.output
    components = json.loads(Path("runs/mine/run.json").read_text())["components"]
    (mine,) = [component for component in components if component["name"] == "my-gen"]
    assert mine["distribution"] == str(folder / "my_own.py")
    assert mine["version"].startswith(HASH)

    shutil.rmtree(folder)
    del os.environ["ZOO_PLUGINS_DIR"]
    registry.get.cache_clear()
    Path("grey.png").write_bytes(next(Path("runs/mine/samples").iterdir()).read_bytes())
    for words in (
        ("resume", "runs/mine", "--extend", "--steps", "4"),
        ("colorize", "grey.png", "--model", "runs/mine", "--out", "out"),
    ):
        refused = zoo(*words)
        assert refused.exit_code == 1
        assert f"it was in the file my_own.py of the folder {folder}" in refused.stderr.replace("'", "")
        assert "; where that is now, say with zoo --plugins-dir FOLDER …" in refused.stderr


def test_what_a_file_says_of_a_file_is_no_package_to_install() -> None:
    assert how_to_install("mine.py", f"{HASH}12") == (
        "it was in the file mine.py; where that is now, say with zoo --plugins-dir FOLDER …"
    )
    assert "C:" in how_to_install("C:\\plugins\\mine.py", f"{HASH}12")
