"""What people give beside photographs: hints in text, extras in folders."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error, sha256_of
from zoo.photo import Hint, find_photos, read_rgb

if TYPE_CHECKING:
    from torch import Tensor

Hints = Mapping[Path, Sequence[Hint]]
"""By photographs."""


@dataclass(frozen=True)
class Extra:
    """A folder with a picture for each photograph."""

    folder: Path
    by_stem: Mapping[str, tuple[Path, ...]]
    """Its pictures, by their names without the suffix."""

    def read(self, photo: Path) -> Tensor:
        """Read the one that belongs to a photograph: RGB, float32 (3, H, W) in [0, 1].

        Raises:
            ZooError: there is none, there are several, or it cannot be read.
        """
        found = self.by_stem.get(photo.stem, ())
        if not found:
            raise ZooError(f"{photo}: there is no picture named {photo.stem} in {self.folder}")
        if len(found) > 1:
            raise ZooError(f"{photo}: both {found[0]} and {found[1]} could belong to it")
        return read_rgb(found[0]).float() / 255

    def digest(self, photo: Path) -> list[str]:
        """The SHA-256 of whatever may belong to a photograph.

        Raises:
            OSError: it cannot be read.
        """
        return [sha256_of(path) for path in self.by_stem.get(photo.stem, ()) if path.is_file()]


def find_extras(texts: Iterable[str]) -> dict[str, Extra]:
    """Read `NAME=FOLDER`s, and look through the folders.

    Raises:
        UsageError: one is malformed or there twice, or its folder is not there.
    """
    extras: dict[str, Extra] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--extra {text}: write NAME=FOLDER, such as depth=album-depth/")
        if name in extras:
            raise UsageError(f"--extra {text}: {name} is there twice")
        if not Path(folder).is_dir():
            raise UsageError(f"--extra {text}: there is no folder {folder}")
        by_stem: dict[str, tuple[Path, ...]] = {}
        for path, _ in find_photos([Path(folder)]):
            by_stem[path.stem] = (*by_stem.get(path.stem, ()), path)
        extras[name] = Extra(Path(folder), by_stem)
    return extras


def find_hints(texts: Sequence[str], file: Path | None, photos: Sequence[Path]) -> dict[Path, list[Hint]]:
    """Read the hints for photographs.

    Args:
        texts: `x,y,#rrggbb` each, for the only photograph.
        file: CSV without a header, a hint in each line: photo,x,y,#rrggbb. A photograph is named by its file, with as
            many of the folders before it as tell it from others.
        photos: all of them.

    Raises:
        UsageError: a hint is malformed, or it is not clear which photograph it is for.
    """
    hints: dict[Path, list[Hint]] = {}
    if texts and len(photos) > 1:
        raise UsageError(f"--hint is for one photograph, and there are {len(photos)}: take --hints FILE")
    for text in texts:
        hints.setdefault(photos[0], []).append(Hint.parse(text))
    for number, row in enumerate(_rows(file), start=1):
        if not row:
            continue
        place = f"{file}, line {number}"
        try:
            photo, text = _named(row[0].strip(), photos), ",".join(row[1:])
            hints.setdefault(photo, []).append(Hint.parse(text))
        except UsageError as error:
            raise UsageError(f"{place}: {error}") from None
    return hints


def _rows(file: Path | None) -> list[list[str]]:
    if file is None:
        return []
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return list(csv.reader(lines))
    except OSError as error:
        raise UsageError(f"--hints {file}: {explain_os_error(error)}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--hints {file} is no CSV file: {error}") from None


def _named(name: str, photos: Iterable[Path]) -> Path:
    parts = Path(name).parts
    found = [photo for photo in photos if parts and photo.parts[-len(parts) :] == parts]
    if not found:
        raise UsageError(f"none of the photographs is {name!r}")
    if len(found) > 1:
        raise UsageError(f"{name!r} may be {found[0]} or {found[1]}: write more of the path")
    return found[0]
