"""registry.toml as a file: begin one, switch plugins off in it, say where each line of the merged one comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.files import write_text
from zoo.recipe import Recipe
from zoo.registry import Registry
from zoo.registry.catalogue import FILE, Catalogue, Layer, user_file
from zoo.registry.contracts import Kind
from zoo.suggest import did_you_mean
from zoo.toml import key_to_toml, value_to_toml

_TEMPLATE = """\
# What zoo shall know in this folder and below. `zoo registry` shows what it comes to, with your own registry.toml and
# the one that ships. Lines that begin with '#' say nothing yet: take the '#' away and change them.

# The recipe of `zoo run` where none is named. It also fills in what was not said where a part is, unless `base` names
# another one for that.
default = "mine"

# The model of `zoo colorize` where none is given: a name of `zoo list --kind model`, a path, or hf://owner/repository.
# model = "runs/mine"

# Plugins to leave out, by the names that `zoo plugins` shows.
# disabled = ["smp"]

# A recipe of this project. What it leaves out is as in the one that it extends.
[recipes.mine]
extends = "landscapes"
summary = "the recipe of this project"
# data = "photos/"
# generator = "unet-deep:base=32"
# loss = "100*l1+adv"
# batch = 8
# epochs = 50

# Fields of all recipes that leave them out.
# [fields]
# device = "cuda:1"
# workers = 4

# Options of a component, wherever none are written.
# [options.generator.unet-deep]
# base = 32

# Other names; also for one of two plugins that offer the same name.
# [aliases.critic]
# patch = "critics/patch"

# What a bare path means; {} stands for it.
# [shorthands]
# dataset = "folder:path={},min_side=128"
"""


def begin(folder: Path) -> Path:
    """Write a commented registry.toml for a new project; return its path.

    Raises:
        UsageError: there is one already, or no such folder.
    """
    path = folder / FILE
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} is there already")
    write_text(path, _TEMPLATE)
    return path


def disable(known: Registry, name: str) -> Path:
    """Leave a plugin out from now on: say so in the user's registry.toml, and return its path.

    Raises:
        UsageError: there is no such plugin, or it is left out already.
    """
    names = [plugin.name for plugin in known.plugins]
    if name not in names:
        raise UsageError(f"there is no plugin {name!r}{did_you_mean(name, names)} (zoo plugins shows what there is)")
    if files := known.catalogue.disabled.get(name):
        raise UsageError(f"{name} is disabled already, in {_listed(files)}")
    return _edit(name, disabled=True)


def enable(known: Registry, name: str) -> Path:
    """Take a plugin in again: take it out of `disabled` in the user's registry.toml, and return its path.

    Raises:
        UsageError: it is not left out, or another registry.toml leaves it out.
    """
    files = known.catalogue.disabled.get(name, [])
    if not files:
        raise UsageError(f"{name} is not disabled{did_you_mean(name, known.catalogue.disabled)}")
    if others := [path for path in files if path != user_file()]:
        raise UsageError(f"{name} is disabled in {_listed(others)}: take it out there")
    return _edit(name, disabled=False)


def entries(catalogue: Catalogue) -> Iterator[tuple[tuple[str, ...], Any, list[tuple[Path, int]]]]:
    """Yield what the merged registry.toml says: keys, value, and the file and line that it comes from."""
    yield ("default",), catalogue.default, [catalogue.source("default")]
    if catalogue.base != catalogue.default:
        yield ("base",), catalogue.base, [catalogue.source("base")]
    if catalogue.model:
        yield ("model",), catalogue.model, [catalogue.source("model")]
    if catalogue.disabled:
        files = dict.fromkeys(path for paths in catalogue.disabled.values() for path in paths)
        places = [place for place in catalogue.sources("disabled") if place[0] in files]
        yield ("disabled",), sorted(catalogue.disabled), places
    tables: dict[str, Any] = {
        "shorthands": catalogue.shorthands,
        "aliases": _nested(catalogue.aliases),
        "options": _nested(catalogue.options),
        "fields": catalogue.fields,
        "recipes": catalogue.recipes,
        "presets": {name: preset.model_dump(exclude_unset=True) for name, preset in catalogue.presets.items()},
    }
    for keys, value in _leaves((), tables):
        yield keys, value, [catalogue.source(*keys)]


def as_toml(catalogue: Catalogue) -> str:
    """Write the merged registry.toml, each line with a comment that says where it comes from."""
    numbers = {path: number for number, (path, _) in enumerate(catalogue.layers, start=1)}
    own = {catalogue.project: "  (this project's)", user_file(): "  (yours)"}
    lines = [f"# {number}: {path}{own.get(path, '')}" for path, number in numbers.items()]
    table: tuple[str, ...] = ()
    for keys, value, places in entries(catalogue):
        if keys[:-1] != table:
            table = keys[:-1]
            lines += ["", f"[{key_to_toml(*table)}]"]
        place = "; ".join(f"{numbers[path]}, line {line}" for path, line in places)
        lines.append(f"{key_to_toml(keys[-1])} = {value_to_toml(value)}  # {place}")
    return "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema of registry.toml, for editors."""
    schema = Layer.model_json_schema()
    recipe = Recipe.model_json_schema()["properties"]
    extends = {"description": "the recipe that fills in what this one leaves out", "type": "string"}
    table = {"type": "object", "additionalProperties": False}
    schema["properties"]["fields"] |= {**table, "properties": recipe}
    schema["properties"]["recipes"]["additionalProperties"] = {**table, "properties": {"extends": extends, **recipe}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": FILE}


def _edit(name: str, *, disabled: bool) -> Path:
    import tomlkit

    path = user_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    document = tomlkit.parse(path.read_bytes().decode() if path.is_file() else "")
    names: Any = document.setdefault("disabled", tomlkit.array())
    if disabled:
        names.append(name)
    while not disabled and name in names:
        names.remove(name)
    write_text(path, tomlkit.dumps(document))
    return path


def _nested(table: Mapping[tuple[Kind, str], Any]) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for (kind, name), value in table.items():
        nested.setdefault(kind, {})[name] = value
    return nested


def _leaves(keys: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the values of nested tables with their keys; a table's own values before the tables in it."""
    for key, value in sorted(table.items(), key=lambda item: isinstance(item[1], dict)):
        if isinstance(value, dict):
            yield from _leaves((*keys, key), value)
        else:
            yield (*keys, key), value


def _listed(paths: list[Path]) -> str:
    return " and ".join(map(str, paths))
