"""Followers of a run: plugins that hear of its events, and can neither slow it down nor stop it.

Each has a thread and a queue of its own. Events that find the queue full pass it by; what it raises is said once.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.plugins import make_hooks, one_line
from zoo.spec import parse_list
from zoo.training.watch import Progress, Watcher

if TYPE_CHECKING:
    from zoo.recipe import Recipe
    from zoo.run import Run
    from zoo.training.assembly import Assembly
    from zoo.training.ranks import Ranks

WAITING = 100
"""Events that may wait for a follower."""
PATIENCE = 10.0
"""Seconds that the end of a run waits for its followers."""


class Followers(Watcher):
    """Hands on what a run tells its watcher to all who follow it."""

    def __init__(self, followers: Mapping[str, Any]) -> None:
        """Followers by name, each with its hooks: see `zoo.hookspecs`."""
        self._followers = [_Follower(name, hooks) for name, hooks in followers.items()]
        self._run: Run | None = None
        self._step = 0

    @classmethod
    def of(cls, recipe: Recipe, ranks: Ranks) -> Followers:
        """Make the trackers that a recipe names; all plugins that implement events follow anyway.

        Of several processes, the first alone has followers.

        Raises:
            UsageError: there is no such tracker, or something that it needs is not installed.
        """
        if not ranks.is_first:
            return cls({})
        known = registry.get()
        found = {plugin.name: plugin.follow for plugin in known.plugins if plugin.follow is not None}
        trackers = {spec.name: make_hooks(known.build("tracker", spec)) for spec in parse_list(recipe.track)}
        return cls(found | trackers)

    @property
    def report(self) -> dict[str, dict[str, Any]]:
        """What each follower took, and how it went."""
        return {follower.name: follower.report for follower in self._followers}

    def notes(self) -> list[str]:
        """Return what went wrong since the last time, in words."""
        return [note for follower in self._followers for note in follower.notes()]

    def started(self, run: Run, parts: Assembly, step: int) -> None:
        self._run, self._step = run, step
        for follower in self._followers:
            follower.start()
        self._tell("zoo_run_started")

    def progressed(self, progress: Progress) -> None:
        self._step = progress.step
        self._tell("zoo_step", progress=progress)

    def looked(self, step: int, metrics: dict[str, float], picture: Path) -> None:
        self._step = step
        self._tell("zoo_metrics", metrics=dict(metrics))
        self._tell("zoo_samples", picture=picture)

    def saved(self, step: int, checkpoint: Path) -> None:
        self._tell("zoo_checkpoint_saved", step=step, checkpoint=checkpoint)

    def said(self, message: str) -> None:
        self._tell("zoo_alarm", message=message)

    def ended(self, run: Run, state: str) -> None:
        self._tell("zoo_run_ended", state=state)
        end = time.monotonic() + PATIENCE
        for follower in self._followers:
            follower.end(max(0.1, end - time.monotonic()))

    def _tell(self, event: str, **about: Any) -> None:
        for follower in self._followers:
            follower.tell(event, {"run": self._run, "step": self._step, **about})


class _Follower:
    def __init__(self, name: str, hooks: Any) -> None:
        self.name = name
        self._hooks = hooks
        self._events: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(WAITING)
        self._heard, self._passed_by, self._seconds, self._error = 0, 0, 0.0, ""
        self._unsaid: list[str] = []
        # A daemon: one that never returns does not keep the process alive.
        self._thread = threading.Thread(target=self._work, name=f"follower {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self, event: str, about: dict[str, Any]) -> None:
        try:
            self._events.put_nowait((event, about))
        except queue.Full:
            self._passed_by += 1
            if self._passed_by == 1:
                self._unsaid.append(f"the follower {self.name} is slow: events pass it by")

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
            self._unsaid.append(f"the follower {self.name} was still busy at the end; nobody waited for it")

    def _work(self) -> None:
        while (item := self._events.get()) is not None:
            event, about = item
            start = time.monotonic()
            try:
                getattr(self._hooks, event)(**about)
                self._heard += 1
            except (Exception, SystemExit) as error:
                if not self._error:
                    self._error = f"{event}: {one_line(error)}"
                    self._unsaid.append(
                        f"the follower {self.name} failed at {self._error}; what else fails there is not shown"
                    )
            finally:
                self._seconds += time.monotonic() - start
