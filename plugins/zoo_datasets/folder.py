"""A folder of photographs: which of its files can be learnt from, and which of them validate."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import stat
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Annotated

import platformdirs
from PIL import Image, UnidentifiedImageError
from pydantic import Field
from torch import Tensor

from zoo.errors import UsageError
from zoo.files import explain_os_error, write_text
from zoo.photo import PHOTO_SUFFIXES, read_rgb
from zoo.photo.colourless import colourless
from zoo.photo.opening import open_picture, photo_formats
from zoo.registry.contracts import LeftOut, Progress, Split
from zoo.suggest import did_you_mean
from zoo_datasets.splitting import members

CACHE_EDITION = 2  # counts up when verdicts change, so that older caches are not believed


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
        listing = json.dumps(sorted((file.path, file.size) for file in files))
        self.fingerprint = hashlib.blake2b(listing.encode(), digest_size=16).hexdigest()

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
        raise UsageError(_nothing_usable(path / within, left_out))
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


def _nothing_usable(path: Path, left_out: list[LeftOut]) -> str:
    if not left_out:
        return f"{path} holds no photographs (.jpg, .png, .webp, .tiff, …)"
    kinds = Counter(item.reason.partition(":")[0] for item in left_out)
    parts = []
    for kind, count in kinds.most_common():
        first = next(item for item in left_out if item.reason.partition(":")[0] == kind)
        detail = first.reason.partition(":")[2]
        parts.append(f"{count} {kind}" + (f" (first: {first.path}:{detail})" if detail else ""))
    files = "1 file" if len(left_out) == 1 else f"{len(left_out)} files"
    return f"{path} holds {files}, none usable: {', '.join(parts)}"


# ------------------------------------------------------------------------------------------------- finding


@dataclass(frozen=True)
class File:
    """A file that looks like a photograph by its name: path from the folder, with slashes; bytes; time of change."""

    path: str
    size: int
    changed: int


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
    files.sort(key=lambda file: file.path)
    cache = _Cache(root, files)
    if new := [file for file in files if file not in cache]:
        photo_formats()  # imports Pillow's modules: threads must not do this at the same time
        # Warnings are about large or untidy files. They are switched off here, since filters belong to the process.
        # Unlike those of concurrent.futures, these threads are waited for by nobody: an interrupt ends it at once.
        with warnings.catch_warnings(), cache, ThreadPool(_threads()) as pool:
            warnings.simplefilter("ignore")
            verdicts = pool.imap(functools.partial(_judge, root), new)
            for done, (file, verdict) in enumerate(zip(new, verdicts, strict=True), len(files) - len(new) + 1):
                cache[file] = verdict
                progress(done, len(files))
            pool.close()
            pool.join()
    progress(len(files), len(files))
    usable = []
    for file in files:
        verdict = cache[file]
        if verdict.reason:
            left_out.append(LeftOut(file.path, verdict.reason))
        elif verdict.short_side < min_side:
            left_out.append(LeftOut(file.path, f"smaller than {min_side} pixels: {verdict.short_side}"))
        else:
            usable.append(file)
    return usable, sorted(left_out, key=lambda item: item.path)


def _threads() -> int:
    return min(16, 2 * (os.cpu_count() or 1))


# ------------------------------------------------------------------------------------------------- judging


@dataclass(frozen=True)
class Verdict:
    """The short side in pixels, and why the file cannot be used: "" where it can."""

    short_side: int
    reason: str = ""
    lasting: bool = True  # False where the next attempt may end otherwise


def _judge(root: Path, file: File) -> Verdict:
    """Decode a file as coarsely as it allows, and see whether it is a colour photograph."""
    if file.size == 0:
        return Verdict(0, "unreadable: the file is empty")
    try:
        with open_picture(root / file.path) as image:
            short_side = min(image.size)
            image.draft("RGB", (64, 64))
            image.load()
            return Verdict(short_side, colourless(image))
    except UnidentifiedImageError:
        return Verdict(0, "unreadable: it is not a picture")
    except Image.DecompressionBombError:
        return Verdict(0, "unreadable: it is too large to be opened safely")
    except OSError as error:
        if error.errno is not None:
            return Verdict(0, f"unreadable: {explain_os_error(error)}", lasting=False)
        return Verdict(0, f"unreadable: it is damaged or cut short ({error})")
    except MemoryError:
        return Verdict(0, "unreadable: not enough memory", lasting=False)
    except Exception as error:  # decoders of broken files raise SyntaxError, struct.error, IndexError, …
        return Verdict(0, f"unreadable: it is damaged or cut short ({error or type(error).__name__})")


class _Cache:
    """What earlier scans of one folder found, for those of these files that have not changed since.

    It only saves time: a cache that cannot be read or written is as good as none. Used as a context manager, it is
    written at the end, also when the scan was interrupted.
    """

    def __init__(self, root: Path, files: list[File]) -> None:
        name = hashlib.blake2b(os.fsencode(root.absolute()), digest_size=16).hexdigest()
        self._path = Path(platformdirs.user_cache_dir("zoo"), "folders", f"{name}.json")
        self._verdicts: dict[File, Verdict] = {}
        current = set(files)
        with suppress(Exception):  # damaged in whichever way
            content = json.loads(self._path.read_text("utf-8"))
            if content["edition"] == CACHE_EDITION:
                for path, size, changed, short_side, reason in content["files"]:
                    if (file := File(path, size, changed)) in current:
                        self._verdicts[file] = Verdict(int(short_side), str(reason))

    def __contains__(self, file: File) -> bool:
        return file in self._verdicts

    def __getitem__(self, file: File) -> Verdict:
        return self._verdicts[file]

    def __setitem__(self, file: File, verdict: Verdict) -> None:
        self._verdicts[file] = verdict

    def __enter__(self) -> _Cache:
        return self

    def __exit__(self, *_: object) -> None:
        files = [
            (file.path, file.size, file.changed, verdict.short_side, verdict.reason)
            for file, verdict in self._verdicts.items()
            if verdict.lasting
        ]
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._path, json.dumps({"edition": CACHE_EDITION, "files": files}))
