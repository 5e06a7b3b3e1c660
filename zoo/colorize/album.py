"""Many photographs, one after the other: where each goes, and what became of it."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UsageError, ZooError, one_line
from zoo.files import explain_os_error
from zoo.memory import memory_for, out_of_memory
from zoo.photo import find_photos, read_photo, save_photo

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.beside import Beside
    from zoo.given import Extra, Hints
    from zoo.model import Model
    from zoo.photo import Photo

_HANDFUL = 8
"""Photographs that are taken together, at most."""
_PIXELS = 20_000_000
"""A handful with as many pixels takes in no further photograph. One is read, one coloured and one written at a time:
some 60 megapixels are in memory, or three photographs where they are larger."""
_SEEN_PIXELS = 2**20
"""Pixels that the network sees at once, unless a single photograph has more: further ones would only take memory."""
_TOO_LARGE = "not enough memory for so many pixels: make it smaller, or close other programs"
_WRITERS = 2  # where the network is fast, compressing is what takes longest


@dataclass(frozen=True)
class Job:
    """One photograph to colour."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    job: Job
    seconds: float
    width: int = 0
    height: int = 0
    error: str | None = None


def plan(photos: Iterable[Path], out: Path) -> list[Job]:
    """Decide where every photograph goes: below `out`, as in its folder, as PNG.

    Where two would land in the same place (a.jpg and a.tif), both keep their suffix in the name (a.jpg.png, a.tif.png).

    Raises:
        UsageError: there is no photograph, a result would take the place of one of the originals, or a link leads out
            of the folder of results.
    """
    photos = list(photos)
    if missing := [photo for photo in photos if not photo.exists()]:
        raise UsageError(f"there is no file or folder {missing[0]}")
    found = find_photos(photos)
    if not found:
        raise UsageError(f"no photographs in {', '.join(str(photo) for photo in photos)}")
    if file := next((path for path in (out, *out.parents) if path.exists() and not path.is_dir()), None):
        raise UsageError(f"-o {out}: {file} is a file; give a folder")
    plain = [relative.with_suffix(".png") for _, relative in found]
    taken = Counter(str(path).lower() for path in plain)
    jobs = [
        Job(source, out / (path if taken[str(path).lower()] == 1 else relative.with_name(relative.name + ".png")))
        for (source, relative), path in zip(found, plain, strict=True)
    ]
    originals = {os.path.realpath(job.source) for job in jobs}
    for job in jobs:
        if os.path.realpath(job.target) in originals:
            raise UsageError(f"{job.target} is one of the originals; choose another folder with -o")
    # `out` itself may be a link: somebody named it.
    below = {out / folder for job in jobs for folder in job.target.relative_to(out).parents if folder.name}
    if link := next((folder for folder in sorted(below) if folder.is_symlink()), None):
        raise UsageError(
            f"{link} is a symbolic link, and leads out of {out}; remove it, or choose another folder with -o"
        )
    twice = [target for target, count in Counter(job.target for job in jobs).items() if count > 1]
    if twice:
        raise UsageError(f"two photographs would both become {twice[0]}; colour them into folders of their own")
    return jobs


def colorize_all(
    model: Model,
    jobs: Iterable[Job],
    *,
    overwrite: bool = False,
    size: int | None = None,
    saturation: float = 1.0,
    seed: int = 0,
    hints: Hints | None = None,
    extras: Mapping[str, Extra] | None = None,
) -> Iterator[Outcome]:
    """Colour photographs; yield what became of each, in their order. One that fails does not stop the others.

    They are taken by the handful. While the network works on one handful, the next is read and the one before is
    written. Those of a handful that the network sees at the same size go through it together; where that fails, each
    is tried alone.

    Args:
        model: what gives them their colours.
        jobs: from `plan`.
        overwrite: replace results that are there already; otherwise each of them is a failure. Of a symbolic link, the
            link is replaced, never what it points to.
        size: short side that the model sees, in pixels.
        saturation: see `zoo.model.Model.colorize`.
        seed: likewise. Each photograph's noise is its own, whatever its company.
        hints: colours that somebody gave, by photographs.
        extras: where the pictures are that the generator takes beside photographs, by its names for them.

    Raises:
        UsageError: the model takes no hints, or other extras.
    """
    import torch

    from zoo.model import join_chroma

    hints, extras = hints or {}, extras or {}
    model.check_beside(hints=bool(hints), extras=extras)

    def read(work: _Work) -> None:
        if os.path.lexists(work.job.target) and not overwrite:  # a link that leads nowhere, too
            raise ZooError(f"{work.job.target} is there already (--overwrite replaces it)")
        work.photo = read_photo(work.job.source)
        work.seen = model.network_input(work.photo, size)
        pictures = {name: extra.read(work.job.source) for name, extra in extras.items()}
        try:
            work.beside = model.beside(work.photo, work.seen, hints.get(work.job.source, ()), pictures)
        except UsageError as error:  # knows no photograph
            raise UsageError(f"{work.job.source}: {error}") from error

    def predict(works: list[_Work]) -> Tensor:
        seen, beside = zip(*((work.seen, work.beside) for work in works), strict=True)
        return model.predict(torch.stack(seen), seed=seed, beside=beside)

    def color(work: _Work) -> None:
        assert work.photo is not None
        assert work.seen is not None
        height, width = work.seen.shape[1:]
        try:
            with memory_for(f"for the model to see it at {width}×{height} pixels", "use a smaller --size"):
                chroma = work.chroma if work.chroma is not None else predict([work])[0]
        except ZooError as error:  # knows no photograph
            raise ZooError(f"{work.job.source}: {error}") from error
        work.rgb = join_chroma(work.photo, saturation * chroma)

    def color_together(handful: list[_Work]) -> Iterator[_Work]:
        for works in _alike(handful):
            start = time.monotonic()
            with suppress(Exception):  # which of them is to blame shows when each is tried alone
                for work, chroma in zip(works, predict(works), strict=True):
                    work.chroma = chroma
            for work in works:
                work.seconds += (time.monotonic() - start) / len(works)
        return (_attempt(color, work) for work in handful)

    def write(work: _Work) -> None:
        photo, rgb = work.photo, work.rgb
        assert photo is not None
        assert rgb is not None
        work.job.target.parent.mkdir(parents=True, exist_ok=True)
        save_photo(work.job.target, rgb, alpha=photo.alpha, exif=photo.exif, dpi=photo.dpi)

    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(_WRITERS, "write") as writers:
        handfuls = _ahead(reader, _handfuls(_attempt(read, _Work(job)) for job in jobs))
        for work in _behind(writers, write, (work for handful in handfuls for work in color_together(handful))):
            height, width = (0, 0) if work.rgb is None else work.rgb.shape[1:]
            yield Outcome(work.job, work.seconds, width, height, work.error)


