"""What is in the wheel."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import zoo
from zoo.scaffold import TEMPLATES

ROOT = Path(zoo.__file__).parent.parent
PLUGINS = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir() and path.name != "__pycache__"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The wheel, built from a copy of what is in version control, so that nothing is left behind here."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    no_caches = shutil.ignore_patterns("__pycache__", "*.pyc")
    for path in ROOT.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            if path.name not in ("build", "dist", "runs"):
                shutil.copytree(path, copy / path.name, ignore=no_caches)
        elif path.is_file():
            shutil.copy(path, copy)
    for name in ("calm.safetensors", "calm.md"):
        (copy / "plugins" / "zoo_models" / name).touch()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out],
        cwd=copy,
        check=True,
        capture_output=True,
    )
    (file,) = out.iterdir()
    return zipfile.Path(file)


def test_nothing_else_lands_at_the_top_of_site_packages(wheel: zipfile.Path) -> None:
    tops = {path.name for path in wheel.iterdir()}
    (information,) = (name for name in tops if name.startswith("gan_zoo-"))
    assert information.endswith(".dist-info")
    assert tops == {"zoo", *PLUGINS, information}
    assert all(name.startswith("zoo_") for name in PLUGINS)


def test_every_module_is_there(wheel: zipfile.Path) -> None:
    there = {name for name in wheel.root.namelist() if name.endswith(".py")}
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "zoo").rglob("*.py")}
    wanted |= {path.relative_to(ROOT / "plugins").as_posix() for path in (ROOT / "plugins").rglob("*.py")}
    assert there == wanted


def test_the_catalogue_and_the_type_information_are_there(wheel: zipfile.Path) -> None:
    assert (wheel / "zoo" / "registry.toml").read_bytes() == (ROOT / "registry.toml").read_bytes()
    assert (wheel / "zoo" / "py.typed").is_file()


def test_models_and_their_cards_come_along(wheel: zipfile.Path) -> None:
    assert (wheel / "zoo_models" / "calm.safetensors").is_file()
    assert (wheel / "zoo_models" / "calm.md").is_file()


def test_the_templates_of_plugins_are_there(wheel: zipfile.Path) -> None:
    wanted = {path.relative_to(ROOT).as_posix() for path in TEMPLATES.rglob("*") if path.is_file()}
    assert wanted
    assert wanted <= set(wheel.root.namelist())


@pytest.mark.parametrize(("plugin", "script"), [("zoo_turing", "turing.js"), ("zoo_web", "web.js")])
def test_pages_for_browsers_are_there(wheel: zipfile.Path, plugin: str, script: str) -> None:
    wanted = {f"{plugin}/pages/{path.name}" for path in (ROOT / "plugins" / plugin / "pages").iterdir()}
    assert {f"{plugin}/pages/index.html", f"{plugin}/pages/{script}"} <= wanted <= set(wheel.root.namelist())


def test_every_plugin_has_its_entry_point(wheel: zipfile.Path) -> None:
    (information,) = (path for path in wheel.iterdir() if path.name.endswith(".dist-info"))
    entry_points = configparser.ConfigParser()
    entry_points.read_string((information / "entry_points.txt").read_text(encoding="utf-8"))
    assert {target.split(".")[0] for target in entry_points["zoo"].values()} == PLUGINS
    for target in entry_points["zoo"].values():
        assert f"{target.replace('.', '/')}.py" in wheel.root.namelist()
    assert entry_points["console_scripts"]["zoo"] == "zoo.cli.main:main"
    assert entry_points["pytest11"]["zoo"] == "zoo.testing.fixtures"


def test_the_licence_and_the_readme_come_along(wheel: zipfile.Path) -> None:
    (information,) = (path for path in wheel.iterdir() if path.name.endswith(".dist-info"))
    assert (information / "licenses" / "LICENSE").is_file()
    metadata = Parser().parsestr((information / "METADATA").read_text(encoding="utf-8"))
    assert metadata["Name"] == "gan-zoo"
    assert metadata["License-Expression"] == "MIT"
