"""Where each photograph of an album goes."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import PhotoError, UsageError
from zoo.photo import PHOTO_SUFFIXES, SAVED_SUFFIXES, count_pages, find_photos

FORMATS = {"png": ".png", "tiff": ".tif", "jpeg": ".jpg", "webp": ".webp", "same": ""}
"""What results can be, with their suffixes; `same` is the original's where zoo writes that, and PNG otherwise."""
PAGED = (".tif", ".tiff")
_KINDS = {".tiff": ".tif", ".jpeg": ".jpg"}
"""Suffixes that mean the same as another one."""


@dataclass(frozen=True)
class Job:
    """One photograph to colour."""

    source: Path
    target: Path
    page: int | None = None
    """Of a TIFF file with several, the one to colour, from 0 on. None for all, into one file."""
    name: str = ""
    """What tells it from the others of its album: its path in the folder that it was found in."""


def plan(photos: Iterable[Path], out: Path, format: str | None = None) -> list[Job]:
    """Decide where every photograph goes: below `out`, as in its folder; or, a single one, to `out` itself.

    Where two would land in the same place (a.jpg and a.tif), both keep their suffix in the name (a.jpg.png, a.tif.png).
    TIFF files keep all their pages; in another format, each page gets a file of its own (a-1.png, a-2.png).

    Args:
        photos: files, and folders of them.
        out: a folder; or, for one photograph, a file whose suffix says what it shall be.
        format: one of `FORMATS`; PNG where nothing is said.

    Raises:
        UsageError: there is no photograph, a result would take the place of one of the originals, a link leads out of
            the folder of results, or `out` and `format` do not go together.
    """
    photos = list(photos)
    if missing := [photo for photo in photos if not photo.exists()]:
        raise UsageError(f"there is no file or folder {missing[0]}")
    _check_format(format)
    found = find_photos(photos)
    if not found:
        raise UsageError(f"no photographs in {', '.join(str(photo) for photo in photos)}")
    if _is_one_file(photos, out, format):
        out, paths = out.parent, [Path(out.name)]
        found = [(found[0][0], paths[0])]
    else:
        if file := next((path for path in (out, *out.parents) if path.exists() and not path.is_dir()), None):
            raise UsageError(f"-o {out}: {file} is a file; give a folder")
        paths = name_results([relative for _, relative in found], format)
    jobs = list[Job]()
    for (source, relative), path in zip(found, paths, strict=True):
        jobs += jobs_of(source, out / path, relative.as_posix())
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


def name_results(photos: Sequence[Path], format: str | None = None) -> list[Path]:
    """Name what becomes of photographs, in their order, as `plan` does.

    Args:
        photos: their paths below the album.
        format: one of `FORMATS`; PNG where nothing is said.

    Returns:
        Paths below the folder of results.

    Raises:
        UsageError: there is no such format.
    """
    _check_format(format)
    plain = [photo.with_suffix(_suffix(photo, format)) for photo in photos]
    taken = Counter(str(path).lower() for path in plain)
    return [
        path if taken[str(path).lower()] == 1 else photo.with_name(photo.name + path.suffix)
        for photo, path in zip(photos, plain, strict=True)
    ]


def take_shard(jobs: Iterable[Job], shard: str) -> list[Job]:
    """Take a part of an album, for one of several machines. Which part a photograph is in, its name alone decides.

    Args:
        jobs: all of the album, from `plan`.
        shard: such as `3/16`, the third of sixteen.

    Raises:
        UsageError: it is malformed.
    """
    parts = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", shard)
    number, count = (int(parts[1]), int(parts[2])) if parts else (0, 0)
    if not 1 <= number <= count:
        raise UsageError(f"--shard {shard}: write the number of the part and how many there are, such as 3/16")

    def place(job: Job) -> int:
        return int.from_bytes(hashlib.sha256(os.fsencode(job.name)).digest()[:8], "big") % count

    return [job for job in jobs if place(job) == number - 1]


def _is_one_file(photos: Sequence[Path], out: Path, format: str | None) -> bool:
    """Whether `out` names a file, not a folder."""
    suffix = out.suffix.lower()
    if suffix not in PHOTO_SUFFIXES or out.is_dir() or (out.exists() and not photos[0].is_file()):
        return False
    if len(photos) > 1 or not photos[0].is_file():
        raise UsageError(f"-o {out} is the name of one photograph, and there may be several: give a folder")
    if suffix not in SAVED_SUFFIXES:
        raise UsageError(f"-o {out}: zoo does not write {suffix}; choose one of {', '.join(SAVED_SUFFIXES)}")
    if format is not None:
        wanted = _suffix(Path(photos[0].name), format).lower()
        if _KINDS.get(suffix, suffix) != _KINDS.get(wanted, wanted):
            raise UsageError(f"--format {format} is not what -o {out} says; leave one of them out")
    return True


def _check_format(format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise UsageError(f"--format {format}: choose one of {', '.join(FORMATS)}")


def _suffix(original: Path, format: str | None) -> str:
    if format != "same":
        return FORMATS[format or "png"]
    if original.suffix.lower() in (".jpe", ".jfif"):
        return ".jpg"
    return original.suffix if original.suffix.lower() in SAVED_SUFFIXES else ".png"


def jobs_of(source: Path, target: Path, name: str) -> list[Job]:
    """Plan a photograph that is there: one job, or one for each page that needs a file of its own."""
    pages = 1
    if source.suffix.lower() in PAGED and target.suffix.lower() not in PAGED:
        with suppress(PhotoError):  # reading it will say so
            pages = count_pages(source)
    if pages == 1:
        return [Job(source, target, name=name)]
    width = len(str(pages))
    return [
        Job(source, target.with_stem(f"{target.stem}-{page + 1:0{width}}"), page, f"{name} {page + 1}")
        for page in range(pages)
    ]
