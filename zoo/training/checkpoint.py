"""Checkpoints: all that a run needs to go on, written so that a half-written one is never taken for one.

    checkpoints/step-00000120/
      tensors.safetensors   networks, optimizers, random states
      state.json            everything that is not a tensor
      manifest.json         sizes and hashes of the two; written last

The folder is written under another name, every file flushed to the disk, and renamed when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.errors import ZooError
from zoo.files import sync_folder, write_text

KEEP = 2
_TENSORS, _STATE, _MANIFEST = "tensors.safetensors", "state.json", "manifest.json"


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write a checkpoint and remove all but the newest few.

    Raises:
        OSError: it cannot be written; older ones are still there.
    """
    from safetensors.torch import save_file

    final = folder / f"step-{step:08d}"
    unfinished = folder / f"{final.name}.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        # Cloning takes apart tensors that share memory, which the format has no way to say.
        save_file(
            {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()},
            unfinished / _TENSORS,
        )
        _sync(unfinished / _TENSORS)
        write_text(unfinished / _STATE, json.dumps(state))
        files = {name: _fingerprint(unfinished / name) for name in (_TENSORS, _STATE)}
        write_text(unfinished / _MANIFEST, json.dumps({"step": step, "files": files}, indent=2))
        shutil.rmtree(final, ignore_errors=True)
        unfinished.rename(final)
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    for old in _finished(folder)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any], list[str]]:
    """Read the newest whole checkpoint: its tensors, its state, and the names of newer ones that are damaged.

    Raises:
        ZooError: there is none.
    """
    from safetensors.torch import load_file

    damaged: list[str] = []
    for path in reversed(_finished(folder)):
        if _is_whole(path):
            return load_file(path / _TENSORS), json.loads((path / _STATE).read_text(encoding="utf-8")), damaged
        damaged.append(path.name)
    raise ZooError(
        f"{folder} holds no checkpoint to go on from" + (f" ({', '.join(damaged)} damaged)" if damaged else "")
    )


def _finished(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if re.fullmatch(r"step-\d+", path.name)) if folder.is_dir() else []


def _is_whole(path: Path) -> bool:
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        return all(_fingerprint(path / name) == wanted for name, wanted in manifest["files"].items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
