"""What a run writes of itself while it trains: run.json, metrics.jsonl, samples. Training is worth more than those."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from zoo.device import describe_device
from zoo.errors import PhotoError
from zoo.events import Alarm, Status
from zoo.photo import save_photo
from zoo.run import Run, describe_process
from zoo.training.assembly import length_of
from zoo.training.callbacks import Callback, CallbackList, HookCallback
from zoo.training.listeners import Listeners
from zoo.training.reasons import reason_of
from zoo.training.trainer import Trainer

HEARTBEAT = 15.0
"""Seconds between two signs of life in run.json."""


class Clock:
    """Seconds of training, those before a resume included."""

    def __init__(self) -> None:
        self.set(0.0)

    def set(self, seconds: float) -> None:
        """Go on from here."""
        self._before, self._since = seconds, time.monotonic()

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._since


class Record:
    """The record of a run, in its folder and towards those who follow it. Of several processes, the main one has it."""

    def __init__(self, run: Run, trainer: Trainer, callback: Callback, listeners: Listeners) -> None:
        self.run = run
        self.trainer = trainer
        self.listeners = listeners
        self.is_main = trainer.distributed.is_main
        self.hooks = HookCallback(listeners)
        # One process writes and speaks for all.
        self.watcher = callback if self.is_main else Callback()
        """The callback that whoever started the run has given."""
        self.callback = CallbackList(callback, self.hooks) if self.is_main else Callback()
        self.clock = Clock()
        self.metrics: dict[str, float] = {}
        """Of the newest validation."""
        self.grey: dict[str, float] = {}
        """The same metrics of leaving the validation images grey."""
        self._complaints: set[str] = set()
        self._written = time.monotonic()

    @property
    def progress(self) -> float:
        """How much of the run is done: 1 at its end."""
        trainer = self.trainer
        return trainer.assembly.recipe.progress_after(trainer.steps, trainer.epochs, self.clock.seconds)

    def message(self, message: str) -> None:
        """Say something that people should know of."""
        self.callback.on_message(message)

    def status(self, status: Status) -> None:
        """Write a line of losses and speed."""
        self.on_disk("metrics", lambda: self.run.log(status.as_line()))
        self.callback.on_step(status)
        self.pass_on_notes()
        if time.monotonic() - self._written > HEARTBEAT:
            self.write_info("running")

    def validation(self, metrics: dict[str, float], picture: Tensor) -> None:
        """Write the metrics of a validation, and its picture."""
        self.metrics = metrics
        step = self.trainer.steps
        line = {"step": step, "images": self.trainer.images, "val": metrics, "grey": self.grey}
        sample = self.run.samples / f"step-{step:08d}.png"
        self.on_disk("metrics", lambda: self.run.log(line))
        self.on_disk("samples", lambda: save_photo(sample, picture))
        self.callback.on_validation(step, metrics, self.grey, sample)

    def alarms(self, alarms: Sequence[Alarm]) -> None:
        """Say what is outside of its healthy range."""
        self.log_alarms(alarms, self.trainer.steps)
        for alarm in alarms:
            self.callback.on_alarm(alarm)

    def log_alarms(self, alarms: Sequence[Alarm], step: int) -> None:
        """Write alarms into the metrics, among those of a step."""
        for alarm in alarms:
            self.on_disk("metrics", functools.partial(self.run.log, alarm.as_line(step)))

    def pass_on_notes(self) -> None:
        """Say what went wrong with listeners."""
        for note in self.listeners.notes():
            self.message(note)

    def on_disk(self, what: str, write: Callable[[], object]) -> None:
        """Write something; if that fails, say so once and go on: training is worth more than its files."""
        if not self.is_main:
            return
        try:
            write()
            self.withdraw(what)
        except (OSError, PhotoError) as error:
            self.complain(what, error)

    def complain(self, what: str, error: Exception) -> None:
        """Say that something could not be written, once until it can be."""
        if what not in self._complaints:
            self._complaints.add(what)
            self.message(f"{what} not written: {reason_of(error)}; training goes on")

    def withdraw(self, what: str) -> None:
        """Complain anew when it cannot be written the next time."""
        self._complaints.discard(what)

    def complains_of(self, what: str) -> bool:
        """Whether it could not be written the last time."""
        return what in self._complaints

    def provenance(self) -> dict[str, Any]:
        """Return what a model file says of where it comes from."""
        trainer, assembly = self.trainer, self.trainer.assembly
        return {
            "run": self.run.name,
            "images": trainer.images,
            "steps": trainer.steps,
            "epochs": round(trainer.epochs, 3),
            "seconds": round(self.clock.seconds, 1),
            "photographs": assembly.length,
            "fingerprint": assembly.fingerprint,
            "components": assembly.plan.provenance(),
            "metrics": self.metrics,
            "grey": self.grey,
            "device": describe_device(assembly.device),
            **({"init": assembly.init} if assembly.init else {}),
            "versions": describe_process()["versions"],
            "saved": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def write_info(self, state: str, reason: str | None = None) -> None:
        """Write run.json: running, finished, interrupted or failed, and why."""
        trainer, assembly = self.trainer, self.trainer.assembly
        info = {
            "state": state,
            "reason": reason,
            "device": describe_device(assembly.device),
            "precision": str(assembly.dtype).removeprefix("torch."),
            "progress": {
                "progress": min(1.0, self.progress),
                "steps": trainer.steps,
                "images": trainer.images,
                "epochs": round(trainer.epochs, 3),
                "seconds": round(self.clock.seconds, 1),
            },
            "skipped": int(trainer.skipped),
            "metrics": self.metrics,
            "grey": self.grey,
            "listeners": self.listeners.report,
            "photographs": {
                "train": assembly.length,
                "val": length_of(assembly.val_photos),
                "left_out": len(assembly.left_out),
                "fingerprint": assembly.fingerprint,
            },
            "components": assembly.plan.provenance(),
            **({"init": assembly.init} if assembly.init else {}),
            **describe_process(),
        }
        self.on_disk("run.json", lambda: self.run.write_info(info))
        self._written = time.monotonic()
