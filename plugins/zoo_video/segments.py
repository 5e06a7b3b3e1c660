"""The folder beside a film under way: its coloured segments, and how to go on after the last one.

A segment is a NUT file of coloured frames, and beside it a safetensors file with their times, and with what the next
segment needs to know. Both are renamed into place when they are whole, the film last: so a segment is there or not, and
what ends the process costs the segment that it was at.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.errors import UsageError
from zoo.files import remove_leftovers, replacing, write_json
from zoo.tensors import save_tensors
from zoo_video.encoding import encode

if TYPE_CHECKING:
    from av import VideoFrame

    from zoo_video.film import Film

_ABOUT = "about.json"
_TIMES, _LAST = "times", "last_duration"


@dataclass(frozen=True)
class Segment:
    """Some seconds of a film, coloured."""

    file: Path
    times: list[int]
    """When each frame is shown, in the film's time base, and in the order in which they are in the file."""
    last_duration: int
    """How long the last one is shown; 0 where nobody knows."""
    state: Mapping[str, Tensor]
    """See `zoo_video.steady.Steady.state`."""


class Work:
    """A folder of segments."""

    def __init__(self, folder: Path) -> None:
        """Take those that are in a folder."""
        self._folder = folder
        self.segments: list[Segment] = []
        while self._files()[0].is_file():
            self.segments.append(_read(*self._files()))

    def joined(self, target: Path) -> Path:
        """Where the whole film is to be written before it takes its place, so that nothing half-written lies there."""
        return self._folder / f"joined{target.suffix}"

    @property
    def frames(self) -> int:
        """How many are done."""
        return sum(len(segment.times) for segment in self.segments)

    @property
    def state(self) -> Mapping[str, Tensor]:
        """What the next frame needs to know."""
        return self.segments[-1].state if self.segments else {}

    def add(
        self, film: Film, frames: Iterable[VideoFrame], state: Callable[[], Mapping[str, Tensor]], *, lossless: bool
    ) -> None:
        """Write the next segment.

        Args:
            film: which film it is of.
            frames: coloured, one at least.
            state: what the next one needs to know, after these.
            lossless: see `zoo_video.encoding.encode`.

        Raises:
            ZooError: as `encode`, or as the frames themselves.
            OSError: it cannot be written.
        """
        file, notes = self._files()
        with replacing(file) as new:
            times, last = encode(new, film, frames, lossless=lossless)
            with replacing(notes) as new_notes:
                save_tensors(new_notes, {_TIMES: torch.tensor(times), _LAST: torch.tensor(last), **state()})
        self.segments.append(_read(file, notes))

    def _files(self) -> tuple[Path, Path]:
        name = f"{len(self.segments):05}"
        return self._folder / f"{name}.nut", self._folder / f"{name}.safetensors"


@contextmanager
def working_beside(target: Path, about: Mapping[str, Any], *, overwrite: bool) -> Iterator[Work]:
    """Open the folder in which a film is under way, and remove it when the block ends well.

    Args:
        target: where the film will be.
        about: what its segments are made of. A folder of something else is not gone on with.
        overwrite: throw such segments away.

    Raises:
        UsageError: it is of something else, or another process is at it.
        OSError: it cannot be made.
    """
    from filelock import FileLock, Timeout

    folder = target.with_name(target.name + ".parts")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is in the way: a folder of that name is needed while {target.name} is made")
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"another zoo is making {target} already") from None
    try:
        _begin(folder, about, overwrite=overwrite)
        yield Work(folder)
        for file in folder.glob("*.nut"):
            file.unlink()  # from here on, nobody goes on with it
    finally:
        lock.release()
    shutil.rmtree(folder)


def _begin(folder: Path, about: Mapping[str, Any], *, overwrite: bool) -> None:
    file = folder / _ABOUT
    remove_leftovers(folder)
    if file.is_file():
        found = json.loads(file.read_bytes())
        other = [what for what in about if found.get(what) != about[what]]
        if not other:
            return
        if any(folder.glob("*.nut")) and not overwrite:
            raise UsageError(
                f"{folder} holds the beginning of another film: {_list(other)} "
                f"{'was' if len(other) == 1 else 'were'} different. --overwrite throws it away"
            )
    for old in (*folder.glob("*.nut"), *folder.glob("*.safetensors")):
        old.unlink()
    write_json(file, dict(about))


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _read(file: Path, notes: Path) -> Segment:
    from safetensors.torch import load_file

    state = load_file(notes)
    times, last = state.pop(_TIMES).tolist(), int(state.pop(_LAST))
    return Segment(file, times, last, state)
