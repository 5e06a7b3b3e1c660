"""The little language of `--gen`, `--critic`, `--loss` and `--data`.

    unet-deep                                  a component
    unet-deep:base=32,norm=instance            with options
    gram:layers=0,1,2,weights=random           what has no `=` of its own belongs to the option before it
    folder:path="a+b, c"                       quotes keep `+`, `,` and `=` in a value
    100*l1+adv+0.1*gram                        a sum, for losses: each with a weight, or its default one

Options are kept as the text that was typed: what they mean is for the component's factory to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from zoo.errors import UsageError

_NAME = re.compile(r"(?:[A-Za-z0-9_.-]+/)?[A-Za-z0-9_.-]+")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_WEIGHT = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\*")


class SpecError(UsageError):
    """A spec that cannot be read; the message shows it with the place marked."""

    def __init__(self, text: str, position: int, expected: str) -> None:
        super().__init__(f"{expected}\n    {text}\n    {' ' * position}^")


@dataclass(frozen=True)
class Spec:
    """One component as somebody wrote it: its name, its options as text and, in a sum, its weight."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    weight: float | None = None

    def __str__(self) -> str:
        # As many digits as it takes to read the same number again.
        weight = "" if self.weight is None else f"{repr(float(self.weight)).removesuffix('.0')}*"
        options = ",".join(f"{key}={_quoted(value)}" for key, value in self.options.items())
        return weight + self.name + (f":{options}" if options else "")


def parse(text: str) -> Spec:
    """Read one component, such as `unet-deep:base=64,depth=8`.

    Raises:
        SpecError: it is not of that form; the place is marked.
    """
    spec, end = _component(text, 0, stop="")
    if end < len(text):
        raise SpecError(text, end, f"expected ':' or the end, found {text[end]!r}")
    return spec


def parse_sum(text: str) -> tuple[Spec, ...]:
    """Read a sum of components, such as `100*l1+adv+0.1*gram:layers=1,2`.

    Raises:
        SpecError: it is not of that form; the place is marked.
    """
    terms = []
    position = 0
    while True:
        weight = _WEIGHT.match(text, position)
        if weight and not math.isfinite(float(weight.group()[:-1])):
            raise SpecError(text, position, "expected a weight of a size that can be reckoned with")
        spec, position = _component(text, weight.end() if weight else position, stop="+")
        terms.append(Spec(spec.name, spec.options, float(weight.group()[:-1]) if weight else None))
        if position == len(text):
            return tuple(terms)
        if text[position] != "+":
            raise SpecError(text, position, f"expected '+', ':' or the end, found {text[position]!r}")
        position += 1


def names_in(text: str) -> str:
    """Shorten a spec, or a sum, to what fits into a table: without plugins and options, as in `100*l1+adv`.

    A text that makes no sense is returned as it is.
    """
    try:
        terms = parse_sum(text)
    except SpecError:
        return text
    return "+".join(str(Spec(term.name.rpartition("/")[2], {}, term.weight)) for term in terms)


def parse_list(text: str) -> tuple[Spec, ...]:
    """Read components with commas between them, such as `csv,wandb:project=colours,mode=offline`.

    What looks like an option belongs to the component before it. A value with a comma must be quoted.

    Raises:
        SpecError: one of them is malformed.
    """
    items: list[str] = []
    for item in re.findall(r"""(?:"[^"]*"|'[^']*'|[^,])+""", text):
        if items and _KEY.match(item.strip()):
            items[-1] += f",{item.strip()}"
        else:
            items.append(item.strip())
    return tuple(parse(item) for item in items)


def write_list(specs: Iterable[Spec]) -> str:
    """Write components so that `parse_list` reads them."""
    return ",".join(
        ":".join([spec.name, *([",".join(map(_option, spec.options.items()))] if spec.options else [])])
        for spec in specs
    )


def _option(option: tuple[str, str]) -> str:
    name, value = option
    quoted = _quoted(value)
    return f'{name}="{value}"' if "," in value and quoted == value else f"{name}={quoted}"


def _component(text: str, position: int, stop: str) -> tuple[Spec, int]:
    name = _NAME.match(text, position)
    if name is None:
        found = f"found {text[position]!r}" if position < len(text) else "found the end"
        raise SpecError(text, position, f"expected the name of a component, {found}")
    position = name.end()
    options: dict[str, str] = {}
    if position < len(text) and text[position] == ":":
        position += 1
        key = _KEY.match(text, position)
        if key is None:
            raise SpecError(text, position, "expected option=value after ':'")
        while key is not None:
            option = key.group()[:-1]
            if option in options:
                raise SpecError(text, position, f"option {option!r} is given twice")
            options[option], position, key = _value(text, key.end(), stop)
    return Spec(name.group(), options), position


def _value(text: str, position: int, stop: str) -> tuple[str, int, re.Match[str] | None]:
    """Read a value; return it, where it ends, and the key that follows it, if one does."""
    value = ""
    while position < len(text) and text[position] not in stop:
        character = text[position]
        if character in "\"'":
            end = text.find(character, position + 1)
            if end < 0:
                raise SpecError(text, position, f"this {character} is never closed")
            value += text[position + 1 : end]
            position = end + 1
            continue
        if character == "," and (key := _KEY.match(text, position + 1)):
            return value, position + 1, key
        value += character
        position += 1
    return value, position, None


def _quoted(value: str) -> str:
    if re.fullmatch(r"[^+,='\"]*(,[^+,='\"]+)*", value):
        return value
    # Neighbouring quoted parts are one value, so that both kinds of quote can stand in it.
    return "".join(f"'{part}'" if '"' in part else f'"{part}"' for part in re.findall(r'"+|[^"]+', value))
