"""Photographs among files and in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from zoo.errors import PhotoError
from zoo.files import explain_os_error

# Written out, not asked of Pillow: that imports all its plugins, and would silently leave out a user's WebP files where
# Pillow was built without WebP. Without drawings (EPS, PDF, WMF), icons, films and scientific containers.
# fmt: off
PHOTO_SUFFIXES = frozenset((
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe",
    ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pcd", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psd",
    ".qoi", ".ras", ".sgi", ".tga", ".tif", ".tiff", ".webp",
))
# fmt: on
"""Suffixes, in lower case, of the files in a folder that are taken for photographs."""


def find_photos(paths: Iterable[str | os.PathLike[str]]) -> list[tuple[Path, Path]]:
    """List the photographs among files and in folders.

    Folders are searched all the way down, symbolic links included, in the order of their names; what is hidden (its
    name starts with a dot) or has no suffix of a photograph is passed over. A file that is named itself is always
    taken. A file that is reached twice is listed once.

    Returns:
        (file, path of its result relative to the output folder): for a file, its name; for one in a folder, its path
        below that folder. Photos from several folders may share a relative path: that is for the caller to settle.

    Raises:
        PhotoError: there is no such file or folder, or a folder cannot be read.
    """
    found: dict[str, tuple[Path, Path]] = {}
    for path in map(Path, paths):
        if path.is_dir():
            pairs = [(file, file.relative_to(path)) for file in _photos_below(path)]
        elif path.exists():
            pairs = [(path, Path(path.name))]
        else:
            raise PhotoError(f"there is no file or folder {path}")
        for file, relative in pairs:
            # Path.resolve would raise for a link that leads in a circle.
            found.setdefault(os.path.realpath(file), (file, relative))
    return list(found.values())


def spread(count: int, limit: int | None) -> list[int]:
    """Choose so many of photographs at most, spread over all of them: their indices."""
    if limit is None or limit >= count:
        return list(range(count))
    return [place * count // limit for place in range(limit)]


def _photos_below(folder: Path) -> Iterator[Path]:
    def give_up(error: OSError) -> None:
        raise PhotoError(f"cannot read the folder {error.filename}: {explain_os_error(error)}") from error

    seen = {folder.resolve()}
    for here, folders, files in os.walk(folder, onerror=give_up, followlinks=True):
        inner = {name: (Path(here) / name).resolve() for name in sorted(folders) if not name.startswith(".")}
        folders[:] = [name for name, place in inner.items() if place not in seen]  # links may lead in circles
        seen.update(inner.values())
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in PHOTO_SUFFIXES:
                yield Path(here) / name
