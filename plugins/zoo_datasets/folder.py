"""A folder of photographs: which of its files can be learnt from, and which of them validate."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor

from zoo.errors import UsageError
from zoo.files import explain_os_error
from zoo.photo import PHOTO_SUFFIXES, read_rgb
from zoo.registry.contracts import LeftOut, Progress, Split
from zoo.suggest import did_you_mean
from zoo_datasets.judging import Cache, File, Verdict, fingerprint_of, judge, nothing_usable, sort_out
from zoo_datasets.splitting import members


class FolderDataset:
    """The photographs of one split of a folder.

    Attributes:
        fingerprint: The same for the same names and sizes of files.
        left_out: Files of the folder that look like photographs and are not used, whatever the split.
        names: The photographs' paths from the folder.
    """

    def __init__(self, root: Path, files: list[File], left_out: list[LeftOut], decode: int) -> None:
        self.left_out = left_out
        self._root = str(root)
        self.names = [file.path for file in files]
        self._decode = decode
        self.fingerprint = fingerprint_of((file.path, file.size) for file in files)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        """Read one photograph -> uint8 (3, H, W), sRGB, upright.

        Raises:
            PhotoError: The file can no longer be read.
            IndexError: There are fewer photographs.
        """
        return read_rgb(Path(self._root, self.names[index]), min_side=self._decode)


def folder(
    *,
    split: Split,
    progress: Progress | None = None,
    path: Path,
    val: Annotated[float, Field(gt=0, lt=1)] = 0.05,
    min_side: Annotated[int, Field(ge=16)] = 64,
    decode: Annotated[int, Field(ge=16)] = 512,
) -> FolderDataset:
    """A folder of your own photographs, with all its sub-folders.

    Where it has sub-folders `train` and `val`, these are the split. Otherwise each photograph's name decides for
    itself, so that adding some never moves others. Files that cannot be learnt from (damaged, tiny, already grey or
    sepia) are left out and listed. Hidden files and links to folders are not followed.

    Args:
        path: The folder.
        val: Share of the photographs that is kept for validation, where there are no sub-folders train and val.
        min_side: Photographs with a short side of fewer pixels than this are left out.
        decode: Larger photographs are scaled down to a short side of this many pixels when read, which is much faster.

    Raises:
        UsageError: There is no such folder, or no usable photograph for one of the splits.
    """
    path = path.expanduser()
    _check_is_folder(path)
    divided = (path / "train").is_dir() and (path / "val").is_dir()
    within = f"{split}/" if divided else ""
    files, left_out = _scan(path / within, min_side, progress or _in_silence)
    left_out = [LeftOut(within + item.path, item.reason) for item in left_out]
    if not files:
        raise UsageError(nothing_usable(path / within, left_out, ".jpg, .png, .webp, .tiff, …"))
    if not divided:
        if len(files) == 1:
            raise UsageError(
                f"{path} holds a single usable photograph, {files[0].path}: "
                "two at least are needed, one to learn from and one to validate with"
            )
        ours = members([file.path for file in files], split, val)
        files = [file for file in files if file.path in ours]
    return FolderDataset(path / within, files, left_out, decode)


def _in_silence(_done: int, _total: int | None) -> None:
    """Tell nobody."""


def _check_is_folder(path: Path) -> None:
    try:
        if path.is_dir():
            next(path.iterdir(), None)
            return
        if path.exists():
            raise UsageError(f"{path} is a file, not a folder of photographs")
    except OSError as error:
        raise UsageError(f"cannot look into {path}: {explain_os_error(error)}") from error
    neighbours: list[str] = []
    with suppress(OSError):
        neighbours = [entry.name for entry in os.scandir(path.parent) if entry.is_dir()]
    raise UsageError(f"there is no folder {path}{did_you_mean(path.name, neighbours)}")


# ------------------------------------------------------------------------------------------------- finding


def _find(root: Path, left_out: list[LeftOut]) -> Iterator[File]:
    """Walk the folder. What cannot be looked into is added to `left_out`."""

    def relative(path: str) -> str:
        return path[start:].replace(os.sep, "/") or "."

    def note(error: OSError) -> None:
        left_out.append(LeftOut(relative(error.filename), f"unreadable: {explain_os_error(error)}"))

    # Text rather than paths: of a hundred thousand files, each microsecond counts.
    start = len(os.path.join(root, ""))  # noqa: PTH118
    for parent, folders, names in os.walk(root, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith(".") or os.path.splitext(name)[1].lower() not in PHOTO_SUFFIXES:  # noqa: PTH122
                continue
            full = os.path.join(parent, name)  # noqa: PTH118
            try:
                status = os.stat(full)  # noqa: PTH116
            except OSError as error:  # a link to nowhere, or just deleted
                note(error)
                continue
            if stat.S_ISREG(status.st_mode):
                yield File(relative(full), status.st_size, status.st_mtime_ns)
            else:  # opening a pipe would wait for ever
                left_out.append(LeftOut(relative(full), "unreadable: it is not a file"))


def _scan(root: Path, min_side: int, progress: Progress) -> tuple[list[File], list[LeftOut]]:
    """Sort the files under `root` into usable photographs and those left out, both by path."""
    left_out: list[LeftOut] = []
    files = []
    for file in _find(root, left_out):
        files.append(file)
        progress(len(files), None)
    cache = Cache("folders", os.fsencode(root.absolute()), files)
    usable, unusable = sort_out(files, functools.partial(_judge, root), cache, min_side, progress)
    return usable, sorted(left_out + unusable, key=lambda item: item.path)


def _judge(root: Path, file: File) -> Verdict:
    """See whether a file is a colour photograph."""
    return judge(root / file.path, file.size)
