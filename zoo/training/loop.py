"""A run from its first step to its last: step, and once in a while log, look and save."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from zoo.data.stream import Stream, batches
from zoo.device import describe_device, memory_in_use, pick_workers
from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error
from zoo.model import save_model
from zoo.plugins import one_line
from zoo.recipe import Recipe
from zoo.run import Run, describe_process
from zoo.training.assembly import Assembly, assemble
from zoo.training.checkpoint import load_checkpoint, save_checkpoint
from zoo.training.look import held_out_crops, look
from zoo.training.trainer import Trainer
from zoo.training.watch import Progress, Watcher

LOG_EVERY = 10
"""Steps between two lines of metrics."""
SAVE_EVERY = 600.0
"""Seconds between two checkpoints, where no look comes first."""


def train(recipe: Recipe, *, runs: Path | str = "runs", name: str | None = None, watcher: Watcher | None = None) -> Run:
    """Train a recipe's generator, in a new folder.

    Args:
        recipe: what to train, on what, for how long.
        runs: folder of runs.
        name: of this run; by default the generator's, with a number.
        watcher: is told how it goes.

    Returns:
        The run: its folder, recipe, metrics and model.

    Raises:
        UsageError: the recipe makes no sense, or the name is taken.
        ZooError: the run failed. What it learned until then is in its folder.
    """
    parts = assemble(recipe)
    trainer = Trainer(parts)
    run = Run.create(runs, name, parts.recipe)
    return _Loop(run, trainer, watcher or Watcher()).go()


def resume(run: Run | Path | str, *, watcher: Watcher | None = None) -> Run:
    """Go on with a run from its newest checkpoint, as if it had never stopped.

    Raises:
        UsageError: there is no such run, or it is finished.
        ZooError: it has no checkpoint, or fails again.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if run.info["state"] == "finished":
        raise UsageError(f"the run {run.path} is finished")
    tensors, state, damaged = load_checkpoint(run.checkpoints)
    trainer = Trainer(assemble(run.recipe, restoring=True))
    trainer.restore(tensors, state)
    run.forget_after(trainer.steps)
    loop = _Loop(run, trainer, watcher or Watcher(), seconds=state["seconds"])
    for name in damaged:
        loop.watcher.said(f"the checkpoint {name} is damaged; going on from the one before it")
    return loop.go()


def rehearse(recipe: Recipe) -> tuple[Assembly, dict[str, float]]:
    """Make all parts of a recipe and take one step on real data, to prove that everything fits together.

    Returns:
        The parts, and the losses of the step.
    """
    parts = assemble(recipe)
    trainer = Trainer(parts)
    batch = next(batches(_stream(parts), batch=parts.recipe.batch, start=0, workers=0, device=parts.device))
    with _explained(parts):
        losses = {name: float(loss) for name, loss in trainer.step(batch.photos).items()}
        look(parts, held_out_crops(parts)[:1])
    return parts, losses


