"""Albums by Ray: with two workers, of which one is killed, nothing is lost and nothing done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from zoo_ray import spreading

from zoo import Recipe, UsageError, registry
from zoo.model import save_model
from zoo.registry import resolve

with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
RECIPE = Recipe(
    generator="unet-shallow:base=4", critic="none", loss="l1", data="scenes", size=32, steps=1, precision="float32"
)
# In a process of its own: what Ray warns of is its own business.
SCRIPT = """
import sys
from pathlib import Path
from zoo.colorize import plan
from zoo.registry import find_model
from zoo_ray.spreading import spread

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
for outcome in spread(find_model(Path(sys.argv[3])), plan([folder], out), out, workers=2, together=5):
    print("failed" if outcome.error else "skipped" if outcome.skipped else "coloured", outcome.error or "", flush=True)
"""


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install ray"):
        spreading.check_installed()


@with_ray
@pytest.mark.slow
def test_a_worker_is_killed_and_nothing_is_lost_and_nothing_done_twice(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = registry.get().build("generator", RECIPE.generator, size=RECIPE.size).state_dict()
    save_model(tmp_path / "m.safetensors", weights, resolve(RECIPE), {})
    album, out = tmp_path / "album", tmp_path / "out"
    album.mkdir()
    for number in range(60):
        Image.radial_gradient("L").rotate(number).resize((600, 400)).save(album / f"{number:02}.jpg")
    command = [sys.executable, "-c", SCRIPT, str(album), str(out), str(tmp_path / "m.safetensors")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        end = time.monotonic() + 240
        killed = 0
        while not killed and run.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
            for ledger in out.glob(".zoo-album-ray-*.jsonl"):
                if len(ledger.read_bytes().splitlines()) >= 3:
                    killed = int(ledger.stem.rsplit("-", 1)[1])
                    os.kill(killed, signal.SIGKILL)
                    break
        said = run.communicate(timeout=240)[0]
    assert run.returncode == 0, said
    assert killed
    lines = [json.loads(line) for file in out.glob(".zoo-album-ray-*.jsonl") for line in file.read_text().splitlines()]
    assert sorted(path.name for path in out.glob("*.png")) == [f"{number:02}.png" for number in range(60)]
    again = [target for target, times in Counter(line["target"] for line in lines).items() if times > 1]
    # A line is written before its result: one photograph may have been between the two.
    assert len(again) <= 2
    words = Counter(line.split()[0] for line in said.splitlines() if line.startswith(("skipped", "coloured", "failed")))
    assert words["skipped"] + words["coloured"] == 60, said
    assert words["skipped"] >= 2
