"""Whose fault an error is that nobody foresaw: zoo's, or that of the plugin in whose code it happened."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ZooError, one_line
from zoo.memory import out_of_memory

_FROM_A_LOADER = "Original Traceback (most recent call last):"
_NO_THREAD = "can't start new thread"
"""What Python says where the system refuses one."""
_LONGEST = 200
"""Characters of what a library says."""
_FRAME = re.compile(r'^ *File "([^"]+)", line ([0-9]+)', re.MULTILINE)


def describe(error: BaseException) -> str:
    """Say what happened, in one line, and whose fault it is, in another. Too little memory, or threads, is nobody's."""
    if out_of_memory(error):
        return f"not enough memory: close other programs, or ask for less at once ({_in_one_line(error)[:_LONGEST]})"
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return f"{error}: the system allows no more of them; see `ulimit -u`, a container's limit, or memory"
    return f"{_in_one_line(error)}\nThis is a fault of {_culprit(error)}: `zoo --debug …` shows where it happened."


def _in_one_line(error: BaseException) -> str:
    if _FROM_A_LOADER in str(error):
        # torch puts the whole traceback of a process that loads into the message.
        return str(error).strip().splitlines()[-1]
    return one_line(error)


def _culprit(error: BaseException) -> str:
    sources = _sources()
    for file, line in _frames(error):
        if file in sources:
            return f"{sources[file]}, in {Path(file).name}, line {line}"
    return "zoo"


def _frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield the files and lines of an error, the innermost first."""
    yield from reversed(_FRAME.findall(str(error).partition(_FROM_A_LOADER)[2]))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        yield frame.filename, str(frame.lineno)


def _sources() -> dict[str, str]:
    """Return the files of all plugins that were imported, each with whose it is."""
    from zoo.registry import get

    try:
        plugins = get().plugins
    except ZooError:
        return {}
    owners: dict[str, str] = {}
    named: dict[str, list[str]] = {}
    for plugin in plugins:
        owner = f"the plugin {plugin.name} ({plugin.distribution} {plugin.version})"
        owners[plugin.module.partition(".")[0]] = owner
        for offer in (*plugin.components, *plugin.commands):
            home = offer.target.partition(":")[0]
            owners[home.partition(".")[0]] = owner
            named.setdefault(home, []).append(str(offer))
    found: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        if (source := owners.get(name.partition(".")[0])) and (file := getattr(module, "__file__", None)):
            # Of a module with one component, or one command, it is known which one.
            found[file] = f"the {named[name][0]} of {source}" if len(named.get(name, ())) == 1 else source
    return found
