"""Write docs/api.md and docs/registry.schema.json anew; with --released, tests/public_api.txt too.

What is public is listed here, once: the modules below, the commands, the keys of registry.toml and of recipe.toml, the
format of model files. tests/public_api.txt has the signatures as they were at the last release; tests/test_api.py
wants a line in the changelog for what has changed since.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_origin

import typer
from docstring_parser import parse
from pydantic import BaseModel

import zoo
from zoo import Recipe, registry_file
from zoo.catalogue import Layer
from zoo.contracts import Kind
from zoo.main import app
from zoo.model import FORMAT

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
SCHEMA = ROOT / "docs" / "registry.schema.json"
SIGNATURES = ROOT / "tests" / "public_api.txt"
MODULES = ("zoo", "zoo.registry", "zoo.contracts", "zoo.hookspecs")

Signatures = dict[str, dict[str, str]]
"""What is public -> its parts (parameters, options, fields) -> how each is declared."""


# ------------------------------------------------------------------------------------------------- what is public


def members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the public names that a module defines; of those that `zoo` has too, `zoo` alone."""
    source = inspect.getsource(module)
    for name in getattr(module, "__all__", vars(module)):
        value = getattr(module, name)
        own = re.search(rf"^(class|def)? ?{name}\b", source, re.MULTILINE) and name not in zoo.__all__
        is_named = not name.startswith("_") and not isinstance(value, (ModuleType, TypeVar))
        if is_named and (own or module is zoo):
            yield name, inspect.unwrap(value) if inspect.isroutine(inspect.unwrap(value)) else value


def methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield what a class itself has in public: methods, properties."""
    for name, value in vars(cls).items():
        if name.startswith("_") and not (name == "__call__" or name in ("__len__", "__getitem__")):
            continue
        value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if inspect.isfunction(value) or isinstance(value, property):
            yield name, value


def is_made_by_people(cls: type) -> bool:
    """Whether its constructor's parameters are part of what is public."""
    return (
        "__init__" in vars(cls) and not issubclass(cls, (BaseModel, Exception)) and not getattr(cls, "_is_protocol", 0)
    )


def signatures() -> Signatures:
    """List everything public with its signature."""
    found: Signatures = {}
    for module in map(importlib.import_module, MODULES):
        for name, value in members(module):
            owner = f"{module.__name__}.{name}"
            if inspect.isfunction(value):
                found[owner] = parts_of(value)
            elif inspect.isclass(value):
                found[owner] = parts_of(value.__init__) if is_made_by_people(value) else {}
                for method, function in methods(value):
                    found[f"{owner}.{method}"] = parts_of(function)
            else:
                found[owner] = {"value": readable(value)}
    found |= dict(commands("zoo", typer.main.get_command(app)))
    for file, model in (("registry.toml", Layer), ("recipe.toml", Recipe)):
        found[file] = {
            key: f"{clean(repr(field.annotation))} = {'needed' if field.is_required() else readable(field.default)}"
            for key, field in model.model_fields.items()
        }
    return found | {"model file": {"format": str(FORMAT)}}


def commands(name: str, command: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield a command and those below it, each with its arguments and options."""
    yield name, {"/".join([*p.opts, *p.secondary_opts]): p.param_type_name for p in command.params}
    for below, one in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {below}", one)


def parts_of(function: Any) -> dict[str, str]:
    """Return the parameters of a function, and what it returns."""
    if isinstance(function, property):
        return {"return": clean(str(inspect.signature(function.fget).return_annotation))}
    signature = inspect.signature(function)
    parts = {}
    for position, (name, parameter) in enumerate(signature.parameters.items()):
        if name != "self" and name != "cls":
            place = parameter.kind.description.replace("positional or keyword", f"number {position}")
            default = "" if parameter.default is parameter.empty else f" = {readable(parameter.default)}"
            parts[name] = f"{place}, {clean(str(parameter.annotation))}{default}"
    if signature.return_annotation is not signature.empty:
        parts["return"] = clean(str(signature.return_annotation))
    return parts


def readable(value: Any) -> str:
    """Return a value's text, the same on every system and in every process."""
    if isinstance(value, Path):
        return repr(str(value))
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(readable, value)))}}}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {readable(one)}' for key, one in value.items())}}}"
    if isinstance(value, (str, int, float, tuple, list, type(None))):
        return repr(value)
    return clean(str(value)) if get_origin(value) else type(value).__name__


