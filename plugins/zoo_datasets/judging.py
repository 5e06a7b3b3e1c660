"""Which of many pictures can be learnt from: each is looked at once, and the verdicts are kept."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import BinaryIO

import platformdirs
from PIL import Image, UnidentifiedImageError

from zoo.files import explain_os_error, write_text
from zoo.photo.colourless import colourless
from zoo.photo.opening import open_picture, photo_formats
from zoo.registry.contracts import LeftOut, Progress

CACHE_EDITION = 2  # counts up when verdicts change, so that older caches are not believed


@dataclass(frozen=True)
class File:
    """A file that looks like a photograph by its name: path from the folder, with slashes; bytes; time of change."""

    path: str
    size: int
    changed: int


@dataclass(frozen=True)
class Verdict:
    """The short side in pixels, and why the file cannot be used: "" where it can."""

    short_side: int
    reason: str = ""
    lasting: bool = True  # False where the next attempt may end otherwise


def sort_out(
    files: list[File], judge_one: Callable[[File], Verdict], cache: Cache, min_side: int, progress: Progress
) -> tuple[list[File], list[LeftOut]]:
    """Sort files into usable photographs and those left out, both by path.

    Args:
        files: What looks like a photograph.
        judge_one: Called in several threads at once, for each that the cache does not know.
        cache: What is known from earlier.
        min_side: Photographs with a short side of fewer pixels are left out.
        progress: Is told how many were looked at.
    """
    files = sorted(files, key=lambda file: file.path)
    if new := [file for file in files if file not in cache]:
        photo_formats()  # imports Pillow's modules: threads must not do this at the same time
        # Warnings are about large or untidy files. They are switched off here, since filters belong to the process.
        # Unlike those of concurrent.futures, these threads are waited for by nobody: an interrupt ends it at once.
        with warnings.catch_warnings(), cache, ThreadPool(min(16, 2 * (os.cpu_count() or 1))) as pool:
            warnings.simplefilter("ignore")
            verdicts = pool.imap(judge_one, new)
            for done, (file, verdict) in enumerate(zip(new, verdicts, strict=True), len(files) - len(new) + 1):
                cache[file] = verdict
                progress(done, len(files))
            pool.close()
            pool.join()
    progress(len(files), len(files))
    usable, left_out = [], []
    for file in files:
        verdict = cache[file]
        if verdict.reason:
            left_out.append(LeftOut(file.path, verdict.reason))
        elif verdict.short_side < min_side:
            left_out.append(LeftOut(file.path, f"smaller than {min_side} pixels: {verdict.short_side}"))
        else:
            usable.append(file)
    return usable, left_out


def judge(file: Path | BinaryIO, size: int) -> Verdict:
    """Decode a picture as coarsely as it allows, and see whether it is a colour photograph."""
    if size == 0:
        return Verdict(0, "unreadable: the file is empty")
    try:
        with open_picture(file) as image:
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


def fingerprint_of(photographs: Iterable[tuple[str, int]]) -> str:
    """Tell photographs from others by their names and sizes."""
    return hashlib.blake2b(json.dumps(sorted(photographs)).encode(), digest_size=16).hexdigest()


def nothing_usable(path: Path | str, left_out: list[LeftOut], kinds_of_files: str) -> str:
    """Say why there is nothing to learn from."""
    if not left_out:
        return f"{path} holds no photographs ({kinds_of_files})"
    kinds = Counter(item.reason.partition(":")[0] for item in left_out)
    parts = []
    for kind, count in kinds.most_common():
        first = next(item for item in left_out if item.reason.partition(":")[0] == kind)
        detail = first.reason.partition(":")[2]
        parts.append(f"{count} {kind}" + (f" (first: {first.path}:{detail})" if detail else ""))
    files = "1 file" if len(left_out) == 1 else f"{len(left_out)} files"
    return f"{path} holds {files}, none usable: {', '.join(parts)}"


class Cache:
    """What earlier scans of one place found, for those of these files that have not changed since.

    It only saves time: a cache that cannot be read or written is as good as none. Used as a context manager, it is
    written at the end, also when the scan was interrupted.
    """

    def __init__(self, kind: str, place: bytes, files: list[File]) -> None:
        name = hashlib.blake2b(place, digest_size=16).hexdigest()
        self._path = Path(platformdirs.user_cache_dir("zoo"), kind, f"{name}.json")
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

    def __enter__(self) -> Cache:
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
