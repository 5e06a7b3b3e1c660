"""What was coloured already: a file among the results, by which an album that was interrupted goes on."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from zoo.files import sha256_of

_STEM, _SUFFIX = ".zoo-album", ".jsonl"
LEDGERS = f"{_STEM}*{_SUFFIX}"
"""What the files are called, one or several in a folder."""


@dataclass(frozen=True)
class Made:
    """What a result was made of. Two that are equal mean the same picture."""

    original: str
    """SHA-256 of the photograph's file."""
    model: str
    """Of the model's file. "" for a model that has none: nothing is known of its results."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else counts, as JSON knows it."""


class Ledger:
    """What is known of the results in a folder: a line of JSON for each, with hashes.

    A line is written before its result takes its place, so that there is no result without one. Several processes may
    write into one folder: each has a file of its own, and all read all of them.
    """

    def __init__(self, folder: Path, part: str = "", digest: Callable[[Path], str] = sha256_of) -> None:
        """Read what is known.

        Args:
            folder: that of the results.
            part: the name of this process's file among others'.
            digest: the SHA-256 of a result that is there, for results whose contents are elsewhere.
        """
        self.folder = folder
        self.file = folder / f"{_STEM}{part and '-'}{part}{_SUFFIX}"
        """This process's own."""
        self._digest = digest
        self._lock = threading.Lock()
        self._known: dict[str, list[dict[str, Any]]] = {}
        self._descriptor: int | None = None
        for file in sorted(folder.glob(LEDGERS)):
            self._read(file)
        for lines in self._known.values():
            lines.sort(key=itemgetter("at"))

    def is_done(self, target: Path, made: Made, *, exactly: str | None = None) -> bool:
        """Whether a result was made of this, and is there.

        Args:
            target: the result.
            made: what it would be made of.
            exactly: zoo's version, where the result must be the very one that was written, and by this zoo.
        """
        lines = self._known.get(self._name(target))
        if not lines or not made.model or target.is_symlink() or not target.is_file():
            return False
        *older, line = lines
        if {key: line.get(key) for key in ("original", "model", "settings")} != _as_json(made):
            return False
        if exactly is None and not older and "over" not in line:
            return True  # somebody may have retouched it since
        found = self._digest(target)
        if exactly is None:  # one that was to be replaced when the process was killed?
            before = [line.get("over"), *(old.get("result") for old in older)]
            return line.get("result") == found or found not in before
        return line.get("zoo") == exactly and line.get("result") == found

    def add(self, target: Path, made: Made, result: str, version: str) -> None:
        """Write down what is about to take its place.

        Args:
            target: where.
            made: what it was made of.
            result: its SHA-256.
            version: zoo's.

        Raises:
            OSError: it cannot be written.
        """
        name = self._name(target)
        line = {"target": name, **_as_json(made), "result": result, "zoo": version, "at": time.time()}
        if name not in self._known and target.is_file() and not target.is_symlink():
            line["over"] = self._digest(target)  # somebody's file, which is to be replaced
        with self._lock:
            if self._descriptor is None:
                self._descriptor = self._opened()
            data = (json.dumps(line) + "\n").encode()
            try:
                if os.write(self._descriptor, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._descriptor)
            except OSError:
                os.close(self._descriptor)
                self._descriptor = None  # so that a line that was cut short gets its end
                raise
            self._known.setdefault(name, []).append(line)

    def close(self) -> None:
        """Close the file. It is opened again where something is added."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    def _name(self, target: Path) -> str:
        return target.relative_to(self.folder).as_posix()

    def _opened(self) -> int:
        # Like results, it is never written through a link that somebody put in its place.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.file, flags, 0o666)
        size = os.lseek(descriptor, 0, os.SEEK_END)
        if size:
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            if os.read(descriptor, 1) != b"\n":  # somebody was killed in the middle of a line
                os.write(descriptor, b"\n")
        return descriptor

    def _read(self, file: Path) -> None:
        if file.is_symlink():
            return
        with suppress(OSError), file.open("rb") as lines:
            for text in lines:
                try:
                    line = dict(json.loads(text))
                    line["at"] = float(line["at"])
                    self._known.setdefault(str(line["target"]), []).append(line)
                except (ValueError, TypeError, KeyError, RecursionError):  # cut short, or somebody else's
                    continue


def _as_json(made: Made) -> dict[str, Any]:
    table = {"original": made.original, "model": made.model, "settings": dict(made.settings)}
    return dict(json.loads(json.dumps(table)))
