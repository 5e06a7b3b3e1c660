"""Checkpoints that are damaged, or not what they say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny
from typer.testing import CliRunner

from zoo import Run, ZooError, train
from zoo.cli.main import app
from zoo.training.checkpoint import load_checkpoint, save_checkpoint

STATE: dict[str, Any] = {
    "steps": 7,
    "images": 28,
    "micro_batch": 4,
    "optimizers": {"generator": {"dict": [["param_groups", {"list": []}]]}},
    "meter": {"steps": 0, "losses": []},
    "seconds": 1.5,
    "metrics": {"chroma_error": 20.0},
    "best": None,
    "best_is_good": True,
    "rollbacks": 0,
    "collapses": 0,
    "health": {"good": True, "counting": [], "outside": {}},
}


def saved(folder: Path, step: int = 7, state: Any = None) -> Path:
    return save_checkpoint(folder, step, {"a/x": torch.zeros(2)}, STATE if state is None else state, 20.0, False)


def change_manifest(checkpoint: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    changed = change(manifest)
    (checkpoint / "manifest.json").write_text(json.dumps(manifest if changed is None else changed))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    saved(tmp_path)
    tensors, state, damaged = load_checkpoint(tmp_path)
    assert (list(tensors), state, damaged) == (["a/x"], STATE, [])


DAMAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "list": lambda _: [],
    "no files": lambda manifest: manifest.pop("files") and None,
    "names": lambda manifest: manifest.update(files=list(manifest["files"])),
    "numbers": lambda manifest: manifest.update(files=dict.fromkeys(manifest["files"], 3)),
    "score": lambda manifest: manifest.update(score="low"),
    "deep": lambda _: [],
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_one_with_a_damaged_manifest_is_passed_over(tmp_path: Path, kind: str) -> None:
    saved(tmp_path)
    change_manifest(checkpoint := saved(tmp_path, 8), DAMAGES[kind])
    if kind == "deep":
        (checkpoint / "manifest.json").write_text("[" * 5000)
    assert load_checkpoint(tmp_path)[2] == ["step-00000008"]
    # Nor does it keep the next one from being written.
    saved(tmp_path, 9)
    assert load_checkpoint(tmp_path)[2] == []


@pytest.mark.parametrize("name", ["../../outside.safetensors", "/outside.safetensors", "..", "sub/../a.safetensors"])
def test_files_elsewhere_are_none_of_a_checkpoint(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run" / "checkpoints"
    checkpoint = saved(folder)
    (checkpoint / "sub").mkdir()
    name = name.replace("/outside", f"{tmp_path}/outside") if name.startswith("/") else name
    for place in (tmp_path / "outside.safetensors", tmp_path / "run/outside.safetensors"):
        shutil.copy(checkpoint / "a.safetensors", place)
    change_manifest(checkpoint, lambda manifest: manifest["files"].update({name: manifest["files"]["a.safetensors"]}))
    with pytest.raises(ZooError, match=r"holds no checkpoint to go on from \(step-00000007 damaged\)"):
        load_checkpoint(folder)


@pytest.mark.parametrize("key", STATE)
def test_a_key_that_its_state_lacks_is_named(tmp_path: Path, key: str) -> None:
    saved(tmp_path, state={name: value for name, value in STATE.items() if name != key})
    with pytest.raises(ZooError, match=rf"step-00000007/state\.json is damaged: {key}: field required"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": "7"}, "steps: input should be a valid integer"),
        ({"steps": -1}, "steps: input should be greater than"),
        ({"optimizers": []}, "optimizers: input should be a valid dictionary"),
        ({"optimizers": {"generator": []}}, "optimizers.generator: input should be a valid dictionary"),
        ({"meter": 3}, "meter: expected a table in braces"),
        ({"meter": {"steps": 1}}, "meter.losses: field required"),
        ({"metrics": {"chroma_error": None}}, "metrics.chroma_error: input should be a valid number"),
        ({"best": "x"}, "best: input should be a valid number"),
    ],
)
def test_so_is_a_value_of_another_kind(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    saved(tmp_path, state={**STATE, **change})
    with pytest.raises(ZooError) as caught:
        load_checkpoint(tmp_path)
    assert f"step-00000007/state.json is damaged: {message}" in str(caught.value)


def test_where_there_is_none_it_is_said_what_to_do() -> None:
    run = train(tiny(steps=1), runs="my runs", name="mine")
    run.write_info({**run.info, "state": "failed"})
    shutil.rmtree(run.checkpoints)
    said = []
    for _ in range(2):
        result = CliRunner().invoke(app, ["resume", "my runs/mine"])
        assert result.exit_code == 1
        said.append(result.stderr.partition("begin anew with ")[2].strip())
        run.model.unlink(missing_ok=True)
    assert said == [
        "`zoo run --recipe 'my runs/mine' --init 'my runs/mine/model.safetensors'`",
        "`zoo run --recipe 'my runs/mine'`",
    ]
    assert CliRunner().invoke(app, ["run", "--recipe", "my runs/mine", "--name", "anew"]).exit_code == 0
    assert Run.open("runs/anew").info["progress"]["steps"] == 1


def test_what_writing_threads_need_is_imported_before_they_start() -> None:
    """Each imports a part of itself when first used, and four threads at once met in the middle of that."""
    program = "import sys, zoo.training.checkpoint; print({'numpy.ctypeslib', 'safetensors.torch'} <= set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
