"""zoo.tensors, and that what the library writes is on the disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny

from zoo import registry
from zoo.model import save_model
from zoo.registry import resolve
from zoo.tensors import save_tensors
from zoo.training.checkpoint import save_checkpoint


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The files that were flushed to the disk, by inode."""
    found: set[int] = set()
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        found.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
@pytest.mark.parametrize("umask", [0o022, 0o007])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        save_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(2)})
        (tmp_path / "b.txt").write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_shared_and_odd_layouts_are_written(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last)
    save_tensors(tmp_path / "a.safetensors", {"whole": whole, "again": whole, "part": whole[:, 1:]})
    stored = load_file(tmp_path / "a.safetensors")
    assert torch.equal(stored["whole"], whole)
    assert torch.equal(stored["again"], whole)
    assert torch.equal(stored["part"], whole[:, 1:])


def test_models_are_on_the_disk(tmp_path: Path, flushed: set[int]) -> None:
    generator = registry.get().build("generator", "unet-shallow:base=2", size=32)
    save_model(tmp_path / "model.safetensors", generator.state_dict(), resolve(tiny()), {})
    assert (tmp_path / "model.safetensors").stat().st_ino in flushed
    assert tmp_path.stat().st_ino in flushed


def test_checkpoints_are_on_the_disk(tmp_path: Path, flushed: set[int]) -> None:
    folder = save_checkpoint(tmp_path, 7, {"a/x": torch.zeros(2), "b/x": torch.ones(3)}, {}, None, False)
    files = list(folder.iterdir())
    assert len(files) == 4
    assert {path.stat().st_ino for path in files} <= flushed
