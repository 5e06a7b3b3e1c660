"""The options of a component: what its factory's signature and docstring say, checked by pydantic."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError, create_model

from zoo.errors import UsageError
from zoo.registry.contracts import FILLED_IN, Kind
from zoo.suggest import did_you_mean


@dataclass(frozen=True)
class Option:
    """One option as people see it."""

    name: str
    type: str
    default: str
    description: str


def options_of(factory: Callable[..., Any], kind: Kind) -> list[Option]:
    """List the options of a factory, in the order of its signature."""
    from docstring_parser import parse as parse_docstring

    documented = {p.arg_name: p.description or "" for p in parse_docstring(inspect.getdoc(factory) or "").params}
    hints = get_type_hints(_callable(factory), include_extras=True)
    return [
        Option(
            name=parameter.name,
            type=_readable(hints.get(parameter.name, str)),
            default="required" if parameter.default is parameter.empty else as_text(parameter.default),
            description=" ".join(documented.get(parameter.name, "").split()),
        )
        for parameter in _parameters(factory, kind)
    ]


def check_options(factory: Callable[..., Any], kind: Kind, given: Mapping[str, str], where: str) -> dict[str, Any]:
    """Turn options as typed into the values that the factory takes.

    Args:
        factory: the component's factory.
        kind: the component's kind: it says which parameters zoo fills in.
        given: option -> text.
        where: what an error message calls the component, such as "generator unet-deep".

    Raises:
        UsageError: an option is unknown, missing or of another type.
    """
    parameters = _parameters(factory, kind)
    known = [parameter.name for parameter in parameters]
    for name in given:
        if name not in known:
            has = f"it has: {', '.join(known)}" if known else "it has none"
            raise UsageError(f"{where} has no option {name!r}{did_you_mean(name, known)} ({has})")
    hints = get_type_hints(_callable(factory), include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (
            Annotated[hints.get(parameter.name, str), BeforeValidator(_reader(hints.get(parameter.name, str)))],
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in parameters
    }
    model: type[BaseModel] = create_model(
        "Options", __config__=ConfigDict(arbitrary_types_allowed=True, protected_namespaces=()), **fields
    )
    try:
        checked = model.model_validate(dict(given))
    except ValidationError as error:
        raise UsageError("; ".join(_explain(problem, given, where) for problem in error.errors())) from None
    return {name: getattr(checked, name) for name in given}


def written_out(
    factory: Callable[..., Any], kind: Kind, given: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, str]:
    """Return every option as text, so that it means the same from any folder, and whatever becomes of the defaults.

    Args:
        factory: the component's factory.
        kind: the component's kind.
        given: option -> text.
        values: what `check_options` made of them.

    Returns:
        Option -> text, in the order of the signature, with every path absolute. A default that cannot be typed is left
        out.
    """
    hints = get_type_hints(_callable(factory), include_extras=True)
    texts: dict[str, str] = {}
    for parameter in _parameters(factory, kind):
        name = parameter.name
        if name in given:
            value, text = values[name], given[name]
        else:
            value, text = parameter.default, as_text(parameter.default)
            if not _reads_back(text, value, hints.get(name, str)):
                continue
        texts[name] = str(value.expanduser().absolute()) if isinstance(value, Path) else text
    return texts


def unlike_defaults(factory: Callable[..., Any], kind: Kind, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the options, as text, that are other than by default."""
    defaults = {parameter.name: as_text(parameter.default) for parameter in _parameters(factory, kind)}
    return {name: text for name, text in texts.items() if text != defaults[name]}


def _reads_back(text: str, value: Any, hint: Any) -> bool:
    """Whether a default that is written as text is the same again when it is read."""
    field = Annotated[hint, BeforeValidator(_reader(hint))]
    try:
        read = TypeAdapter(field, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(text)
        return bool(list(read) == list(value) if isinstance(value, (list, tuple)) else read == value)
    except Exception:  # whatever a type of somebody else's raises when it is compared
        return False


def filled_in(factory: Callable[..., Any], kind: Kind, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the offered keywords that the factory asks for."""
    asked = inspect.signature(factory).parameters
    return {name: value for name, value in offered.items() if name in asked and name in FILLED_IN[kind]}


def _callable(factory: Callable[..., Any]) -> Callable[..., Any]:
    return factory.__init__ if inspect.isclass(factory) else factory


def _parameters(factory: Callable[..., Any], kind: Kind) -> list[inspect.Parameter]:
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        parameter
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.name not in FILLED_IN[kind] and parameter.kind not in variadic
    ]


def _reader(hint: Any) -> Callable[[Any], Any]:
    """Return what turns typed text into something that pydantic takes for this annotation."""
    members = _members(hint)
    literals = {
        as_text(value): value for member in members if get_origin(member) is Literal for value in get_args(member)
    }
    optional = type(None) in members and "none" not in literals
    lists = [m for m in members if inspect.isclass(o := get_origin(m)) and issubclass(o, (Sequence, set, frozenset))]
    read_item = _reader(get_args(lists[0])[0]) if lists else None

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if optional and value.lower() == "none":
            return None
        if read_item and (str not in members or "," in value):
            return [read_item(part.strip()) for part in value.split(",")] if value else []
        return literals.get(value, value)

    return read


def _members(hint: Any) -> list[Any]:
    """Take an annotation apart: Annotated[int, ...] | None -> [int, NoneType]."""
    if get_origin(hint) is Annotated:
        return _members(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [member for part in get_args(hint) for member in _members(part)]
    return [hint]


def _readable(hint: Any) -> str:
    texts = []
    for member in _members(hint):
        if get_origin(member) is Literal:
            texts += [str(value) for value in get_args(member)]
        elif member is type(None):
            texts.append("none")
        elif arguments := [a for a in get_args(member) if a is not Ellipsis]:
            texts.append(f"{_readable(arguments[0])},…")
        else:
            texts.append(
                {"str": "text", "float": "number", "int": "integer", "bool": "true|false"}.get(
                    name := getattr(member, "__name__", str(member)), name.lower()
                )
            )
    return " | ".join(dict.fromkeys(texts)) + _bounds(hint)


def _bounds(hint: Any) -> str:
    """Say what pydantic's Field says of the range: " (1 to 10)"."""
    if get_origin(hint) in (Union, types.UnionType):
        return "".join(_bounds(part) for part in get_args(hint))
    if get_origin(hint) is not Annotated:
        return ""
    limits: dict[str, Any] = {}
    for extra in get_args(hint)[1:]:
        for limit in [extra, *getattr(extra, "metadata", [])]:
            for key in ("ge", "gt", "le", "lt"):
                if (value := getattr(limit, key, None)) is not None:
                    limits[key] = value
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return f" ({', '.join(f'{words[key]} {value:g}' for key, value in limits.items())})" if limits else ""


def as_text(value: Any) -> str:
    """Write an option's value as people would type it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(map(as_text, value))
    return str(value)


def _explain(problem: Any, given: Mapping[str, str], where: str) -> str:
    name = str(problem["loc"][0])
    if problem["type"] == "missing":
        return f"{where} needs the option {name!r}: write :{name}=…"
    message = problem["msg"][:1].lower() + problem["msg"][1:]
    return f"{where}: option {name}={given.get(name)}: {message}"
