"""What the Tab key offers: names, at once, and never an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "timm", "segmentation_models_pytorch", "numpy", "PIL")
SCRIPT = f"""
import sys
from zoo.cli.main import app
try:
    app([], prog_name="zoo")
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


def offered(words: str) -> list[str]:
    """Ask as bash does, for the last of the words; what was said beside the answer is an error."""
    environment = {
        **os.environ, "_ZOO_COMPLETE": "complete_bash", "COMP_WORDS": f"zoo {words}",
        "COMP_CWORD": str(1 + words.count(" ")), "PYTHONWARNINGS": "error",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=False)
    assert done.stderr == "[]\n"
    return done.stdout.split()


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, name in (("runs", "portraits"), ("runs", "a run"), ("elsewhere", "old")):
        Path(folder, name).mkdir(parents=True)
        Path(folder, name, "run.json").write_text("{")


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ru", ["run", "runs"]),
        ("run --gen unet", ["unet", "unet-deep", "unet-shallow"]),
        ("run --critic ", ["none", "patch", "patchgan", "pixel"]),
        ("run --loss 100*l1+adv-", ["100*l1+adv-hinge", "100*l1+adv-lsgan"]),
        ("run --data s", ["scenes", "shards"]),
        ("run --recipe p", ["pix2pix"]),
        ("run --recipe runs/", ["runs/portraits"]),
        ("run --track csv,w", ["csv,wandb"]),
        ("run --init elsewhere/", ["elsewhere/old"]),
        ("resume ", ["runs/portraits"]),
        ("resume elsewhere/", ["elsewhere/old"]),
        ("resume nowhere/", []),
        ("recipe dem", ["demo"]),
        ("colorize photo.jpg --model ", ["natural", "runs/portraits"]),
        ("show smp-unet", ["smp-unet", "smp-unetplusplus"]),
        ("check l", ["l1", "l2", "lite0-distance", "lpips"]),
        ("plugins --disable s", ["smp"]),
        ("list --kind c", ["critic"]),
    ],
)
def test_names_are_offered_without_torch(words: str, expected: list[str]) -> None:
    assert offered(words) == expected


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("words", ["run --gen ", "recipe p"])
def test_what_is_wrong_with_a_registry_is_not_said(words: str) -> None:
    Path("registry.toml").write_text("oh no")
    assert offered(words) == []
    assert "run" in offered("r")
    assert "run" in offered("nothing ")


def test_the_shells_get_a_script() -> None:
    environment = {**os.environ, "_ZOO_COMPLETE": "source_zsh"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip().startswith("#compdef zoo")
