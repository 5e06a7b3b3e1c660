"""When a run saves, what it saves beside its checkpoints, and how it goes back to one."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from zoo.errors import ZooError
from zoo.events import Alarm
from zoo.files import CRITIC, EPOCH_MODEL, LAST_MODEL, MODEL, duplicate
from zoo.model import save_critic, save_model
from zoo.training.checkpoint import Saver, drop_checkpoints_after, load_checkpoint
from zoo.training.health import Health
from zoo.training.meter import Meter
from zoo.training.reasons import reason_of
from zoo.training.record import Record

SAVE_EVERY = 600.0
"""Seconds between two checkpoints, where no validation comes first."""
RETRY_AFTER = 60.0
"""Seconds until a checkpoint that could not be written is tried again: whoever is to make room needs a moment."""
RECENT = 10.0
"""Seconds: on SIGTERM, which clusters follow with SIGKILL, a checkpoint as old as this is not followed by another."""
MAX_BAD_STEPS, MAX_ROLLBACKS = 10, 3
"""Steps in a row that are not numbers, after which the run rolls back; and how often it does so, or for a collapse."""
CHECKPOINT = "checkpoint"


class Checkpointing:
    """The policy of a run's checkpoints and models. Every process has it; the main one writes."""

    def __init__(self, record: Record, meter: Meter) -> None:
        self.record, self.meter = record, meter
        self.run, self.trainer = record.run, record.trainer
        self.health = Health()
        self.best = (True, math.inf)
        """Whether anything was out of its healthy range, and the score (see `Assembly.score`), of the best validation.
        """
        self.rollbacks = 0
        """How often the run went back because of steps that were not numbers."""
        self.collapses = 0
        """How often it went back, or would have, because of alarms."""
        self._saver = Saver(self.run.checkpoints)
        self._next = time.monotonic() + SAVE_EVERY
        self._newest, self._newest_step = -math.inf, -1
        """When, and at which step, this process took its newest checkpoint."""
        self._validated_at = -1

    @property
    def is_due(self) -> bool:
        """Whether the newest checkpoint is old."""
        return time.monotonic() > self._next

    def milestone(self) -> int | None:
        """Return the epoch that has just ended, if it is one to keep."""
        epoch = int(self.trainer.epochs)
        return epoch if epoch in self.trainer.assembly.recipe.keep_epochs else None

    def validated(self) -> None:
        """Know that the weights as they are were validated: the next models saved are of this validation."""
        self._validated_at = self.trainer.steps

    def save(self, milestone: int | None = None, *, copy: bool = True) -> None:
        """Begin to write a checkpoint, and the models that go with it.

        Args:
            milestone: an epoch whose checkpoint and model are kept for good.
            copy: the weights before this returns; not needed where nothing changes them any more.
        """
        if not self.record.is_main:
            return
        record, trainer, meter = self.record, self.trainer, self.meter
        # Until the one before is on the disk, its models may not be there to be seen.
        self._is_written()
        plan = trainer.assembly.plan
        score = trainer.assembly.score(record.metrics)
        validated = self._validated_at == trainer.steps
        # Without a metric, the newest is the best.
        rank = (not self.health.is_good, score if plan.metrics else -trainer.steps)
        names = self._models_to_write(validated, validated and rank < self.best, milestone)
        if validated:
            self.best = min(self.best, rank)
        tensors, state = trainer.state()
        sums, about_sums = meter.state()
        tensors |= sums
        state |= {
            "meter": about_sums,
            "seconds": record.clock.seconds,
            "metrics": record.metrics,
            "best": self.best[1] if math.isfinite(self.best[1]) else None,
            "best_is_good": not self.best[0],
            "rollbacks": self.rollbacks,
            "collapses": self.collapses,
            "health": self.health.state(),
        }
        provenance = record.provenance()
        prefix = "generator/" if trainer.ema is None else "ema/"
        step = trainer.steps

        def write_models(copies: dict[str, Tensor]) -> None:
            weights = {key.removeprefix(prefix): value for key, value in copies.items() if key.startswith(prefix)}
            paths = [self.run.path / name for name in names]
            for path in paths[:1]:
                save_model(path, weights, plan, provenance)
            for path in paths[1:]:
                duplicate(paths[0], path)
            if plan.critics and MODEL in names:
                # Whoever trains on from the model has the judge that goes with it.
                weights = {key.removeprefix("critic/"): v for key, v in copies.items() if key.startswith("critic/")}
                save_critic(self.run.path / CRITIC, weights, plan, provenance)

        def announce(checkpoint: Path) -> None:
            record.callback.on_checkpoint(step, checkpoint)
            record.withdraw(CHECKPOINT)

        record.on_disk("recipe.toml", lambda: self.run.lay_out(plan.recipe))
        known = score if math.isfinite(score) else None
        healthy = validated and self.health.is_good
        self._saver.save(
            step,
            tensors,
            state,
            score=known,
            healthy=healthy,
            keep=milestone is not None,
            copy=copy,
            first=write_models,
            then=announce,
        )
        record.write_info("running")
        self._newest, self._newest_step = time.monotonic(), step
        self._next = self._newest + SAVE_EVERY

    def _models_to_write(self, validated: bool, is_best: bool, milestone: int | None) -> list[str]:
        # A model goes with the metrics of its validation. Without one there is something to use, too, if the run dies
        # early.
        is_first = not self.run.model.exists()
        chosen = {
            LAST_MODEL: validated or is_first,
            MODEL: is_best or is_first,
            EPOCH_MODEL.format(milestone): milestone is not None,
        }
        return [name for name, wanted in chosen.items() if wanted]

    def save_last(self, *, finished: bool, in_haste: bool) -> None:
        """Have a checkpoint of the run's end on the disk.

        Args:
            finished: the run is at its end, not interrupted.
            in_haste: a recent one will do: what came after it will be learned again, exactly.
        """
        if not finished and self._has_just_saved(in_haste):
            return
        # Nothing changes the weights any more: no copy.
        self.save(self.milestone() if finished else None, copy=False)
        self._saver.wait()

    def _has_just_saved(self, in_haste: bool) -> bool:
        """Say whether the newest checkpoint will do, and finish it if it is being written."""
        recent = in_haste and time.monotonic() - self._newest < RECENT
        is_this_step = self._newest_step == self.trainer.steps
        if not (recent or is_this_step) or self.record.complains_of(CHECKPOINT):
            return False
        return self._is_written()

    def save_what_can_be(self) -> None:
        """Keep what was learned when the run dies, if that can be done at all."""
        if self.trainer.steps == 0:
            return
        try:
            self.save()
            self._saver.wait()
        except (OSError, RuntimeError, ZooError) as error:
            self.record.message(f"what was learned since the last checkpoint could not be saved: {reason_of(error)}")

    def look_after(self) -> None:
        """Complain of a checkpoint that could not be written, and try again in a while."""
        if (failure := self._saver.failure) is not None:
            self.record.complain(CHECKPOINT, failure)
            self._next = time.monotonic() + RETRY_AFTER

    def close(self) -> None:
        """Finish what is being written."""
        self._saver.close()

    def restore(self, *, healthy: bool = False) -> list[str]:
        """Take up the newest checkpoint that is whole, or of those that are `healthy`; return the damaged newer ones.

        Raises:
            ZooError: there is none, or it is of other networks.
        """
        tensors, state, damaged = load_checkpoint(self.run.checkpoints, healthy=healthy)
        self.trainer.restore(tensors, state)
        self.meter.restore(tensors, state["meter"])
        self.record.clock.set(state["seconds"])
        self.record.metrics = state["metrics"]
        best = math.inf if state["best"] is None else state["best"]
        self.best = (not state["best_is_good"], best)
        self.rollbacks, self._newest_step = max(self.rollbacks, state["rollbacks"]), -1
        self.collapses = max(self.collapses, state["collapses"])
        self.health.restore(state["health"])
        return damaged

    @property
    def must_roll_back(self) -> bool:
        """Whether too many steps in a row were not numbers. Waits for the device."""
        return float(self.trainer.skipped_in_a_row) >= MAX_BAD_STEPS

    def roll_back(self) -> None:
        """Go on from the last good checkpoint; the learning rates are halved by `rollbacks`.

        Raises:
            ZooError: this was done too often.
        """
        record, trainer = self.record, self.trainer
        self.rollbacks += 1
        what = f"{MAX_BAD_STEPS} steps in a row were not numbers"
        if self.rollbacks > MAX_ROLLBACKS:
            raise ZooError(
                f"{what}, even after rolling back {MAX_ROLLBACKS} times: use a smaller --lr, or --set precision=float32"
            )
        if self._go_back():
            record.message(f"{what}; rolled back to step {trainer.steps}, with half the learning rates")
        else:
            record.message(f"{what}; there is no checkpoint yet, going on with half the learning rates")
        trainer.skipped_in_a_row.zero_()

    @property
    def critic_lr_factor(self) -> float:
        """What the critic's learning rate is multiplied by, since the run collapsed."""
        return 0.5**self.collapses

    def roll_back_from(self, alarms: Sequence[Alarm]) -> bool:
        """Go on from the newest healthy checkpoint, if there is one, with half the critic's learning rate in any case.

        Returns:
            Whether there was one: it is the newest now, with the lower learning rate.

        Raises:
            ZooError: this was done too often.
        """
        record, trainer = self.record, self.trainer
        self.collapses += 1
        if self.collapses > MAX_ROLLBACKS:
            raise ZooError(
                f"{in_words(alarms)}, even after rolling back {MAX_ROLLBACKS} times, each with half the critic's "
                "learning rate: use a smaller --lr-critic, or more of an image loss"
            )
        if not self._go_back(healthy=True):
            self.health.forgive()
            record.message("there is no healthy checkpoint yet, going on with half the critic's learning rate")
            return False
        self._validated_at = trainer.steps
        # What was written of them before went with the steps that will be taken again.
        record.log_alarms(alarms, trainer.steps)
        record.message(f"rolled back to step {trainer.steps}, with half the critic's learning rate")
        trainer.distributed.smallest(0, trainer.assembly.device)  # all have read it
        self.save()
        # A run that is resumed goes on from the newest.
        if record.is_main and self._is_written():
            drop_checkpoints_after(self.run.checkpoints, trainer.steps)
        return True

    def _go_back(self, *, healthy: bool = False) -> bool:
        """Take up an earlier checkpoint, if there is one. The time since then has passed all the same."""
        record, trainer = self.record, self.trainer
        self._is_written()
        trainer.distributed.from_main(None)  # has written what it was writing
        seconds = record.clock.seconds
        try:
            self.restore(healthy=healthy)
        except ZooError:
            return False
        record.clock.set(seconds)
        record.on_disk("metrics", lambda: self.run.drop_metrics_after(trainer.steps))
        return True

    def _is_written(self) -> bool:
        """Wait for the checkpoint that is being written; say whether it could be."""
        try:
            self._saver.wait()
        except OSError as error:
            self.record.complain(CHECKPOINT, error)
            return False
        return True


def in_words(alarms: Sequence[Alarm]) -> str:
    """Say what is wrong with a run, in one sentence without its full stop."""
    return "the run seems to collapse: " + "; ".join(map(str, alarms))
