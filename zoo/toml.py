"""TOML: read with messages that name file and line, written so that people can read it."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.files import check_depth, explain_os_error

_NAME = r"""[\w-]+|"[^"]*"|'[^']*'"""
_KEY = rf"(?:{_NAME})(?:\s*\.\s*(?:{_NAME}))*"


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Read a TOML file; return its table and its text.

    Raises:
        UsageError: it is missing, unreadable or malformed; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
        check_depth(table)
        repr(table)  # a hexadecimal number may be longer than can be said
        return table, text
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {explain_os_error(error)}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r"\(at line (\d+), column (\d+)\)", message)
        line = place[1] if place else str(text.count("\n") + 1)
        raise UsageError(f"{path}, line {line}: {re.sub(r' *[(]at .*[)]$', '', message)}") from None
    except ValueError:  # Python's limit of digits
        raise UsageError(f"{path} cannot be read: there is a number of more digits than can be read") from None
    except RecursionError:
        raise UsageError(f"{path} cannot be read: it is nested too deeply") from None


def to_toml(table: Mapping[str, Any]) -> str:
    """Write a table as TOML."""
    import tomlkit

    return tomlkit.dumps(table)


def key_to_toml(*names: str) -> str:
    """Write a key, dotted where it has several names, as TOML."""
    import tomlkit

    return ".".join(tomlkit.key(name).as_string() for name in names)


def value_to_toml(value: Any) -> str:
    """Write a value as TOML, in one line."""
    import tomlkit

    written: str = tomlkit.item(value).as_string()
    return written


def line_of(text: str, keys: Sequence[str]) -> int:
    """Find the line of a key in TOML, given the tables that it stands in; or the nearest of these that has a line."""
    lines = _lines(text)
    return next((lines[found] for end in range(len(keys), 0, -1) if (found := tuple(keys[:end])) in lines), 1)


@functools.lru_cache(maxsize=8)
def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Find the line of every key: of many keys of one file, somebody will ask."""
    lines: dict[tuple[str, ...], int] = {}
    header: tuple[str, ...] = ()
    for number, content in enumerate(text.splitlines(), start=1):
        if table := re.match(rf"\s*\[+\s*({_KEY})\s*\]", content):
            header = _names(table[1])
            lines.setdefault(header, number)
        elif entry := re.match(rf"\s*({_KEY})\s*=", content):
            lines.setdefault(header + _names(entry[1]), number)
    return lines


def _names(key: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, key))
