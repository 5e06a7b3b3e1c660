"""docs/demo.py, with a recipe of seconds in the place of the demo's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from environment import Environment

DEMO = Path(__file__).parents[2] / "docs" / "demo.py"
RECIPE = """
[recipes.demo]
generator = "unet-shallow:base=2,depth=2"
critic = "patch:base=2,layers=1"
loss = "l1+adv"
data = "scenes:side=32,length=4,val=2"
size = 32
batch = 2
steps = 1
device = "cpu"
workers = 0
"""


@pytest.mark.slow
def test_what_it_prints_at_its_end_runs_as_printed(tmp_path: Path) -> None:
    """From the folder that the user is in, with nothing but a computer's own commands on the PATH."""
    environment = Environment(tmp_path / "my env")
    (tmp_path / "registry.toml").write_text(RECIPE, encoding="utf-8")
    done = subprocess.run(
        [environment.bin / "python", DEMO], cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "use it:  'my env/bin/zoo' colorize PHOTO… --model demo/unet-shallow-1 -o coloured/" in done.stdout
    said = dict(line.split(":  ", 1) for line in done.stdout.splitlines() if ":  " in line)
    command = said["the same by hand"].strip()
    path = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=path, check=True)
    assert len(list((tmp_path / "demo" / "unet-shallow-1" / "coloured").glob("*.png"))) == 5
