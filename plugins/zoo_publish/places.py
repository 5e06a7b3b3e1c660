"""Where a model can be published, and what stands there already."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zoo.errors import UsageError, ZooError
from zoo.files import CRITIC, MODEL, explain_os_error, replacing
from zoo.registry import ModelSource
from zoo.run import INFO, RECIPE
from zoo_publish.card import SHEET

CARD = "README.md"
FILES = (MODEL, CRITIC, RECIPE, SHEET, CARD)
"""What is published, in the order in which it is written: a card is never there before what it is about."""


@dataclass(frozen=True)
class There:
    """What stands already where something is to be published."""

    files: frozenset[str] = frozenset()
    card: str = ""


class Target(Protocol):
    """Where a model can be published."""

    name: str
    """What the model is called there; empty where it keeps its name."""
    reference: str
    """What to write after `--model` for it."""

    def look(self) -> There:
        """See what is there."""

    def write(self, folder: Path, names: Sequence[str], stale: Sequence[str]) -> str:
        """Put files of a folder there, take others away, and say where they are."""


class Folder:
    """A folder to publish a model in."""

    name = ""

    def __init__(self, path: Path, source: ModelSource) -> None:
        if file := next((one for one in (path, *path.parents) if one.exists() and not one.is_dir()), None):
            raise UsageError(f"{file} is a file: give a folder, or hf://owner/name")
        if (path / INFO).exists():
            raise UsageError(f"{path} is the folder of a run, which needs its files as they are: choose another one")
        with suppress(FileNotFoundError):
            if (path / MODEL).samefile(source.file):
                raise UsageError(f"{path} is where the model is already: choose another folder")
        self.path = path
        self.reference = as_path(path)

    def look(self) -> There:
        """See what is there."""
        return look(self.path, FILES, CARD)

    def write(self, folder: Path, names: Sequence[str], stale: Sequence[str]) -> str:
        """Put files there, each whole or not at all, and take others away."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in stale:
                (self.path / name).unlink(missing_ok=True)
            for name in names:
                with replacing(self.path / name, follow_link=False) as new:
                    shutil.copyfile(folder / name, new)
        except OSError as error:
            raise ZooError(f"cannot write to {self.path}: {explain_os_error(error)}") from error
        return str(self.path)


def look(folder: Path, names: Sequence[str], card: str) -> There:
    """See which of these files a folder has, and what its card says."""
    found = frozenset(name for name in names if os.path.lexists(folder / name))
    text = ""
    with suppress(OSError):
        text = (folder / card).read_text(encoding="utf-8", errors="replace")
    return There(found, text)


def as_path(path: Path) -> str:
    """Show a path as it is seen from beside it, and not as somebody has it."""
    return f"./{path.resolve().name}"
