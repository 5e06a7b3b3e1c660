"""What lies in the working folder is data, not code: nothing imports it, the processes that zoo starts included."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from sites import add_metadata, python

EVIL = "from pathlib import Path\nPath({marker!r}).touch()\n"
LAUNCH = """
import sys
from zoo.cli.main import app

@app.command("launch")
def launch_():
    from zoo.training.launch import launch

    sys.argv = ["zoo", "list"]
    raise SystemExit(launch(1))

app(["launch"])
"""
SPAWN = """
import multiprocessing, sys, typer
from zoo.cli.main import app

@app.command("spawn")
def spawn():
    process = multiprocessing.get_context("spawn").Process(target=print)
    process.start()
    process.join()

if __name__ == "__main__":
    app(["spawn"])
"""


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Where the working folder's code would leave a mark."""
    return tmp_path / "executed"


def lay(marker: Path, *modules: str) -> None:
    for module in modules:
        Path(f"{module}.py").write_text(EVIL.format(marker=str(marker)))


def test_python_m_takes_neither_modules_nor_plugins_from_the_working_folder(marker: Path, tmp_path: Path) -> None:
    lay(marker, "pluggy", "rich", "dataclasses", "somebodys")
    add_metadata(tmp_path, "somebodys", "1.0", {"somebodys": "somebodys"})
    answer = python("-m", "zoo", "list", "--json")
    assert answer.returncode == 0, answer.stderr
    assert not json.loads(answer.stdout)["broken"]
    assert not marker.exists()


def test_a_folder_that_was_named_is_still_searched(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    assert python("-m", "zoo", "--version", PYTHONPATH=str(tmp_path)).returncode == 0
    assert python("-c", "import mine", PYTHONPATH=str(tmp_path)).returncode == 0


@pytest.mark.slow
def test_processes_of_several_devices_do_not_import_the_working_folder(marker: Path) -> None:
    lay(marker, "zoo", "somebodys")
    add_metadata(Path(), "somebodys", "1.0", {"somebodys": "somebodys"})
    answer = python("-P", "-c", LAUNCH)
    assert answer.returncode == 0, answer.stderr
    assert "unet-deep" in answer.stdout
    assert "somebodys" not in answer.stdout
    assert not marker.exists()


def test_processes_that_load_do_not_import_the_working_folder(marker: Path, tmp_path: Path) -> None:
    """Where they are not forked, each begins with Python's own modules, before it is told where to look."""
    lay(marker, "multiprocessing")
    script = tmp_path / "elsewhere" / "spawn.py"
    script.parent.mkdir()
    script.write_text(SPAWN)
    answer = python(script)
    assert answer.returncode == 0, answer.stderr
    assert sys.flags.safe_path or not marker.exists()
