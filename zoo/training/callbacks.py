"""Callbacks: whoever follows a run from within its own thread, such as a display, a notebook or a test.

Every event of a run is here: what callbacks are called with, and what plugins hear of it through their hooks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.events import RunInfo

if TYPE_CHECKING:
    from zoo.events import Alarm, Status
    from zoo.run import Run
    from zoo.training.assembly import Assembly
    from zoo.training.listeners import Listeners


class Callback:
    """Follows a run. Every method may be left as it is."""

    def on_scan(self, done: int, total: int | None) -> None:
        """Before the start: the data set has looked through so many of its files, of `total`.

        `total` is None while they are still being found. Called for each file.
        """

    def on_start(self, run: Run, assembly: Assembly, step: int) -> None:
        """The run's folder is there and the next step comes: `step` were taken before, by a run that is resumed."""

    def on_step(self, status: Status) -> None:
        """Some steps were taken."""

    def on_validation(self, step: int, metrics: dict[str, float], grey: dict[str, float], picture: Path) -> None:
        """Validation images were coloured and measured, and drawn as grey | coloured | original.

        `grey` has the same metrics of leaving them grey. What the critic made of them is among `metrics`, too, and not
        among those of grey.
        """

    def on_alarm(self, alarm: Alarm) -> None:
        """A number has been outside of its healthy range at several validations, of which this is the newest."""

    def on_checkpoint(self, step: int, checkpoint: Path) -> None:
        """A checkpoint is on the disk, in a folder. Called from the thread that wrote it."""

    def on_message(self, message: str) -> None:
        """Something happened that people should know of."""

    def on_end(self, run: Run, state: str) -> None:
        """The run is over: finished, interrupted or failed."""


class CallbackList(Callback):
    """Hands everything on to several callbacks, in order."""

    def __init__(self, *callbacks: Callback) -> None:
        self._callbacks = callbacks

    def _each(self, call: Callable[[Callback], Any]) -> None:
        for callback in self._callbacks:
            call(callback)

    def on_scan(self, done: int, total: int | None) -> None:
        self._each(lambda callback: callback.on_scan(done, total))

    def on_start(self, run: Run, assembly: Assembly, step: int) -> None:
        self._each(lambda callback: callback.on_start(run, assembly, step))

    def on_step(self, status: Status) -> None:
        self._each(lambda callback: callback.on_step(status))

    def on_validation(self, step: int, metrics: dict[str, float], grey: dict[str, float], picture: Path) -> None:
        self._each(lambda callback: callback.on_validation(step, metrics, grey, picture))

    def on_alarm(self, alarm: Alarm) -> None:
        self._each(lambda callback: callback.on_alarm(alarm))

    def on_checkpoint(self, step: int, checkpoint: Path) -> None:
        self._each(lambda callback: callback.on_checkpoint(step, checkpoint))

    def on_message(self, message: str) -> None:
        self._each(lambda callback: callback.on_message(message))

    def on_end(self, run: Run, state: str) -> None:
        self._each(lambda callback: callback.on_end(run, state))


class HookCallback(Callback):
    """Hands everything on to listeners, as the hooks of `zoo.registry.hookspecs`."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._run: RunInfo | None = None
        self._step = 0

    def on_start(self, run: Run, assembly: Assembly, step: int) -> None:
        self._run, self._step = RunInfo(run.name, run.path, assembly.recipe.to_table()), step
        self._listeners.start()
        self._tell("zoo_run_started")

    def on_step(self, status: Status) -> None:
        self._step = status.step
        self._tell("zoo_step", status=status)

    def on_validation(self, step: int, metrics: dict[str, float], grey: dict[str, float], picture: Path) -> None:
        self._step = step
        self._tell("zoo_metrics", metrics=dict(metrics), grey=dict(grey))
        self._tell("zoo_samples", picture=picture)

    def on_alarm(self, alarm: Alarm) -> None:
        self._tell("zoo_alarm", message=str(alarm), alarm=alarm)

    def on_checkpoint(self, step: int, checkpoint: Path) -> None:
        self._tell("zoo_checkpoint_saved", step=step, checkpoint=checkpoint)

    def on_message(self, message: str) -> None:
        self._tell("zoo_alarm", message=message, alarm=None)

    def on_end(self, run: Run, state: str) -> None:
        self._tell("zoo_run_ended", state=state)
        self._listeners.end()

    def _tell(self, event: str, **about: Any) -> None:
        self._listeners.tell(event, **{"run": self._run, "step": self._step, **about})
