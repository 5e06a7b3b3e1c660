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
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.errors import ZooError
from zoo.files import sync_folder, write_text

KEEP = 2
"""Checkpoints that are kept beside the best one and those asked for."""
_TENSORS, _STATE, _MANIFEST = "tensors.safetensors", "state.json", "manifest.json"


class Saver:
    """Writes checkpoints beside the training: only the copy to host memory holds it up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def save(
        self,
        step: int,
        tensors: Mapping[str, Tensor],
        state: Mapping[str, Any],
        *,
        score: float | None = None,
        keep: bool = False,
        then: Callable[[dict[str, Tensor]], None] | None = None,
    ) -> None:
        """Begin to write a checkpoint; waits for the one before it.

        Args:
            step: its name.
            tensors: copied before this returns.
            state: JSON.
            score: the lower the better; the best is kept.
            keep: never remove it.
            then: called with the copies afterwards, beside the training too.

        Raises:
            OSError: the one before it could not be written.
        """
        self.wait()
        # Copies of their own also take apart tensors that share memory, which the format has no way to say.
        copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}

        def write() -> None:
            save_checkpoint(self.folder, step, copies, dict(state), score, keep)
            if then is not None:
                then(copies)

        self._pending = self._thread.submit(write)

    def wait(self) -> None:
        """Wait until what was begun is on the disk.

        Raises:
            OSError: it could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    @property
    def failure(self) -> OSError | None:
        """Why the newest checkpoint could not be written, if that is known by now. Asking forgets it."""
        if self._pending is None or not self._pending.done():
            return None
        pending, self._pending = self._pending, None
        error = pending.exception()
        if error is not None and not isinstance(error, OSError):
            raise error
        return error

    def close(self) -> None:
        """End the thread, after what it is writing."""
        self._thread.shutdown()


def save_checkpoint(
    folder: Path, step: int, tensors: dict[str, Tensor], state: dict[str, Any], score: float | None, keep: bool
) -> Path:
    """Write a checkpoint and remove those that need not be kept.

    Raises:
        OSError: it cannot be written; older ones are still there.
    """
    from safetensors.torch import save_file

    final = folder / f"step-{step:08d}"
    unfinished = folder / f"{final.name}.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        _save_tensors(save_file, tensors, unfinished / _TENSORS)
        write_text(unfinished / _STATE, json.dumps(state))
        files = {name: _fingerprint(unfinished / name) for name in (_TENSORS, _STATE)}
        manifest = {"step": step, "score": score, "keep": keep, "files": files}
        write_text(unfinished / _MANIFEST, json.dumps(manifest, indent=2))
        shutil.rmtree(final, ignore_errors=True)
        unfinished.rename(final)
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _prune(folder)
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


def _prune(folder: Path) -> None:
    found = _finished(folder)
    manifests = {path: _manifest(path) for path in found}
    scored = [path for path in found if manifests[path].get("score") is not None]
    keep = {*found[-KEEP:], *(path for path in found if manifests[path].get("keep"))}
    if scored:
        keep.add(min(scored, key=lambda path: float(manifests[path]["score"])))
    for path in found:
        if path not in keep:
            shutil.rmtree(path, ignore_errors=True)
    # What a killed process left behind; whoever writes holds the run's lock, so it is nobody's any more.
    for path in folder.glob("*.tmp"):
        shutil.rmtree(path, ignore_errors=True)


def _finished(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if re.fullmatch(r"step-\d+", path.name)) if folder.is_dir() else []


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _is_whole(path: Path) -> bool:
    files = _manifest(path).get("files") or {}
    try:
        return {*files} == {_TENSORS, _STATE} and all(_fingerprint(path / name) == files[name] for name in files)
    except OSError:
        return False


def _save_tensors(save_file: Any, tensors: dict[str, Tensor], path: Path) -> None:
    from safetensors import SafetensorError

    for name in tensors:
        # One by one, so that no second copy of them all is there at any time.
        tensors[name] = tensors[name].contiguous()
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        # The library says in its own words what is the system's error.
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]) if number else 0, str(error), str(path)) from error
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
