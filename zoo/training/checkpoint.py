"""Checkpoints: all that a run needs to go on, written so that a half-written one is never taken for one.

    checkpoints/step-00000120/
      generator.safetensors            a file for each first part of the tensors' names, written side by side
      generator-optimizer.safetensors
      …
      state.json                       everything that is not a tensor
      manifest.json                    sizes and hashes of them all; written last

The folder is written under another name, every file flushed to the disk, and renamed when it is whole.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

# Both import parts of themselves when they are first used: the threads that write would meet in the middle of that.
import numpy.ctypeslib  # noqa: F401
import safetensors.torch  # noqa: F401
from pydantic import Field, FiniteFloat
from torch import Tensor

from zoo.errors import ZooError
from zoo.files import MODEL, flush, sha256_of, sync_folder, write_text
from zoo.run import Saved, read_json
from zoo.tensors import save_tensors

KEEP = 2
"""Checkpoints that are kept beside the best one, the newest healthy one and those asked for."""
_STATE, _MANIFEST = "state.json", "manifest.json"
_CHANNELS_LAST = "@channels-last"
"""After the name of a tensor (N, C, H, W) that is stored as (N, H, W, C)."""
_WRITERS = 4
"""Files written at once: while one is handed to the disk, another is hashed."""


class _Sums(Saved):
    steps: int
    losses: list[str]


class _Health(Saved):
    good: bool
    counting: list[str]
    outside: dict[str, int]


class _State(Saved):
    steps: int = Field(ge=0)
    images: int = Field(ge=0)
    micro_batch: int
    threads: int | None = Field(None, ge=1)
    optimizers: dict[str, dict[str, Any]]
    meter: _Sums
    seconds: FiniteFloat
    metrics: dict[str, float]
    best: FiniteFloat | None
    best_is_good: bool
    rollbacks: int
    collapses: int
    health: _Health
    data: Any = None


class _Manifest(Saved):
    score: FiniteFloat | None
    healthy: bool
    keep: bool
    files: dict[str, dict[str, Any]]


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
        healthy: bool = False,
        keep: bool = False,
        copy: bool = True,
        first: Callable[[dict[str, Tensor]], None] | None = None,
        then: Callable[[Path], None] | None = None,
    ) -> None:
        """Begin to write a checkpoint; waits for the one before it.

        Args:
            step: its name.
            tensors: by names such as `generator/conv.weight`.
            state: JSON.
            score: the lower the better; the best is kept, of the healthy ones if there is any.
            healthy: a validation just said so; the newest one is kept.
            keep: never remove it.
            copy: the tensors before this returns; not needed where nothing changes them any more.
            first: called with the copies before the checkpoint is written, beside the training too. What it writes is
                there when the checkpoint is; where the process dies in between, it is written again, since the run goes
                on from the checkpoint before.
            then: called with the checkpoint when it is there.

        Raises:
            OSError: the one before it could not be written.
        """
        self.wait()
        copies = {name: tensor.detach().to("cpu", copy=copy) for name, tensor in tensors.items()}

        def write() -> None:
            try:
                if first is not None:
                    first(copies)
            finally:
                checkpoint = save_checkpoint(self.folder, step, copies, dict(state), score, keep, healthy)
            if then is not None:
                then(checkpoint)

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
    folder: Path,
    step: int,
    tensors: dict[str, Tensor],
    state: dict[str, Any],
    score: float | None,
    keep: bool,
    healthy: bool = False,
) -> Path:
    """Write a checkpoint, in the place of one of the same step, and remove those that need not be kept.

    Raises:
        OSError: it cannot be written; older ones are still there.
    """
    final = folder / f"step-{step:08d}"
    unfinished = folder / f"{final.name}.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        write_text(unfinished / _STATE, json.dumps(state))
        files = {_STATE: _fingerprint(unfinished / _STATE), **_save_tensors(unfinished, tensors)}
        keep = keep or bool(_manifest(final).get("keep"))
        manifest = {"step": step, "score": score, "healthy": healthy, "keep": keep, "files": files}
        write_text(unfinished / _MANIFEST, json.dumps(manifest, indent=2))
        shutil.rmtree(final, ignore_errors=True)
        unfinished.rename(final)
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _prune(folder)
    return final


def load_checkpoint(folder: Path, *, healthy: bool = False) -> tuple[dict[str, Tensor], dict[str, Any], list[str]]:
    """Read the newest whole checkpoint: its tensors, its state, and the names of newer ones that are damaged.

    Args:
        folder: of checkpoints.
        healthy: only look at those that a validation found so.

    Raises:
        ZooError: there is none, or it says something else than a checkpoint of this zoo.
    """
    damaged: list[str] = []
    for path in reversed(_finished(folder)):
        if healthy and not _manifest(path).get("healthy"):
            continue
        if _is_whole(path):
            return _load_tensors(path), read_json(path / _STATE, _State), damaged
        damaged.append(path.name)
    run = folder.parent
    spoiled = f" ({', '.join(damaged)} damaged)" if damaged else ""
    words = ["zoo", "run", "--recipe", str(run), *(["--init", str(run / MODEL)] if (run / MODEL).is_file() else [])]
    raise ZooError(f"{folder} holds no checkpoint to go on from{spoiled}: begin anew with `{shlex.join(words)}`")


def drop_checkpoints_after(folder: Path, step: int) -> None:
    """Remove the checkpoints of later steps: a run has gone back before them, and will take these steps again."""
    for path in _finished(folder):
        if int(path.name.removeprefix("step-")) > step:
            shutil.rmtree(path, ignore_errors=True)


def _prune(folder: Path) -> None:
    found = _finished(folder)
    manifests = {path: _manifest(path) for path in found}
    scored = [path for path in found if manifests[path].get("score") is not None]
    keep = {*found[-KEEP:], *(path for path in found if manifests[path].get("keep"))}
    if scored:
        keep.add(min(scored, key=lambda path: (not manifests[path].get("healthy"), manifests[path]["score"])))
    keep.update([path for path in found if manifests[path].get("healthy")][-1:])
    for path in found:
        if path not in keep:
            shutil.rmtree(path, ignore_errors=True)
    # What a killed process left behind; whoever writes holds the run's lock, so it is nobody's any more.
    for path in folder.glob("*.tmp"):
        shutil.rmtree(path, ignore_errors=True)


def _finished(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if re.fullmatch(r"step-\d+", path.name)) if folder.is_dir() else []


def _manifest(path: Path) -> dict[str, Any]:
    """What a checkpoint's manifest says; nothing where it is damaged."""
    try:
        return read_json(path / _MANIFEST, _Manifest)
    except ZooError:
        return {}


