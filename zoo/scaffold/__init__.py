"""A new plugin, from templates: one folder per kind, and `common` for what all of them have."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from string import Template

from zoo import registry
from zoo.errors import UsageError
from zoo.files import write_text
from zoo.recipe import NONE
from zoo.registry.contracts import Kind
from zoo.versions import zoo_version

TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".tmpl"
"""Keeps a template from being taken for code of ours."""


def create(name: str, kind: Kind, parent: Path) -> Path:
    """Write a package that offers one component, whole or not at all.

    Args:
        name: the component's name, and the folder's. Distribution and package are called after it, with `zoo-` before.
        kind: what it is.
        parent: folder to write it into; made if it is missing.

    Returns:
        The new folder.

    Raises:
        UsageError: the name cannot be one, or is taken, or there is something of that name already.
        OSError: it cannot be written.
    """
    _check_name(name, kind)
    folder = parent / name
    if os.path.lexists(folder):
        raise UsageError(f"{folder} is there already, and stays as it is: take another name, or another --out")
    words = {
        "name": name,
        "kind": kind,
        "package": _package(name),
        "class": _class(name, kind),
        "version": zoo_version().partition("+")[0],
    }
    parent.mkdir(parents=True, exist_ok=True)
    unfinished = parent / f".zoo-{secrets.token_hex(8)}.tmp"
    try:
        for place, text in _filled_in(kind, words):
            (unfinished / place).parent.mkdir(parents=True, exist_ok=True)
            write_text(unfinished / place, text)
        unfinished.rename(folder)
    except BaseException as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise UsageError(f"{folder} is there already, and stays as it is") from None
        raise
    return folder


def _check_name(name: str, kind: Kind) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} cannot be the name of a component and its package: write small letters a to z and digits, a "
            "letter first, with single '-' between words, such as my-critic"
        )
    if kind == "model":
        raise UsageError(
            "a model is trained, not written: begin a package with another kind, and see docs/models.md for how it "
            "ships a model"
        )
    known = registry.get()
    taken = [f"the {c.kind} {c.name} of the plugin {c.plugin}" for c in known.named(name, kind)]
    taken += [f"the plugin {plugin.name}" for plugin in known.plugins if plugin.name == name]
    taken += [f"the package {_package(name)}"] if find_spec(_package(name)) else []
    if taken:
        raise UsageError(f"there is {taken[0]} already: take another name than {name}")
    if name == NONE:
        raise UsageError(f"{name} stands for no component at all: take another name")


def _package(name: str) -> str:
    return f"zoo_{name.replace('-', '_')}"


def _class(name: str, kind: Kind) -> str:
    """Name the class so that it hides nothing that its module imports: `tensor` becomes `TensorCritic`."""
    words = name.split("-") if name.endswith(kind) else [*name.split("-"), kind]
    return "".join(word.capitalize() for word in words)


def _filled_in(kind: Kind, words: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield every file of a new package: where it goes, and what it says."""
    for folder in (TEMPLATES / "common", TEMPLATES / kind):
        for template in sorted(folder.rglob(f"*{_SUFFIX}")):
            place = template.relative_to(folder).with_suffix("")
            if place.parts[0] == "package":
                place = Path(words["package"], *place.parts[1:])
            yield place, Template(template.read_text(encoding="utf-8")).substitute(words)
