"""Listeners of a run: plugins that hear of its events, and can neither slow it down nor break it.

They may ask it to stop, which is up to the run.

Each has a thread and a queue of its own. Events that find the queue full pass it by; what it raises is said once.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.errors import one_line
from zoo.events import LISTENER, RunInfo
from zoo.registry.plugins import make_hooks

if TYPE_CHECKING:
    from zoo.registry import Plan

QUEUE_SIZE = 100
"""Events that may wait for a listener."""
PATIENCE = 10.0
"""Seconds that the end of a run waits for its listeners."""


class Listeners:
    """All who listen to a run."""

    def __init__(self, listeners: Mapping[str, Any]) -> None:
        """Listeners by name, each with its hooks: see `zoo.registry.hookspecs`."""
        self.stop = ""
        """Which of them asked the run to stop, and why; empty if none did."""
        self._listeners = [_Listener(name, hooks, self._request_stop) for name, hooks in listeners.items()]

    @classmethod
    def of(cls, plan: Plan) -> Listeners:
        """Make the trackers that a recipe names; all plugins that implement events listen anyway.

        Raises:
            UsageError: something that a tracker needs is not installed.
        """
        plugins = {plugin.name: plugin.listener for plugin in registry.get().plugins if plugin.listener is not None}
        return cls(plugins | {tracker.name: make_hooks(tracker.make()) for tracker in plan.trackers})

    def _request_stop(self, name: str, reason: str) -> None:
        # Several threads may be here at once: either's reason is one.
        words = " ".join(reason.split())
        self.stop = self.stop or f"the listener {name} asked for it" + (f": {words}" if words else "")

    @property
    def report(self) -> dict[str, dict[str, Any]]:
        """What each listener took, and how it went."""
        return {listener.name: listener.report for listener in self._listeners}

    def notes(self) -> list[str]:
        """Return what went wrong since the last time, in words."""
        return [note for listener in self._listeners for note in listener.notes()]

    def start(self) -> None:
        """Begin to listen."""
        for listener in self._listeners:
            listener.start()

    def tell(self, event: str, **about: Any) -> None:
        """Have all hear of an event, without waiting for them.

        Args:
            event: the hook's name.
            about: its arguments.
        """
        for listener in self._listeners:
            listener.tell(event, about)

    def end(self) -> None:
        """Wait for a while until all have heard of everything."""
        end = time.monotonic() + PATIENCE
        for listener in self._listeners:
            listener.end(max(0.1, end - time.monotonic()))


@dataclass(frozen=True)
class _Stoppable(RunInfo):
    """A run, as one listener sees it."""

    ask: Callable[[str], object] = field(repr=False, compare=False)

    def request_stop(self, reason: str) -> None:
        """Pass it on, with the listener's name."""
        self.ask(str(reason))


class _Listener:
    def __init__(self, name: str, hooks: Any, request_stop: Callable[[str, str], None]) -> None:
        self.name = name
        self._request_stop = functools.partial(request_stop, name)
        self._hooks = hooks
        self._events: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(QUEUE_SIZE)
        self._heard, self._passed_by, self._seconds, self._error = 0, 0, 0.0, ""
        self._unsaid: list[str] = []
        # A daemon: one that never returns does not keep the process alive.
        self._thread = threading.Thread(target=self._work, name=LISTENER + name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self, event: str, about: dict[str, Any]) -> None:
        try:
            self._events.put_nowait((event, about))
        except queue.Full:
            self._passed_by += 1
            if self._passed_by == 1:
                self._unsaid.append(f"the listener {self.name} is slow: events pass it by")

    def notes(self) -> list[str]:
        unsaid, self._unsaid = self._unsaid, []
        return unsaid

    @property
    def report(self) -> dict[str, Any]:
        return {
            "events": self._heard,
            "passed_by": self._passed_by,
            "seconds": round(self._seconds, 3),
            "error": self._error or None,
        }

    def end(self, seconds: float) -> None:
        start = time.monotonic()
        try:
            self._events.put(None, timeout=seconds)
        except queue.Full:
            pass
        else:
            self._thread.join(max(0.1, seconds - (time.monotonic() - start)))
        if self._thread.is_alive():
            self._unsaid.append(f"the listener {self.name} was still busy at the end; nobody waited for it")

    def _work(self) -> None:
        while (item := self._events.get()) is not None:
            event, about = item
            if isinstance(about.get("run"), RunInfo):
                run = about["run"]
                about = {**about, "run": _Stoppable(run.name, run.path, run.recipe, self._request_stop)}
            start = time.monotonic()
            try:
                getattr(self._hooks, event)(**about)
                self._heard += 1
            except BaseException as error:  # nothing that it raises ends this thread unsaid
                if not self._error:
                    self._error = f"{event}: {one_line(error)}"
                    self._unsaid.append(
                        f"the listener {self.name} failed at {self._error}; what else fails there is not shown"
                    )
            finally:
                self._seconds += time.monotonic() - start
