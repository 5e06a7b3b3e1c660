"""What needs no torch imports none, so that it answers at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

WEB = ("starlette", "uvicorn")
HEAVY = (
    *WEB,
    "torch",
    "torchvision",
    "timm",
    "segmentation_models_pytorch",
    "safetensors",
    "numpy",
    "PIL",
    "onnx",
    "yaml",
)
# Each command in turn; what it is that imports something is known all the same.
SCRIPT = f"""
import json, sys
from zoo import registry
from zoo.cli.main import app
answers = {{}}
for words in json.loads(sys.argv[1]):
    before = set(sys.modules)
    registry.get.cache_clear()
    try:
        app(words.split(), prog_name="zoo")
    except SystemExit as exit:
        code = exit.code
    answers[words] = code, [name for name in {HEAVY} if name in set(sys.modules) - before]
print(json.dumps(answers), file=sys.stderr)
"""
COMMANDS = {
    "list": 0,
    "list --json": 0,
    "list smp-* --kind generator": 0,
    "list --help": 0,
    "--help": 0,
    "--version": 0,
    "run --help": 0,
    "colorize --help": 0,
    "evaluate --help": 0,
    "evaluate nope --data photos": 2,
    "evaluate natural --data photos --metrics nope": 2,
    "recipe demo": 0,
    "runs": 0,
    "plugins": 0,
    "plugins --json": 0,
    "plugins --disable smp": 0,
    "registry": 0,
    "registry --schema": 0,
    "init": 0,
    "nope": 2,
    "show nope": 2,
    "run --gen nope": 2,
    "run --gen unet-deep:": 2,
    "run --loss l1": 2,
    "run --critic none": 2,
    "run --data nowhere": 2,
    "run --recipe nope": 2,
    "run --batch 0": 2,
    "run --set nope=1": 2,
    "resume nowhere": 2,
    "check --help": 0,
    "check nope": 2,
    "export --help": 0,
    "export nope model.pt": 2,
    "card --help": 0,
    "card nope --photos album": 2,
    "card nope --license Mine": 2,
    "publish --help": 0,
    "publish nope out": 2,
    "turing --help": 0,
    "turing": 2,
    "turing --results": 2,
    "web --help": 0,
    "web --model nope": 2,
    "plugin new mine --kind critic": 0,
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each command ends with, and which heavy modules it is that imports them."""
    folder = tmp_path_factory.mktemp("startup")
    environment = {**os.environ, "PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "1"}
    environment |= {f"XDG_{name}_HOME": str(folder / name) for name in ("CONFIG", "CACHE", "DATA")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(list(COMMANDS))],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=True,
    )
    return cast(dict[str, list[Any]], json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("words", COMMANDS)
def test_nothing_heavy_is_imported(answers: dict[str, list[Any]], words: str) -> None:
    assert answers[words] == [COMMANDS[words], []]


def test_importing_zoo_is_light() -> None:
    script = f"import sys, zoo; zoo.Recipe, zoo.registry, zoo.Run; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pytest_loads_the_fixtures_and_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_light.py").write_text(
        f"import sys\n\n\ndef test(pytestconfig):\n    assert not [n for n in {HEAVY} if n in sys.modules]\n"
        "    assert pytestconfig.pluginmanager.has_plugin('zoo')\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
