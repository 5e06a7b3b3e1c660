"""The training loop: step, and once in a while log, validate and save."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from zoo.data.batch import Batch
from zoo.device import pick_workers
from zoo.errors import UsageError, ZooError
from zoo.events import Alarm
from zoo.memory import memory_for
from zoo.run import Run
from zoo.training.assembly import make_feed
from zoo.training.callbacks import Callback
from zoo.training.checkpointing import Checkpointing, in_words
from zoo.training.health import ranges_of
from zoo.training.listeners import Listeners
from zoo.training.meter import Meter
from zoo.training.reasons import explained, reason_of
from zoo.training.record import Record
from zoo.training.signals import StopRequested, StopSignals, stop_signals
from zoo.training.trainer import Trainer
from zoo.training.validation import (
    grey_baseline,
    memory_to_validate,
    originals_baseline,
    validate,
    validation_images,
)

LOG_EVERY = 10
"""Steps between two lines of metrics."""
STEPS_OF_AN_EPOCH = 1000
"""Where the data set does not say how long it is: what comes at the end of an epoch comes as often as this, then."""
OVERHEAD = 0.1
"""Share of the time that validations and their checkpoints may take, unless `val_every` says when they come."""


class Loop:
    """A run's way from its first step, or from a checkpoint, to its end."""

    def __init__(self, run: Run, trainer: Trainer, listeners: Listeners, callback: Callback) -> None:
        self.run, self.trainer = run, trainer
        self.assembly, self.distributed = trainer.assembly, trainer.distributed
        self.record = Record(run, trainer, callback, listeners)
        self.meter = Meter(trainer)
        self.checkpoints = Checkpointing(self.record, self.meter)
        self._validation_seconds = 0.0
        """What the newest validation took."""
        self._validation_ended = time.monotonic()
        self._shown = False
        """Whether anybody has seen a step of this process yet."""

    def train(self) -> str:
        """Train to the end, and leave the folder in order whatever happens; return how it ended."""
        record = self.record
        # Signals to the end: torchrun, and clusters, send them while a run that failed saves what it learned.
        with self.run.lock() if self.distributed.is_main else nullcontext(), stop_signals() as stop:
            record.write_info("running")
            state, reason = "failed", None
            try:
                record.callback.on_start(self.run, self.assembly, self.trainer.steps)
                if self.trainer.note:
                    record.message(self.trainer.note)
                with explained(self.assembly):
                    with memory_to_validate(self.assembly):
                        self.images = validation_images(self.assembly)
                        record.grey = grey_baseline(self.assembly, self.images)
                        originals = originals_baseline(self.assembly, self.images)
                    self.checkpoints.health.ranges = ranges_of(self.assembly, originals)
                    state = self._loop(stop)
                if state == "interrupted" and (reason := record.listeners.stop or None):
                    record.message(f"stopped: {reason}")
            except KeyboardInterrupt:
                # The second Ctrl-C: somebody is in a hurry.
                state = "interrupted"
            except BaseException as error:
                if isinstance(error, UsageError) and self.trainer.steps == 0 and self.distributed.is_main:
                    # What never took a step was asked for wrongly: it leaves nothing.
                    state = "refused"
                    record.hooks.on_end(self.run, "failed")
                    shutil.rmtree(self.run.path, ignore_errors=True)
                    raise
                reason = reason_of(error)
                self.checkpoints.save_what_can_be()
                raise
            finally:
                self.checkpoints.close()
                if state != "refused":
                    record.write_info(state, reason)
                    record.callback.on_end(self.run, state)
                    # What listeners took is known only now.
                    record.write_info(state, reason)
                    record.pass_on_notes()
        return state

    def _loop(self, stop: StopSignals) -> str:
        recipe, trainer, meter, checkpoints = self.assembly.recipe, self.trainer, self.meter, self.checkpoints
        size, feed = 0, None
        stopping, progress = self._agree(stop)
        while not stopping and progress < 1:
            if feed is None or size != recipe.size_at(progress):
                size = recipe.size_at(progress)
                feed = self._feed(size)
            if (batch := self._next(feed, stop)) is None:
                break
            epoch = int(trainer.epochs)
            factor = recipe.lr_factor(progress, trainer.steps) * 0.5**checkpoints.rollbacks
            trainer.set_lr(factor, critic=checkpoints.critic_lr_factor)
            self._step(batch, progress)
            stopping, progress = self._agree(stop)
            if trainer.steps % LOG_EVERY == 0:
                self._log()
                if checkpoints.must_roll_back:
                    checkpoints.roll_back()
                    feed, (stopping, progress) = None, self._agree(stop)
                    continue
            elif not self._shown:
                self._show_first()
            ended_epoch = int(trainer.epochs) > epoch
            if self.assembly.length is None:
                # Nobody knows what an epoch is.
                ended_epoch = trainer.steps % STEPS_OF_AN_EPOCH == 0
            is_time = trainer.steps % recipe.val_every == 0 if recipe.val_every else ended_epoch and self._affords()
            milestone = checkpoints.milestone() if ended_epoch else None
            if progress < 1 and (is_time or milestone):
                with meter.paused(), self._timed():
                    alarms = self._validate(progress)
                    if alarms and recipe.on_collapse == "rollback" and checkpoints.roll_back_from(alarms):
                        feed = None
                    elif trainer.is_healthy:
                        checkpoints.save(milestone)
                    if alarms and recipe.on_collapse == "stop":
                        raise ZooError(f'{in_words(alarms)}; stopped, as on_collapse = "stop" asks for')
                # That took a while: whoever asked for an end in it need not wait for another step.
                stopping, now = self._agree(stop)
                # Back at an earlier step.
                progress = now if feed is None else progress
            elif checkpoints.is_due and trainer.is_healthy:
                with meter.paused():
                    checkpoints.save()
        finished = progress >= 1
        if finished:
            self._log()
            # There is nothing left to stop, nor time for another way.
            self._validate(progress)
        checkpoints.save_last(finished=finished, in_haste=signal.SIGTERM in stop.received)
        return "finished" if finished else "interrupted"

    def _next(self, feed: Iterator[Batch], stop: StopSignals) -> Batch | None:
        """Wait for a batch; return None if somebody asks for an end meanwhile. Several processes end together."""
        batch = self.assembly.recipe.batch
        with memory_for(f"for {batch} photographs at once", "use a smaller --batch, or a smaller --size"):
            if self.distributed.world_size > 1:
                return next(feed)
            try:
                with stop.heard_at_once():
                    return next(feed)
            except StopRequested:
                return None

    def _step(self, batch: Batch, progress: float) -> None:
        """Take a step, and say what was out of the ordinary with it."""
        trainer, record = self.trainer, self.record
        for problem in batch.problems:
            record.message(f"left out: {problem}")
        before = trainer.micro_batch
        stage = self.assembly.recipe.learning_at(trainer.epochs, trainer.steps)
        self.meter.add(trainer.step(batch, stage, progress))
        if trainer.micro_batch < before:
            record.message(f"out of memory: going on with micro-batches of {trainer.micro_batch}")
        if trainer.fallback:
            record.message(trainer.fallback[:250])
            trainer.fallback = ""

    def _log(self) -> None:
        if self.meter.steps:
            self._shown = True
            self.record.status(self.meter.close(self.record.clock.seconds, min(1.0, self.record.progress)))
            self.checkpoints.look_after()

    def _show_first(self) -> None:
        """Show a first step at once; it counts in the next line of metrics, as if it had not been shown."""
        self._shown = True
        self.record.watcher.on_step(self.meter.status(self.record.clock.seconds, min(1.0, self.record.progress)))

    def _validate(self, progress: float) -> list[Alarm]:
        trainer, assembly, record = self.trainer, self.assembly, self.record
        trainer.sync_buffers()
        # By itself, the one learns before there is anything to judge, and the other runs away.
        critic = assembly.critic if assembly.recipe.stage_at(trainer.epochs) == "gan" else None
        with memory_to_validate(assembly):
            metrics, picture = validate(trainer.eval_generator, assembly, self.images, self.distributed, critic)
        # All decide by the same numbers, to the last bit.
        metrics = self.distributed.from_main(metrics)
        record.validation(metrics, picture)
        self.checkpoints.validated()
        alarms = self.checkpoints.health.judge(metrics, trainer.steps, progress)
        record.alarms(alarms)
        return alarms

    def _affords(self) -> bool:
        """Whether another validation, with its checkpoint, keeps within what they may cost."""
        since = time.monotonic() - self._validation_ended
        return self.distributed.from_main(since * OVERHEAD >= self._validation_seconds * (1 - OVERHEAD))

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = time.monotonic()
        yield
        self._validation_ended = time.monotonic()
        self._validation_seconds = self._validation_ended - start

    def _agree(self, stop: StopSignals) -> tuple[bool, float]:
        """Settle with the other processes whether to stop, and how far the run is."""
        asked = bool(stop) or bool(self.record.listeners.stop)
        return self.distributed.agree(asked, self.record.progress, self.assembly.device)

    def _feed(self, size: int) -> Iterator[Batch]:
        workers = pick_workers(self.assembly.recipe.workers, self.assembly.device)
        trainer = self.trainer
        return make_feed(self.assembly, trainer.images, workers, self.distributed, size, trainer.data_state)
