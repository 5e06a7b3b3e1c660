"""Many photographs, one after the other: where each goes, and what became of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error
from zoo.photo import find_photos, read_photo, save_photo
from zoo.plugins import one_line

if TYPE_CHECKING:
    from zoo.model import Model


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

    Args:
        model: what gives them their colours.
        jobs: from `plan`.
        overwrite: replace results that are there already; otherwise each of them is a failure.
        size: short side that the model sees, in pixels.
    """
    for job in jobs:
        start = time.monotonic()
        try:
            width, height = _colorize(model, job, overwrite, size)
            yield Outcome(job, time.monotonic() - start, width, height)
        except (ZooError, OSError, RuntimeError, MemoryError) as error:
            if isinstance(error, OSError):
                reason = f"{error.filename or job.target}: {explain_os_error(error)}"
            else:
                reason = str(error) if isinstance(error, ZooError) else f"{job.source}: {one_line(error)}"
            yield Outcome(job, time.monotonic() - start, error=reason)


def _colorize(model: Model, job: Job, overwrite: bool, size: int | None) -> tuple[int, int]:
    if job.target.exists() and not overwrite:
        raise ZooError(f"{job.target} is there already (--overwrite replaces it)")
    photo = read_photo(job.source)
    rgb = model.colorize(photo, size=size)
    job.target.parent.mkdir(parents=True, exist_ok=True)
    save_photo(job.target, rgb, alpha=photo.alpha, exif=photo.exif, dpi=photo.dpi)
    return rgb.shape[2], rgb.shape[1]