def clean(annotation: str) -> str:
    """Return an annotation as people write it, the same in every Python."""
    text = re.sub(r"typing\.(Optional|Union)\[(.*)\]", r"\2", re.sub(r"<class '(.*?)'>", r"\1", annotation))
    text = re.sub(r"\b(typing|zoo\.\w+|pathlib|builtins)\.", "", text)
    return (
        text.replace(str(Kind).removeprefix("typing."), "Kind") if text != str(Kind).removeprefix("typing.") else text
    )


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
                is_named = part not in ("return", "value")
                found[f"{owner}: {part}"] = part.split("/")[0] if is_named else owner.rpartition(".")[2]
    return found


def untold(found: dict[str, str], changelog: str) -> list[str]:
    """List those changes whose name is not in the part of the changelog that is not released."""
    parts = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    unreleased = "".join(part for part in parts if "unreleased" in part.splitlines()[0].lower())
    return [
        change for change, name in found.items() if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", unreleased)
    ]


# ------------------------------------------------------------------------------------------------- the page


def page() -> str:
    """Return docs/api.md."""
    lines = [
        "# API",
        "",
        "Everything public that Python code can use, from the docstrings. `make docs` writes this page. Examples are",
        "in [Python](python.md), and what is promised in [compatibility](compatibility.md).",
    ]
    for module in map(importlib.import_module, MODULES):
        lines += ["", f"## {module.__name__}", "", inspect.getdoc(module) or ""]
        for name, value in members(module):
            lines += section(3, name, value)
            if inspect.isclass(value):
                for method, function in methods(value):
                    lines += section(4, f"{name}.{method}", function)
    return "\n".join(lines) + "\n"


def section(level: int, name: str, value: Any) -> list[str]:
    """Describe one class, function or constant."""
    lines = ["", f"{'#' * level} {name}", ""]
    if isinstance(value, property):
        lines += [f"Property: `{parts_of(value)['return']}`", ""]
    elif inspect.isfunction(value) or (inspect.isclass(value) and is_made_by_people(value)):
        lines += ["```python", declaration(value if inspect.isfunction(value) else value.__init__), "```", ""]
    elif name == "hookimpl":
        # pluggy's object at run time, and a function of ours to type checkers.
        tree = ast.walk(ast.parse(inspect.getsource(zoo.hookspecs)))
        stub = next(node for node in tree if isinstance(node, ast.FunctionDef) and node.name == name)
        return [*lines, ast.get_docstring(stub) or ""]
    elif not inspect.isclass(value):
        return [*lines, f"`{readable(value)}`"]
    return lines + described(inspect.getdoc(value) or "")


def described(docstring: str) -> list[str]:
    """Turn a docstring of Google's style into Markdown."""
    read = parse(docstring)
    paragraphs = [text for text in (read.short_description, read.long_description) if text]
    if read.params:
        paragraphs.append("\n".join(f"- `{one.arg_name}`: {one_line(one.description)}" for one in read.params))
    paragraphs += [f"Raises `{error.type_name}`: {one_line(error.description)}" for error in read.raises]
    return "\n\n".join(paragraphs).splitlines()


def one_line(text: str | None) -> str:
    """Return a description that the source breaks into lines as one."""
    return " ".join((text or "").split())


def declaration(function: Any) -> str:
    """Return the `def` line of a function."""
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(
            annotation=_Raw(clean(str(parameter.annotation)))
            if parameter.annotation is not parameter.empty
            else parameter.empty,
            default=_Raw(readable(parameter.default)) if parameter.default is not parameter.empty else parameter.empty,
        )
        for parameter in signature.parameters.values()
    ]
    returned = signature.return_annotation
    end = _Raw(clean(str(returned))) if returned is not signature.empty else returned
    return f"def {function.__name__}{signature.replace(parameters=parameters, return_annotation=end)}: ..."


class _Raw(str):
    """Text that stands for itself in a signature."""

    def __repr__(self) -> str:
        return str(self)


def main() -> None:
    """Write the files."""
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.write_text(json.dumps(registry_file.schema(), indent=2) + "\n", encoding="utf-8")
    if "--released" in sys.argv[1:]:
        SIGNATURES.write_text(as_text(signatures()), encoding="utf-8")


if __name__ == "__main__":
    main()