@dataclass
class _Work:
    """A job on its way from stage to stage."""

    job: Job
    photo: Photo | None = None
    seen: Tensor | None = None
    """What the network sees: lightness (1, h, w)."""
    beside: Beside | None = None
    """What it is given beside that."""
    chroma: Tensor | None = None
    """What it made of that in company: (2, h, w)."""
    rgb: Tensor | None = None
    seconds: float = 0.0
    error: str | None = None

    @property
    def pixels(self) -> int:
        return 0 if self.photo is None else self.photo.width * self.photo.height


def _handfuls(works: Iterable[_Work]) -> Iterator[list[_Work]]:
    handful: list[_Work] = []
    for work in works:
        handful.append(work)
        if len(handful) == _HANDFUL or sum(work.pixels for work in handful) >= _PIXELS:
            yield handful
            handful = []
    if handful:
        yield handful


def _alike(handful: Iterable[_Work]) -> Iterator[list[_Work]]:
    """Find works that the network sees at the same size, two at least."""
    by_size: dict[tuple[int, ...], list[_Work]] = defaultdict(list)
    for work in handful:
        if work.seen is not None:
            by_size[work.seen.shape].append(work)
    for (_, height, width), found in by_size.items():
        most = max(1, _SEEN_PIXELS // (height * width))
        for first in range(0, len(found), most):
            works = found[first : first + most]
            if len(works) > 1:
                yield works


def _ahead(executor: Executor, handfuls: Iterator[list[_Work]]) -> Iterator[list[_Work]]:
    """Make handfuls, the next one beside whatever is done with this one."""
    coming = executor.submit(next, handfuls, None)
    while (handful := coming.result()) is not None:
        coming = executor.submit(next, handfuls, None)
        yield handful


def _behind(executor: Executor, stage: Callable[[_Work], None], works: Iterable[_Work]) -> Iterator[_Work]:
    """Take works through the last stage while the next ones are made; yield them in order."""
    pending: deque[tuple[_Work, Future[_Work]]] = deque()
    for work in works:
        pending.append((work, executor.submit(_attempt, stage, work)))
        while pending and (
            pending[0][1].done()
            or len(pending) > _HANDFUL
            or (len(pending) > 1 and sum(work.pixels for work, _ in pending) > _PIXELS)
        ):
            yield pending.popleft()[1].result()
    for _, future in pending:
        yield future.result()


def _attempt(stage: Callable[[_Work], None], work: _Work) -> _Work:
    if work.error is not None:
        return work
    start = time.monotonic()
    try:
        stage(work)
    except OSError as error:
        work.error = f"{error.filename or work.job.target}: {explain_os_error(error)}"
    except ZooError as error:
        work.error = str(error)
    except (RuntimeError, MemoryError) as error:
        why = _TOO_LARGE if out_of_memory(error) else one_line(error)
        size = f" ({work.photo.width}×{work.photo.height})" if work.photo is not None and why is _TOO_LARGE else ""
        work.error = f"{work.job.source}{size}: {why}"
    if work.error is not None:
        # What the others could use.
        work.photo = work.seen = work.beside = work.chroma = work.rgb = None
    work.seconds += time.monotonic() - start
    return work
