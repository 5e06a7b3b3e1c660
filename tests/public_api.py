"""What is public, and what has changed since the last release; with --released, writes tests/public_api.txt anew.

The table in docs/compatibility.md lists the public modules, once. tests/public_api.txt has the signatures as they were
at the last release; tests/docs/test_api.py wants a line in the changelog for what has changed since.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
import typer

from zoo import Recipe, registry
from zoo.cli.main import app
from zoo.model import FORMAT
from zoo.registry.catalogue import Layer
from zoo.versions import DISTRIBUTION

ROOT = Path(__file__).resolve().parents[1]
SIGNATURES = ROOT / "tests" / "public_api.txt"

Signatures = dict[str, dict[str, str]]
"""What is public -> its parts (parameters, options, fields) -> how each is declared."""


# ------------------------------------------------------------------------------------------------- what is public


def public_modules() -> list[griffe.Module]:
    """The modules of the table in docs/compatibility.md, read off the source: nothing is imported."""
    table = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| \[`(zoo[\w.]*)`\]", table, re.MULTILINE)
    package = griffe.load("zoo", search_paths=[ROOT], allow_inspection=False)
    return [package.modules_collection[name] for name in names]


def members(module: griffe.Module) -> Iterator[tuple[str, Any]]:
    """Yield the public names of a module; its `__all__` decides where it has one."""
    for name, member in module.members.items():
        if member.is_public:
            thing = member.final_target if member.is_alias else member
            is_variable = thing.is_attribute and str(thing.value).startswith("TypeVar(")
            if not thing.is_module and not is_variable:
                yield name, thing


def methods(cls: griffe.Class) -> Iterator[tuple[str, Any]]:
    """Yield what a class itself has in public: methods, properties."""
    for name, member in cls.members.items():
        is_method = member.is_function or "property" in member.labels
        if is_method and member.is_public and name not in ("__init__", "__post_init__"):
            yield name, member


def signatures() -> Signatures:
    """List everything public with its signature."""
    found: Signatures = {}
    homes: dict[str, str] = {}
    modules = public_modules()
    for module in modules:
        for name, thing in members(module):
            owner = f"{module.path}.{name}"
            home = homes.setdefault(thing.path, owner)
            if home != owner:
                found[owner] = {"is": home}
                continue
            found[owner] = parts_of(thing)
            if thing.is_class:
                found |= {f"{owner}.{method}": parts_of(one) for method, one in methods(thing)}
    found["zoo"] = options_of(typer.main.get_command(app))
    for name, command in own_commands().items():
        found |= dict(commands(f"zoo {name}", command))
    for file, model in (("registry.toml", Layer), ("recipe.toml", Recipe)):
        source = modules[0].modules_collection[f"{model.__module__}.{model.__name__}"]
        found[file] = {
            key: f"{source[key].annotation} = {'needed' if field.is_required() else repr(field.get_default())}"
            for key, field in model.model_fields.items()
        }
    return found | {"model file": {"format": str(FORMAT)}}


def own_commands() -> dict[str, Any]:
    """The subcommands of `zoo` by name, those of its own plugins included."""
    group: Any = typer.main.get_command(app)
    own = [
        *group.commands,
        *(name for name, one in registry.get().commands.items() if one.distribution == DISTRIBUTION),
    ]
    context = group.make_context("zoo", ["list"])
    return {name: group.resolve_command(context, [name])[1] for name in own}


def commands(name: str, command: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield a command and those below it, each with its arguments and options."""
    yield name, options_of(command)
    for below, one in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {below}", one)


def options_of(command: Any) -> dict[str, str]:
    """Return the arguments and options of a command."""
    return {"/".join([*p.opts, *p.secondary_opts]): p.param_type_name for p in command.params}


def parts_of(thing: Any) -> dict[str, str]:
    """Return a function's parameters and what it returns; a class's are its constructor's."""
    if thing.is_attribute:
        return {"return": str(thing.annotation)} if "property" in thing.labels else {"value": str(thing.value)}
    if thing.is_class:
        return parts_of(thing.members["__init__"]) if "__init__" in thing.members else {}
    parts = {}
    for position, parameter in enumerate(thing.parameters):
        if parameter.name not in ("self", "cls"):
            place = parameter.kind.value.replace("positional or keyword", f"number {position}")
            default = "" if parameter.default is None or "variadic" in place else f" = {parameter.default}"
            parts[parameter.name] = f"{place}, {parameter.annotation}{default}"
    return parts | ({"return": str(thing.returns)} if thing.returns else {})


# ------------------------------------------------------------------------------------------------- changes


def as_text(found: Signatures) -> str:
    """Write signatures as text: one line for each thing, and an indented one for each of its parts."""
    lines = []
    for owner, parts in sorted(found.items()):
        lines += [owner, *(f"    {part} : {declared}" for part, declared in parts.items())]
    return "\n".join(lines) + "\n"


def from_text(text: str) -> Signatures:
    """Read what `as_text` wrote."""
    found: Signatures = {}
    parts: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith(" "):
            part, _, declared = line.strip().partition(" : ")
            parts[part] = declared
        else:
            parts = found[line] = {}
    return found


def changes(old: Signatures, new: Signatures) -> dict[str, str]:
    """Return what is different, with the name that a line about it cannot do without."""
    found = {}
    for owner in old.keys() ^ new.keys():
        # Whoever tells of a class tells of its methods.
        if owner.rpartition(".")[0] not in old.keys() ^ new.keys():
            found[owner] = owner if owner.startswith("zoo ") else owner.rpartition(".")[2]
    for owner in old.keys() & new.keys():
        for part in dict.fromkeys([*old[owner], *new[owner]]):
            if old[owner].get(part) != new[owner].get(part):
                is_named = part not in ("return", "value", "is")
                found[f"{owner}: {part}"] = part.split("/")[0] if is_named else owner.rpartition(".")[2]
    return found


def untold(found: dict[str, str], changelog: str) -> list[str]:
    """List those changes whose name is not in the part of the changelog that is not released."""
    parts = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    unreleased = "".join(part for part in parts if "unreleased" in part.splitlines()[0].lower())
    return [
        change for change, name in found.items() if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", unreleased)
    ]


if __name__ == "__main__":
    if sys.argv[1:] != ["--released"]:
        sys.exit("usage: python tests/public_api.py --released")
    SIGNATURES.write_text(as_text(signatures()), encoding="utf-8")
