"""Files that are either written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MODEL = "model.safetensors"
"""What a folder that holds a model calls it; in that of a run, it is the best one."""
CRITIC = "critic.safetensors"
"""The critic that goes with it."""
LAST_MODEL = "last.safetensors"
"""The newest model of a run."""
EPOCH_MODEL = "epoch-{}.safetensors"
"""The model of an epoch that a run kept."""

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "that disk is read-only",
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.EISDIR: "that is a folder, not a file",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EFBIG: "the file would be larger than is allowed there",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.EIO: "the disk reports a fault",
}
if hasattr(errno, "EDQUOT"):  # Windows has no quotas of this kind
    _REASONS[errno.EDQUOT] = "the quota on that disk is used up"

# Files under way: this module's own, and those of safetensors, which writes beside the place that it is given.
_LEFTOVER = re.compile(r"\.zoo-[0-9a-f]{16}\.tmp|\.tmp[A-Za-z0-9]{6}")

# Control characters but for tab and line feed, and what breaks lines or turns the direction of writing round.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_LONGEST = 400
_WORD = re.compile(rf"[\w.+*/:=,-]{{1,{_LONGEST}}}", re.ASCII)


def explain_os_error(error: OSError) -> str:
    """Say in a few words what went wrong, to stand after "cannot write x.png: "."""
    known = _REASONS.get(error.errno) if error.errno is not None else None
    return known or error.strerror or str(error) or type(error).__name__


def printable(text: str) -> str:
    """Show what a terminal would act on as Python does: an escape character becomes `\\x1b`.

    Names of files may hold such characters. Tabs and line feeds stay.
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def quoted(text: str) -> str:
    """Show text that somebody else's file says, such as a name: in quotes and cut short unless it is a plain word."""
    return text if _WORD.fullmatch(text) else repr(text[:_LONGEST]) + "…" * (len(text) > _LONGEST)


def check_depth(value: object, levels: int = 50) -> None:
    """See that what a file says can be shown and written again, which takes Python's stack at every level.

    Raises:
        RecursionError: it is nested more deeply than anybody means to.
    """
    if isinstance(value, dict | list):
        if levels == 0:
            raise RecursionError
        for part in value.values() if isinstance(value, dict) else value:
            check_depth(part, levels - 1)


@contextmanager
def replacing(path: Path, *, follow_link: bool = True) -> Iterator[Path]:
    """Yield a new, empty file, to be written to, that takes the place of `path` when the block ends well.

    Readers see the old file or the new one, never a part; after a power cut, too. When the block raises, the old
    file stays as it was and nothing is left behind. Several writers may write the same path at once: the last one
    wins.

    Args:
        path: the file.
        follow_link: where it is a symbolic link, replace the file that it points to, and not the link. That is for
            files which people keep elsewhere on purpose, such as their registry.toml.

    Raises:
        OSError: the folder is missing or not writable, `path` is a folder, the disk is full, …
    """
    if follow_link:
        # Renaming onto a link would replace the link.
        path = Path(os.path.realpath(path))
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # Not made by tempfile, so that the file gets the permissions that the user's umask asks for.
    temporary = _beside(path)
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        flush(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def duplicate(path: Path, target: Path) -> None:
    """Put another name on a file that is only ever replaced as a whole, or a copy of it where there are no links.

    Raises:
        OSError: it cannot be written.
    """
    temporary = _beside(target)
    try:
        os.link(path, temporary)
    except OSError:
        with replacing(target) as new:
            shutil.copyfile(path, new)
        return
    temporary.replace(target)
    # Of two names of one file, renaming leaves both.
    temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def _beside(path: Path) -> Path:
    # A name of its own, not the target's with a suffix: that may exceed what the file system allows.
    return path.with_name(f".zoo-{secrets.token_hex(8)}.tmp")


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder and below. Nobody may be writing there."""
    for path in folder.rglob(".*"):
        if _LEFTOVER.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def flush(path: Path) -> None:
    """Wait until what was written to a file is on the disk.

    Raises:
        OSError: it cannot be opened, or the disk reports a fault.
    """
    with path.open("rb+") as file:  # Windows flushes only what may be written
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder outlast a power cut, where the system offers that (Windows does not)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_bytes(path: Path, data: bytes | memoryview, *, follow_link: bool = True) -> None:
    """Write `data` to `path`, whole or not at all: see `replacing`."""
    with replacing(path, follow_link=follow_link) as new:
        new.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
