"""Many photographs, one after the other: where each goes, and what became of it."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error
from zoo.photo import find_photos, read_photo, save_photo
from zoo.plugins import one_line

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.model import Model
    from zoo.photo import Photo


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
        UsageError: there is no photograph, or a result would take the place of one of the originals.
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
    originals = {job.source.resolve() for job in jobs}
    for job in jobs:
        if job.target.resolve() in originals:
            raise UsageError(f"{job.target} is one of the originals; choose another folder with -o")
    twice = [target for target, count in Counter(job.target for job in jobs).items() if count > 1]
    if twice:
        raise UsageError(f"two photographs would both become {twice[0]}; colour them into folders of their own")
    return jobs


def colorize_all(
    model: Model, jobs: Iterable[Job], *, overwrite: bool = False, size: int | None = None
) -> Iterator[Outcome]:
    """Colour photographs; yield what became of each. One that fails does not stop the others.

    While the network works on one photograph, the next is read and the one before is written.

    Args:
        model: what gives them their colours.
        jobs: from `plan`.
        overwrite: replace results that are there already; otherwise each of them is a failure.
        size: short side that the model sees, in pixels.
    """

    def read(work: _Work) -> None:
        if work.job.target.exists() and not overwrite:
            raise ZooError(f"{work.job.target} is there already (--overwrite replaces it)")
        work.photo = read_photo(work.job.source)

    def color(work: _Work) -> None:
        assert work.photo is not None
        work.rgb = model.colorize(work.photo, size=size)

    def write(work: _Work) -> None:
        photo, rgb = work.photo, work.rgb
        assert photo is not None
        assert rgb is not None
        work.job.target.parent.mkdir(parents=True, exist_ok=True)
        save_photo(work.job.target, rgb, alpha=photo.alpha, exif=photo.exif, dpi=photo.dpi)

    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
        found = _ahead(reader, read, (_Work(job) for job in jobs))
        for work in _ahead(writer, write, (_attempt(color, work) for work in found)):
            height, width = (0, 0) if work.rgb is None else work.rgb.shape[1:]
            yield Outcome(work.job, work.seconds, width, height, work.error)


@dataclass
class _Work:
    """A job on its way from stage to stage."""

    job: Job
    photo: Photo | None = None
    rgb: Tensor | None = None
    seconds: float = 0.0
    error: str | None = None


def _ahead(executor: Executor, stage: Callable[[_Work], None], works: Iterable[_Work]) -> Iterator[_Work]:
    """Take works through a stage, in order, beside whatever the reader of the result does."""
    pending: deque[Future[_Work]] = deque()
    for work in works:
        pending.append(executor.submit(_attempt, stage, work))
        if len(pending) > 1:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


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
        work.error = f"{work.job.source}: {one_line(error)}"
    work.seconds += time.monotonic() - start
    return work
