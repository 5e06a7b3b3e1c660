"""`make demo` on computers that lack something: what it does, and what it says. Nothing is installed."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")

# Stands for a Python, and for that of the environments that it makes. pip, there, only writes down what it is told to
# install. Without ensurepip, venv ends as Debian's does: with an environment that has a Python and no pip.
PYTHON = """#!/bin/sh
here=$(dirname "$0")
case "$1 $2" in
"-m venv")
    for folder; do :; done
    case "$*" in *--clear*) rm -r "$folder";; esac
    mkdir -p "$folder/bin"
    echo "home = $here" > "$folder/pyvenv.cfg"
    cp "$0" "$folder/bin/python"
    [ -z "$NO_ENSUREPIP" ] || { echo "ensurepip is not available"; exit 1; }
    touch "$folder/bin/pip";;
"-m pip")
    [ -e "$here/pip" ] || exit 1
    [ "$3" = --version ] || echo "$*" >> installed.txt;;
"-c import"*) [ -z "$OLD" ];;
-c*) ;;
*) echo "runs $*";;
esac
"""
UV = """#!/bin/sh
for folder; do :; done
echo "$*" > uv.txt
mkdir -p "$folder/bin"
cp python3 "$folder/bin/python"
touch "$folder/bin/pip"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    program(tmp_path / "python3", PYTHON)
    return tmp_path


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def make(
    folder: Path, *words: str, stdout: int = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Call make with that Python, and with no more on the PATH than a small computer has."""
    unset = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CPU", "VENV", "OLD", "NO_ENSUREPIP")
    surroundings = {name: value for name, value in os.environ.items() if name not in unset}
    surroundings |= {"PATH": f"{folder / 'tools'}:/usr/bin:/bin"} | variables
    command = ["make", "PYTHON=./python3", *(words or ("demo",))]
    return subprocess.run(
        command, cwd=folder, env=surroundings, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )


def installed(folder: Path) -> list[str]:
    """What pip was told, call by call, from the word `install` on."""
    lines = (folder / "installed.txt").read_text(encoding="utf-8").splitlines()
    return [line.partition(" install ")[2] for line in lines]


def test_an_environment_is_made_once(checkout: Path) -> None:
    done = make(checkout)
    assert done.returncode == 0, done.stderr
    assert "runs docs/demo.py" in done.stdout
    assert installed(checkout) == ["--constraint constraints.txt --quiet --editable ."]
    again = make(checkout)
    assert "runs docs/demo.py" in again.stdout
    assert "to download" not in again.stdout
    assert len(installed(checkout)) == 1
    assert "runs -m pytest" in make(checkout, "test").stdout
    assert installed(checkout)[1:] == ["--constraint constraints.txt --quiet --editable .[dev]"]


def test_the_browsers_tests_have_an_extra_of_their_own(checkout: Path) -> None:
    done = make(checkout, "test-browser")
    assert "runs -m pytest tests/plugins/test_turing_browser.py tests/plugins/test_web_browser.py" in done.stdout
    assert installed(checkout) == ["--constraint constraints.txt --quiet --editable .[browser]"]
    assert shutil.which("chromedriver", path="/usr/bin:/bin") or "apt install chromium chromium-driver" in done.stderr


@pytest.mark.skipif(Path("/usr/bin/uv").exists(), reason="uv is where it cannot be hidden")
def test_without_ensurepip_it_says_what_to_install_and_heals(checkout: Path) -> None:
    for _ in range(2):
        failed = make(checkout, NO_ENSUREPIP="1")
        assert failed.returncode == 2
        assert "ensurepip is not available" in failed.stderr
        assert "'apt install python3-venv'" in failed.stderr
        assert "uv" in failed.stderr
        assert (checkout / ".venv" / "bin" / "python").exists()
        assert not (checkout / "installed.txt").exists()
    healed = make(checkout)
    assert healed.returncode == 0, healed.stderr
    assert "runs docs/demo.py" in healed.stdout


def test_without_ensurepip_uv_makes_the_environment(checkout: Path) -> None:
    program(checkout / "tools" / "uv", UV)
    done = make(checkout, NO_ENSUREPIP="1")
    assert done.returncode == 0, done.stderr
    assert "runs docs/demo.py" in done.stdout
    assert "ensurepip" not in done.stderr
    uv = (checkout / "uv.txt").read_text(encoding="utf-8")
    assert uv == "venv --quiet --seed --allow-existing --python ./python3 .venv\n"


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Path) -> None:
    make(checkout)
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(checkout / "gone")
    done = make(checkout)
    assert done.returncode == 0, done.stderr
    assert "runs docs/demo.py" in done.stdout
    assert len(installed(checkout)) == 2


def test_only_environments_are_ever_emptied(checkout: Path) -> None:
    """Whatever VENV says."""
    (checkout / "mine").mkdir()
    (checkout / "mine" / "photo.jpg").touch()
    assert make(checkout, "VENV=mine").returncode == 0
    assert (checkout / "mine" / "photo.jpg").exists()


@pytest.mark.parametrize("words", [("PYTHON=./python3",), ("PYTHON=no-such-python",)])
def test_a_python_that_is_too_old_or_not_there(checkout: Path, words: tuple[str]) -> None:
    done = make(checkout, *words, "demo", OLD="1")
    assert done.returncode == 2
    assert "zoo needs Python 3.11 or later" in done.stderr
    assert not (checkout / ".venv").exists()


def test_torch_without_cuda(checkout: Path) -> None:
    done = make(checkout, "demo", "CPU=1")
    assert "torch without CUDA" in done.stdout
    assert installed(checkout) == [
        "--constraint constraints.txt --quiet --no-deps --index-url https://download.pytorch.org/whl/cpu "
        "torch torchvision",
        "--constraint constraints.txt --quiet --editable .",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch has no CUDA")
def test_how_much_is_said_first(checkout: Path) -> None:
    said = make(checkout).stdout
    assert "3 GB to download, 5.5 GB on the disk" in said
    assert "make CPU=1 demo" in said


def test_who_watches_sees_pips_progress(checkout: Path) -> None:
    watcher, terminal = pty.openpty()
    try:
        assert make(checkout, stdout=terminal).returncode == 0
    finally:
        os.close(terminal)
        os.close(watcher)
    assert installed(checkout) == ["--constraint constraints.txt --editable ."]
