"""Plugins that are one file each, in a folder of somebody's: for trying things out, without a package."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from zoo.errors import UsageError, ZooError
from zoo.files import sha256_of

FOLDERS = "ZOO_PLUGINS_DIR"
"""The variable that names the folders, separated as those of PATH: processes that this one starts see it, too."""
HASH = "sha256:"
"""How the version of a plugin begins that is a file: no version of a distribution does."""

_entered: list[str] = []
"""The folders that stand in `sys.path` because of us."""


def add_to_environment(folders: Iterable[Path]) -> None:
    """Name more folders in the environment, for this process and those that it starts."""
    known = list(filter(None, os.environ.get(FOLDERS, "").split(os.pathsep)))
    wanted = [*known, *(str(folder.absolute()) for folder in folders)]
    os.environ[FOLDERS] = os.pathsep.join(dict.fromkeys(wanted))


def find_files() -> list[Path]:
    """List the files that are plugins: `*.py` of each folder that the environment names, but for `_*.py`.

    Their folders come last of all that Python searches, so what they hold can take nobody's place. Processes that load
    photographs are told of them by multiprocessing, whichever way they are started.

    Raises:
        UsageError: a folder is not there.
    """
    folders = [Path(name).absolute() for name in os.environ.get(FOLDERS, "").split(os.pathsep) if name]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{FOLDERS}: there is no folder {folder}")
    _enter(list(dict.fromkeys(map(str, folders))))
    return [file for folder in dict.fromkeys(folders) for file in sorted(folder.glob("[!_]*.py"))]


def version_of(file: Path) -> str:
    """Return what tells a file from what it was before: the beginning of its hash."""
    try:
        return HASH + sha256_of(file)[:12]
    except OSError:
        return HASH + "?"


def import_file(file: Path) -> ModuleType:
    """Import a file of `find_files` under its own name.

    Raises:
        ZooError: no module can be called that, or one is.
        Exception: whatever its code raises.
    """
    name = file.stem
    if not name.isidentifier():
        raise ZooError(f"{file.name} cannot be imported: a module's name is made of letters, digits and '_'")
    loaded = sys.modules.get(name)
    taken = getattr(loaded, "__file__", None) or "" if loaded else _origin(name)
    if name in sys.stdlib_module_names or (taken is not None and not _same(taken, file)):
        whose = "of Python's own" if name in sys.stdlib_module_names else f"that is installed ({taken or 'built in'})"
        raise ZooError(f"{file.name} has the name of a module {whose}: give it another name")
    return importlib.import_module(name)


def _origin(name: str) -> str | None:
    """Return where a module is that nobody has imported yet; None where there is none."""
    spec = find_spec(name)
    return None if spec is None else spec.origin or next(iter(spec.submodule_search_locations or ()), "")


def _same(path: str, file: Path) -> bool:
    return Path(path).exists() and file.exists() and Path(path).samefile(file)


def _enter(folders: list[str]) -> None:
    """Have Python search these folders, and no longer those of an earlier call."""
    for folder in [folder for folder in _entered if folder not in folders]:
        _entered.remove(folder)
        if folder in sys.path:
            sys.path.remove(folder)
        for name, module in list(sys.modules.items()):
            if (file := getattr(module, "__file__", None)) and str(Path(file).parent) == folder:
                del sys.modules[name]
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)
            _entered.append(folder)
    if folders:  # of which a file may have been written a moment ago
        importlib.invalidate_caches()
