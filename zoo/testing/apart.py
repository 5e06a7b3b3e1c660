"""Checks in a process of their own: what kills it, or never ends, is a failed row, and the others go on."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo.errors import UsageError, ZooError
from zoo.registry.offers import Component
from zoo.testing.report import Report, Result, header

if TYPE_CHECKING:
    import torch

Task: TypeAlias = "tuple[Component, Mapping[str, str] | None]"
"""A component and its options; None for its default options, and a note where it has none."""

_START = 300.0
"""Seconds that a process may take until its first check, most of them to import torch."""
_GRACE = 2.0
"""Seconds in which a process that is told to end may write down where it was."""
_LAST_WORDS = "where.txt"
_FRAME = re.compile(r'^  File "([^"]+)", line ([0-9]+)', re.MULTILINE)


def examine_apart(tasks: Sequence[Task], *, device: str, size: int, timeout: float) -> Iterator[Report]:
    """Check components one after another, all in one other process, and in a new one after each that ends.

    Args:
        tasks: the components.
        device: where networks and losses are tried.
        size: side of the pictures that they are tried on, in pixels.
        timeout: seconds that one check may take.

    Raises:
        UsageError: an option, or the device, makes no sense.
    """
    with tempfile.TemporaryDirectory() as folder:
        process = _Process(Path(folder), device, size)
        try:
            for component, options in tasks:
                yield _report(process, component, options, timeout)
        finally:
            process.end()


def _report(process: _Process, component: Component, options: Mapping[str, str] | None, timeout: float) -> Report:
    report = header(component, options or {})
    alone = "; without it, nothing else can be tried"
    tried = False
    while (check := _ask(process, component, options, report, timeout)) is not None:
        end = process.epitaph(timeout, _homes(component))
        if check.name:
            report.results.append(Result(check.name, "failed", end + alone * check.essential))
        elif tried:
            report.results.append(Result("process", "failed", end + alone))
        if check.essential or (tried and not check.name):
            break
        # One that ends between two checks may have been hurt by the component before.
        tried = not check.name
    return report


@dataclass(frozen=True)
class _Check:
    """The one that is being made, if one is."""

    name: str = ""
    essential: bool = False


def _ask(
    process: _Process, component: Component, options: Mapping[str, str] | None, report: Report, timeout: float
) -> _Check | None:
    """Have the checks made that the report lacks. Return the one in which the process ended, or that is late."""
    process.send([component.kind, component.qualified, options, [result.check for result in report.results]])
    check = _Check()
    while True:
        match process.receive(timeout if check.name else max(timeout, _START)):
            case ["begins", str(name), bool(essential)]:
                check = _Check(name, essential)
            case ["found", str(name), ("passed" | "failed" | "noted") as verdict, str(message)]:
                report.results.append(Result(name, verdict, message))
                check = _Check()
            case ["refused", str(error)]:
                raise UsageError(error)
            case ["failed", str(error)]:
                raise ZooError(error)
            case ["done"]:
                return None
            case _:
                return check


def _homes(component: Component) -> list[str]:
    """Return where a plugin's own code is: folders, or a file."""
    try:
        spec = find_spec(component.target.partition(":")[0].partition(".")[0])
    except (ImportError, ValueError):
        return []
    return [] if spec is None else [*(spec.submodule_search_locations or ()), *filter(None, [spec.origin])]


class _Process:
    """Another process that makes checks, as soon as one is asked for, and what comes back from it."""

    def __init__(self, folder: Path, device: str, size: int) -> None:
        # Not forked: what checks need, CUDA above all, works only in a process that began afresh.
        self._context = multiprocessing.get_context("spawn")
        self._last_words = folder / _LAST_WORDS
        self._arguments = (self._last_words, device, size)
        self._connection: Connection | None = None
        self._late = False

    def send(self, task: list[Any]) -> None:
        """Ask for checks; where there is no process, begin one."""
        if self._connection is None:
            _begin_tracker()
            self._connection, theirs = self._context.Pipe()
            # No daemon, which could not have loaders of its own.
            self._process = self._context.Process(target=_work, args=(theirs, *self._arguments))
            self._process.start()
            theirs.close()
        with suppress(OSError):  # it has ended: `receive` will see
            self._connection.send_bytes(json.dumps(task).encode())

    def receive(self, timeout: float) -> Any:
        """Return what it says next; None where it has ended, or takes longer than that."""
        assert self._connection is not None
        try:
            self._late = not self._connection.poll(timeout)
            return None if self._late else json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            return None

    def epitaph(self, timeout: float, homes: Sequence[str]) -> str:
        """Say how it ended, and where. One that is late is ended."""
        if self._late:
            if self._process.pid is not None and os.name == "posix":
                os.kill(self._process.pid, signal.SIGABRT)  # upon which it writes down where it is
            self._process.join(_GRACE)
            how = f"it did not end within {timeout:g} seconds"
        else:
            self._process.join(_GRACE)
            how = f"it {_ended_with(self._process.exitcode)}"
        self.end()
        return how + self._place(homes)

    def _place(self, homes: Sequence[str]) -> str:
        """Say where in the plugin's own code it was."""
        try:
            text = self._last_words.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        for file, line in _FRAME.findall(text.partition("Current thread")[2].partition("\n\n")[0]):
            if any(file == home or file.startswith(home + os.sep) for home in homes):
                return f" ({Path(file).name}, line {line})"
        return ""

    def end(self) -> None:
        """End it, whatever it does; one that waits to be asked for more ends by itself."""
        if self._connection is not None:
            self._connection.close()
            self._process.join(_GRACE)
            self._process.kill()
            self._process.join()
            self._connection = None


def _begin_tracker() -> None:
    """Have multiprocessing clean up after processes that end before their time, without a word about it."""
    warnings = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore"
    try:
        if os.name == "posix":
            from multiprocessing import resource_tracker

            resource_tracker.ensure_running()
    finally:
        if warnings is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = warnings


def _ended_with(code: int | None) -> str:
    if code is None:
        return "closed its connection"
    if code >= 0:
        return f"ended the process with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    more = ", as the system does where memory runs out" if name == "SIGKILL" else ""
    return f"ended the process by {name}{more}"


# ------------------------------------------------------------------------------------------------- the other process


def _work(connection: Connection, last_words: Path, device: str, size: int) -> None:
    """Make checks for as long as somebody asks for them."""
    # What components print must not get into a report, above all into JSON.
    os.dup2(2, 1)
    _leave_no_core()

    def say(*words: object) -> None:
        connection.send_bytes(json.dumps(words).encode())

    with last_words.open("w", encoding="utf-8") as file:
        faulthandler.enable(file)
        try:
            from zoo.device import pick_device

            place = pick_device(device)
            while True:
                _make(json.loads(connection.recv_bytes()), place, size, say)
        except (EOFError, BrokenPipeError, KeyboardInterrupt):
            return
        except UsageError as error:
            say("refused", str(error))
        except ZooError as error:
            say("failed", str(error))


def _leave_no_core() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _make(task: list[Any], device: torch.device, size: int, say: Callable[..., None]) -> None:
    from zoo import registry
    from zoo.testing.checks import Watcher, report_on, report_on_defaults

    kind, name, options, done = task

    class Teller(Watcher):
        def begins(self, check: str, essential: bool) -> None:
            say("begins", check, essential)

        def found(self, result: Result) -> None:
            say("found", result.check, result.verdict, result.message)

    component, teller = registry.get().find(kind, name), Teller(done)
    if options is None:
        report_on_defaults(component, device=device, size=size, watcher=teller)
    else:
        report_on(component, options, device=device, size=size, watcher=teller)
    say("done")