class _Loop:
    def __init__(self, run: Run, trainer: Trainer, watcher: Watcher, seconds: float = 0.0) -> None:
        self.run, self.trainer, self.watcher = run, trainer, watcher
        self.parts = trainer.parts
        self.recipe = trainer.parts.recipe
        self.before = seconds
        self.started = time.monotonic()
        self.saved = self.started
        self.metrics: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """Seconds of training, earlier sessions' included."""
        return self.before + time.monotonic() - self.started

    @property
    def share(self) -> float:
        """How much of the run is done: 1 at its end."""
        recipe, trainer = self.recipe, self.trainer
        return max(
            trainer.steps / (recipe.steps or math.inf),
            trainer.epochs / (recipe.epochs or math.inf),
            self.seconds / 60 / (recipe.minutes or math.inf),
        )

    def go(self) -> Run:
        self._write_info("running")
        self.watcher.started(self.run, self.parts)
        state, reason = "failed", None
        try:
            with _explained(self.parts), _stop_signals() as stop:
                self.crops = held_out_crops(self.parts)
                state = self._loop(stop)
        except KeyboardInterrupt:
            # The second Ctrl-C: somebody is in a hurry.
            state = "interrupted"
        except BaseException as error:
            reason = str(error) if isinstance(error, ZooError) else one_line(error)
            self._try_to_save()
            raise
        finally:
            self._write_info(state, reason)
            self.watcher.ended(self.run, state)
        return self.run

    def _loop(self, stop: list[int]) -> str:
        recipe, trainer = self.recipe, self.trainer
        window = _Window(self)
        workers = pick_workers(recipe.workers, self.parts.device)
        feed = batches(
            _stream(self.parts), batch=recipe.batch, start=trainer.images, workers=workers, device=self.parts.device
        )
        while (share := self.share) < 1 and not stop:
            batch = next(feed)
            for problem in batch.problems:
                self.watcher.said(f"left out: {problem}")
            epoch = int(trainer.epochs)
            trainer.set_rate(_rate(share, recipe.decay))
            window.add(trainer.step(batch.photos))
            if trainer.steps % LOG_EVERY == 0:
                window.close()
            at_look = trainer.steps % recipe.evaluate == 0 if recipe.evaluate else int(trainer.epochs) > epoch
            if at_look and self.share < 1:
                self._look()
                self._save()
                window.restart()
            elif time.monotonic() - self.saved > SAVE_EVERY:
                self._save()
                window.restart()
        window.close()
        self._look()
        self._save()
        return "interrupted" if stop and self.share < 1 else "finished"

    def _look(self) -> None:
        step = self.trainer.steps
        self.metrics = look(self.parts, self.crops, self.run.samples / f"step-{step:08d}.png")
        self.run.log({"step": step, "images": self.trainer.images, "held_out": self.metrics})
        self.watcher.looked(step, self.metrics)

    def _save(self) -> None:
        tensors, state = self.trainer.state()
        save_checkpoint(self.run.checkpoints, self.trainer.steps, tensors, {**state, "seconds": self.seconds})
        save_model(self.run.model, self.parts.generator, self.recipe, self._provenance())
        self._write_info("running")
        self.saved = time.monotonic()

    def _try_to_save(self) -> None:
        """Keep what was learned when the run dies of something else, if that can be done at all."""
        if self.trainer.steps == 0:
            return
        try:
            self._save()
        except (OSError, RuntimeError, ZooError) as error:
            self.watcher.said(f"what was learned since the last checkpoint could not be saved: {one_line(error)}")

    def _provenance(self) -> dict[str, Any]:
        return {
            "run": self.run.name,
            "images": self.trainer.images,
            "steps": self.trainer.steps,
            "epochs": round(self.trainer.epochs, 3),
            "seconds": round(self.seconds, 1),
            "photographs": len(self.parts.photos),
            "fingerprint": self.parts.fingerprint,
            "metrics": self.metrics,
            "versions": describe_process()["versions"],
            "saved": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def _write_info(self, state: str, reason: str | None = None) -> None:
        info = {
            "state": state,
            "reason": reason,
            "device": describe_device(self.parts.device),
            "precision": str(self.parts.dtype).removeprefix("torch."),
            "progress": {
                "share": min(1.0, self.share),
                "steps": self.trainer.steps,
                "images": self.trainer.images,
                "epochs": round(self.trainer.epochs, 3),
                "seconds": round(self.seconds, 1),
            },
            "metrics": self.metrics,
            "photographs": {
                "train": len(self.parts.photos),
                "held_out": len(self.parts.held_out),
                "left_out": len(self.parts.left_out),
                "fingerprint": self.parts.fingerprint,
            },
            **describe_process(),
        }
        try:
            self.run.write_info(info)
        except OSError as error:
            self.watcher.said(f"{self.run.path} cannot be written: {explain_os_error(error)}")


class _Window:
    """Losses and speed since the last line of metrics."""

    def __init__(self, loop: _Loop) -> None:
        self.loop = loop
        self.restart()

    def restart(self) -> None:
        """Begin anew, so that looks and saves do not count as training time."""
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self.images = self.loop.trainer.images
        self.since = time.monotonic()

    def add(self, losses: dict[str, Tensor]) -> None:
        """Add a step, without waiting for the device."""
        for name, loss in losses.items():
            self.sums[name] = self.sums[name] + loss if name in self.sums else loss
        self.count += 1

    def close(self) -> None:
        """Log the means since the last time.

        Raises:
            ZooError: a loss is not a number any more.
        """
        if not self.count:
            return
        loop, trainer = self.loop, self.loop.trainer
        losses = {name: float(total) / self.count for name, total in self.sums.items()}
        progress = Progress(
            step=trainer.steps,
            images=trainer.images,
            epoch=trainer.epochs,
            seconds=loop.seconds,
            share=min(1.0, loop.share),
            losses=losses,
            images_per_second=(trainer.images - self.images) / (time.monotonic() - self.since),
            memory=memory_in_use(loop.parts.device),
        )
        loop.run.log(
            {
                "step": progress.step,
                "images": progress.images,
                "epoch": round(progress.epoch, 4),
                "seconds": round(progress.seconds, 2),
                "images_per_second": round(progress.images_per_second, 2),
                "memory": progress.memory,
                "losses": losses,
            }
        )
        loop.watcher.progressed(progress)
        for name, loss in losses.items():
            if not math.isfinite(loss):
                raise ZooError(
                    f"the loss {name} is not a number any more at step {trainer.steps}: try a smaller --lr, or "
                    "--set precision=float32"
                )
        self.restart()


def _stream(parts: Assembly) -> Stream:
    recipe = parts.recipe
    return Stream(parts.photos, size=recipe.size, smallest=recipe.crop, flip=recipe.flip, seed=recipe.seed)


def _rate(share: float, decay: float) -> float:
    """Return the learning rate's factor: 1, then a straight line to 0 over the last `decay` of the run."""
    return 1.0 if share <= 1 - decay else (1 - share) / decay


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM, so that the step in hand is finished and saved. A second one interrupts at once."""
    received: list[int] = []

    def receive(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    try:
        before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        # Only the main thread may: elsewhere, such as in some notebooks, its owner handles signals.
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _explained(parts: Assembly) -> Iterator[None]:
    """Say in words what torch says in tracebacks."""
    recipe = parts.recipe
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ZooError(
            f"{describe_device(parts.device)} has not enough memory for batches of {recipe.batch} at {recipe.size} "
            "pixels: use a smaller --batch or --size"
        ) from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error) or isinstance(error, ZooError):
            raise
        raise UsageError(
            f"batch norm cannot learn from one value per channel: --batch {recipe.batch} at --size {recipe.size} "
            "leaves no more in the innermost level; use a larger one"
        ) from error
    except OSError as error:
        raise ZooError(f"the run's folder cannot be written: {explain_os_error(error)}") from error