def _is_whole(path: Path) -> bool:
    files = _manifest(path).get("files", {})
    # Files of this folder alone: what stands elsewhere is none of ours, whatever its hash.
    if _STATE not in files or any(Path(name).name != name for name in files):
        return False
    try:
        with ThreadPoolExecutor(_WRITERS) as pool:
            return list(pool.map(_fingerprint, [path / name for name in files])) == list(files.values())
    except OSError:
        return False


def _save_tensors(folder: Path, tensors: dict[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Write a file for each first part of the names; return what the manifest says of them."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        group = groups.setdefault(name.split("/")[0], {})
        if not tensor.is_contiguous() and tensor.dim() == 4:
            # As it lies in memory: laying it out anew would take as long as writing it.
            name, tensor = name + _CHANNELS_LAST, tensor.permute(0, 2, 3, 1)
        group[name] = tensor
    by_size = sorted(groups, key=lambda name: -sum(tensor.nbytes for tensor in groups[name].values()))
    with ThreadPoolExecutor(_WRITERS) as pool:
        paths = [folder / f"{name}.safetensors" for name in by_size]
        written = pool.map(_save_file, paths, [groups[name] for name in by_size])
        return {path.name: fingerprint for path, fingerprint in zip(paths, written, strict=True)}


def _save_file(path: Path, tensors: dict[str, Tensor]) -> dict[str, Any]:
    save_tensors(path, tensors)
    flush(path)
    return _fingerprint(path)


def _load_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    files = [name for name in _manifest(path)["files"] if name != _STATE]
    return dict(_as_it_was(*stored) for file in files for stored in load_file(path / file).items())


def _as_it_was(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    if name.endswith(_CHANNELS_LAST):
        return name.removesuffix(_CHANNELS_LAST), tensor.permute(0, 3, 1, 2)
    return name, tensor


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": sha256_of(path)}
