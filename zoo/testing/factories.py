"""Checks of every component: of its factory, its options and its plugin."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import os
import subprocess
import sys

from zoo.registry.folders import HASH
from zoo.registry.options import as_text, check_options, options_of
from zoo.registry.plugins import ADDED, GROUP
from zoo.registry.spec import Spec, parse
from zoo.testing.subject import Note, Subject, expect, names

HEAVY = ("torch", "torchvision", "timm", "numpy", "PIL")
"""What an entry module must not import."""
_LONGEST_SUMMARY = 70


def docstring(subject: Subject) -> str:
    """The factory says what it makes."""
    text = (subject.factory.__doc__ or "").strip()
    expect(text, "the factory has no docstring: `zoo show` has nothing to say of it")
    return text.splitlines()[0]


def options_described(subject: Subject) -> str:
    """Every option has a type, and a line in the docstring."""
    options = options_of(subject.factory, subject.kind)
    parameters = inspect.signature(subject.factory).parameters
    bare = [option.name for option in options if parameters[option.name].annotation is inspect.Parameter.empty]
    expect(not bare, f"no annotation says the type of {names(bare)}: write {(bare or [''])[0]}: int, or what it is")
    mute = [option.name for option in options if not option.description]
    expect(not mute, f"no line under `Args:` in the factory's docstring describes {names(mute)}")
    return f"{len(options)}: {', '.join(option.name for option in options)}" if options else "it has none"


def options_round_trip(subject: Subject) -> str:
    """Every default, and what was given, can be typed and means the same."""
    parameters = inspect.signature(subject.factory).parameters
    values = {
        option.name: subject.options.get(option.name, parameters[option.name].default)
        for option in options_of(subject.factory, subject.kind)
    }
    texts = {name: as_text(value) for name, value in values.items() if value is not inspect.Parameter.empty}
    if not texts:
        return "nothing to type"
    typed = str(Spec("component", texts))
    read = check_options(subject.factory, subject.kind, parse(typed).options, "typed back")
    for name, text in texts.items():
        expect(as_text(read[name]) == text, f"{name}={text} is read as {as_text(read[name])}")
    return f"read as typed: {typed.partition(':')[2]}"


def summary(subject: Subject) -> str:
    """The line of `zoo list` is there and fits."""
    assert subject.component
    text = subject.component.summary
    expect(text.strip(), "the summary is empty: `zoo list` has nothing to say of it")
    if len(text) > _LONGEST_SUMMARY:
        return Note(f"{len(text)} characters are long for a line of `zoo list`: {_LONGEST_SUMMARY} fit")
    return text


def light_entry(subject: Subject) -> str:
    """The entry module imports nothing heavy, so that `zoo list` stays fast."""
    assert subject.component
    component = subject.component
    if component.version.startswith(HASH):
        return "a file to try something out, which may import what it likes"
    if component.plugin in ADDED:
        return "registered for a test"
    modules = [
        entry.module
        for entry in importlib.metadata.entry_points(group=GROUP, name=component.plugin)
        if entry.dist is None or entry.dist.name == component.distribution
    ]
    expect(modules, f"the plugin {component.plugin} has no entry point of the group {GROUP}")
    heavy = _imported_by(modules[0])
    expect(
        not heavy,
        f"{modules[0]} imports {names(heavy)}, which every `zoo list` would wait for: "
        "import only zoo there, and name the component by its import string",
    )
    return f"{modules[0]} imports nothing heavy"


@functools.cache
def _imported_by(module: str) -> list[str]:
    """Import a module in a fresh interpreter; return what is heavy of all that came with it."""
    script = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    expect(done.returncode == 0, f"{module} cannot be imported: {done.stderr.strip().rpartition(chr(10))[2]}")
    return done.stdout.split()
