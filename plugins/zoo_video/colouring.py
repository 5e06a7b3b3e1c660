"""A film from beginning to end: read, coloured, held still, written in segments, joined."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError, ZooError
from zoo.files import sha256_of, sync_folder
from zoo.memory import memory_for
from zoo.versions import zoo_version

if TYPE_CHECKING:
    import torch
    from av import VideoFrame

    from zoo.model import Model
    from zoo_video.film import Film
    from zoo_video.planes import Planes
    from zoo_video.steady import Steady

SEGMENT = 240
"""Frames of a segment: at 24 in a second ten seconds, after which an encoder begins anew by itself."""
BATCH = 8
"""Frames that go through the network together, and are in memory at once."""
_HEAD = 2**20
"""Bytes by which a film is recognised, beside its length."""

Told = Callable[[int, int | None], None]
"""Hears how many frames are done, of about how many."""


@dataclass(frozen=True)
class Outcome:
    """What became of a film."""

    frames: int
    resumed: int
    """Frames that were done already."""
    damaged: int
    """Pieces of the film that could not be decoded."""
    left_out: list[int]
    """Streams that nobody sees or hears, and the file cannot hold."""


def check_command(film: Path, target: Path, *, lossless: bool, overwrite: bool) -> None:
    """See that a film can be coloured, as far as that shows before anything is loaded.

    Raises:
        UsageError: PyAV is missing, there is no such film, or the result cannot go there.
    """
    if find_spec("av") is None:
        raise UsageError("zoo video needs PyAV: pip install av")
    from zoo_video.joining import CONTAINERS

    if not film.is_file():
        raise UsageError(f"{film} is a folder" if film.is_dir() else f"there is no film {film}")
    if target.is_dir():
        raise UsageError(f"-o {target} is a folder: give a file, such as {target / (film.stem + '.mkv')}")
    allowed = [".mkv"] if lossless else list(CONTAINERS)
    if target.suffix.lower() not in allowed:
        why = "with --lossless, the result's name ends in" if lossless else "the result's name must end in"
        raise UsageError(f"-o {target}: {why} {' or '.join(allowed)}")
    if not target.parent.is_dir():
        raise UsageError(f"-o {target}: there is no folder {target.parent}")
    if target.exists() and target.samefile(film):
        raise UsageError(f"-o {target} is the film itself: choose another name")
    if (target.exists() or target.is_symlink()) and not overwrite:
        raise UsageError(f"{target} is there already: take another name, or --overwrite")


def colour_film(
    model: Model,
    model_file: Path,
    path: Path,
    target: Path,
    *,
    steady: float,
    size: int | None = None,
    saturation: float = 1.0,
    lossless: bool = False,
    overwrite: bool = False,
    told: Told | None = None,
) -> Outcome:
    """Give a film its colours, or go on with it where an earlier call was ended.

    Memory is the same for a film of any length. Each `SEGMENT` frames are kept in a folder beside the result,
    which is removed when that is written. However often it was ended in between, the result has the same frames.

    Args:
        model: what gives it colours.
        model_file: where that came from.
        path: the film. It is only read.
        target: the result; its ending says which kind of file. See `check_command`.
        steady: over how many seconds colours are averaged; 0 shows each frame's as the model predicts them.
        size: short side that the model sees, in pixels.
        saturation: what the chroma is multiplied by.
        lossless: write FFV1 instead of H.264.
        overwrite: replace the result, and throw away what was begun with another film, model or settings.
        told: hears how far it is.

    Raises:
        UsageError: the file is no film, or of a kind that cannot be coloured; or the model takes more than lightness.
        ZooError: it cannot be read or written.
    """
    from zoo_video.film import Frames, examine
    from zoo_video.joining import check_room, join
    from zoo_video.planes import Planes
    from zoo_video.segments import working_beside
    from zoo_video.steady import Steady

    model.check_beside(hints=False, extras=())
    film = examine(path, lossless=lossless)
    left_out = check_room(film, target, lossless=lossless)
    about = {
        "zoo": zoo_version(),
        "film": _fingerprint(path),
        "model": sha256_of(model_file),
        "settings": {"steady": steady, "size": size, "saturation": saturation, "lossless": lossless},
    }
    with _half_the_cores(model.device), working_beside(target, about, overwrite=overwrite) as work:
        frames, planes = Frames(film), Planes(film)
        done = resumed = work.frames
        coming = islice(frames, done, None)  # decoding is quick; so nothing depends on how well a film can be searched
        calm = Steady(steady, work.state)

        def coloured(some: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
            nonlocal done
            for frame in _coloured(model, film, planes, calm, some, size, saturation):
                yield frame
                done += 1
                if told is not None:
                    told(done, film.frames)

        while (first := next(coming, None)) is not None:
            segment = chain([first], islice(coming, SEGMENT - 1))
            work.add(film, coloured(segment), lambda: calm.state, lossless=lossless)
        if not work.segments:
            raise ZooError(f"{path} has no frame that can be read")
        joined = work.joined(target)
        join(film, work.segments, joined, model.mark, without=left_out)
        joined.replace(target)
        sync_folder(target.parent)
    return Outcome(done, resumed, frames.damaged, left_out)


@contextmanager
def _half_the_cores(device: torch.device) -> Iterator[None]:
    """Leave half of them to the encoder, which has threads of its own and works beside the network."""
    import torch

    from zoo.device import count_cores

    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(min(threads, max(1, count_cores() // 2)))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _coloured(
    model: Model,
    film: Film,
    planes: Planes,
    calm: Steady,
    frames: Iterable[VideoFrame],
    size: int | None,
    saturation: float,
) -> Iterator[VideoFrame]:
    import torch

    from zoo.photo import Photo

    frames = iter(frames)
    while batch := list(islice(frames, BATCH)):
        # A generator knows people by their standing upright.
        upright = (torch.rot90(planes.lightness(frame), film.turns, (1, 2)) for frame in batch)
        seen = [model.network_input(Photo(lightness), size) for lightness in upright]
        height, width = seen[0].shape[1:]
        with memory_for(f"for the model to see {len(batch)} frames at {width}×{height} pixels", "use a smaller --size"):
            predicted = model.predict(torch.stack(seen))
        for frame, small, chroma in zip(batch, seen, predicted, strict=True):
            held = calm(small, chroma, float((frame.pts or 0) * film.time_base))
            planes.paint(frame, saturation * torch.rot90(held, -film.turns, (1, 2)))
            yield frame


def _fingerprint(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return {"bytes": path.stat().st_size, "head": hashlib.sha256(file.read(_HEAD)).hexdigest()}
    except OSError as error:
        raise ZooError(f"{path} cannot be read: {error.strerror}") from error
