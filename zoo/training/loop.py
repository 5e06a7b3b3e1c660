"""A run from its first step to its last: step, and once in a while log, look and save."""

from __future__ import annotations

import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.data.stream import Batch, loader_is_gone
from zoo.device import describe_device, pick_workers
from zoo.errors import UsageError, ZooError
from zoo.files import duplicate, explain_os_error, remove_leftovers
from zoo.model import save_model
from zoo.photo import PhotoError, save_photo
from zoo.plugins import one_line
from zoo.recipe import Recipe
from zoo.run import Run, describe_process
from zoo.training.assembly import Assembly, assemble, begin_with, make_feed
from zoo.training.checkpoint import Saver, load_checkpoint
from zoo.training.fit import with_fitting_batch
from zoo.training.follow import Followers
from zoo.training.look import held_out_crops, look
from zoo.training.ranks import Ranks, another_is_gone, joined
from zoo.training.signals import stop_signals
from zoo.training.trainer import Trainer, out_of_memory
from zoo.training.watch import Both, Watcher
from zoo.training.window import Window

LOG_EVERY = 10
"""Steps between two lines of metrics."""
SAVE_EVERY = 600.0
"""Seconds between two checkpoints, where no look comes first."""
RECENT = 10.0
"""Seconds: on SIGTERM, which clusters follow with SIGKILL, a checkpoint as old as this is not followed by another."""
HEARTBEAT = 15.0
"""Seconds between two signs of life in run.json."""
BAD_STEPS, GO_BACKS = 10, 3
"""Steps in a row that are not numbers, after which the run goes back; and how often it does so."""
CHECKPOINT = "checkpoint"


def train(
    recipe: Recipe,
    *,
    runs: Path | str = "runs",
    name: str | None = None,
    init: Path | str | None = None,
    watcher: Watcher | None = None,
) -> Run:
    """Train a recipe's generator, in a new folder.

    Args:
        recipe: what to train, on what, for how long.
        runs: folder of runs.
        name: of this run; by default the generator's, with a number.
        init: a model's file, or a run's folder, to begin with instead of fresh weights. A run's critic comes along.
        watcher: is told how it goes.

    Returns:
        The run: its folder, recipe, metrics and model.

    Raises:
        UsageError: the recipe makes no sense, or the name is taken.
        ZooError: the run failed. What it learned until then is in its folder.
    """
    with joined(recipe.device) as ranks:
        recipe = with_fitting_batch(recipe, ranks)
        parts = assemble(recipe, restoring=init is not None, device=ranks.device(recipe.device))
        if init is not None:
            begin_with(parts, Path(init))
        trainer = Trainer(parts, ranks)
        followers = Followers.of(parts.recipe, ranks)
        run = Run(ranks.from_first(Run.create(runs, name, parts.recipe).path if ranks.is_first else Path()))
        return _Loop(run, trainer, followers, watcher or Watcher()).go()


def resume(
    run: Run | Path | str, *, extend: bool = False, watcher: Watcher | None = None, **another_end: float | None
) -> Run:
    """Go on with a run from its newest checkpoint, as if it had never stopped.

    Args:
        run: the run, or its folder.
        extend: go on with a run that is finished, too.
        watcher: is told how it goes.
        another_end: epochs, steps or minutes, as in a recipe; from the run's first step on.

    Raises:
        UsageError: there is no such run, it is finished, or it cannot be extended so.
        ZooError: it has no checkpoint, is being written by another process, or fails again.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    recipe = _with_another_end(run, extend, another_end)
    with joined(recipe.device) as ranks, run.lock() if ranks.is_first else nullcontext():
        parts = assemble(recipe, restoring=True, device=ranks.device(recipe.device))
        loop = _Loop(run, Trainer(parts, ranks), Followers.of(parts.recipe, ranks), watcher or Watcher())
        damaged = loop.restore()
        if ranks.is_first:
            remove_leftovers(run.path)
            run.write_recipe(recipe)
            run.forget_after(loop.trainer.steps)
            if run.info["photographs"]["fingerprint"] != parts.fingerprint:
                loop.watcher.said("the photographs are not those that it began with; going on with what is there now")
            for name in damaged:
                loop.watcher.said(f"the checkpoint {name} is damaged; going on from the one before it")
        return loop.go()


def _with_another_end(run: Run, extend: bool, another_end: dict[str, float | None]) -> Recipe:
    """Return the recipe to go on with, if there is anything left to do by it."""
    recipe = run.recipe
    if any(another_end.values()):
        recipe = recipe.lengthened(**another_end)
    elif extend:
        raise UsageError("--extend needs another end: --epochs, --steps or --minutes, from the run's first step on")
    if run.info["state"] == "finished":
        if not extend:
            hint = "--extend with --epochs, --steps or --minutes lengthens it"
            raise UsageError(f"the run {run.path} is finished; {hint}")
        steps, epochs, seconds = (run.info["progress"][name] for name in ("steps", "epochs", "seconds"))
        if recipe.share_after(steps, epochs, seconds) >= 1:
            done = f"{steps} steps, {epochs:g} epochs and {seconds / 60:.1f} minutes"
            raise UsageError(f"the run {run.path} has {done} behind it; --extend needs an end beyond that")
    return recipe


def rehearse(recipe: Recipe) -> tuple[Assembly, dict[str, float]]:
    """Make all parts of a recipe and take one step on real data, to prove that everything fits together.

    Returns:
        The parts, and the losses of the step.
    """
    parts = assemble(with_fitting_batch(recipe, Ranks()))
    trainer = Trainer(parts)
    with _explained(parts):
        batch = next(make_feed(parts, start=0, workers=0))
        losses = {name: float(loss) for name, loss in trainer.step(batch.photos).items()}
        look(trainer.best_generator, parts, held_out_crops(parts)[:1])
    return parts, losses


class _Loop:
    def __init__(self, run: Run, trainer: Trainer, followers: Followers, watcher: Watcher) -> None:
        self.run, self.trainer, self.ranks = run, trainer, trainer.ranks
        self.parts = trainer.parts
        self.recipe = trainer.parts.recipe
        # One process writes and speaks for all.
        self.followers = followers
        self.watcher = Both(watcher, self.followers) if self.ranks.is_first else Watcher()
        self.saver = Saver(run.checkpoints)
        self.metrics: dict[str, float] = {}
        self.looked_at = -1
        self.best = math.inf
        self.go_backs = 0
        self.complained: set[str] = set()
        self.before = 0.0
        self.started = self.saved = self.beat = time.monotonic()
        self.newest, self.newest_step = -math.inf, -1
        """When, and at which step, this process took its newest checkpoint."""
        self.window = Window(trainer)

    def restore(self) -> list[str]:
        """Take up the newest checkpoint that is whole; return the names of newer ones that are damaged."""
        tensors, state, damaged = load_checkpoint(self.run.checkpoints)
        self.trainer.restore(tensors, state)
        self.window.restore(tensors, state["window_steps"])
        self.before, self.started = state["seconds"], time.monotonic()
        self.metrics, self.best = state["metrics"], math.inf if state["best"] is None else state["best"]
        self.go_backs, self.newest_step = max(self.go_backs, state["go_backs"]), -1
        return damaged

    @property
    def seconds(self) -> float:
        """Seconds of training, earlier sessions' included."""
        return self.before + time.monotonic() - self.started

    @property
    def share(self) -> float:
        """How much of the run is done: 1 at its end."""
        return self.recipe.share_after(self.trainer.steps, self.trainer.epochs, self.seconds)

    def go(self) -> Run:
        """Train to the end, and leave the folder in order whatever happens."""
        # Signals to the end: torchrun, and clusters, send them while a run that failed saves what it learned.
        with self.run.lock() if self.ranks.is_first else nullcontext(), stop_signals() as stop:
            self._write_info("running")
            state, reason = "failed", None
            try:
                self.watcher.started(self.run, self.parts, self.trainer.steps)
                with _explained(self.parts):
                    self.crops = held_out_crops(self.parts)
                    state = self._loop(stop)
            except KeyboardInterrupt:
                # The second Ctrl-C: somebody is in a hurry.
                state = "interrupted"
            except BaseException as error:
                if isinstance(error, UsageError) and self.trainer.steps == 0 and self.ranks.is_first:
                    # What never took a step was asked for wrongly: it leaves nothing.
                    state = "refused"
                    self.followers.ended(self.run, "failed")
                    shutil.rmtree(self.run.path, ignore_errors=True)
                    raise
                reason = _reason(error)
                self._save_what_can_be()
                raise
            finally:
                self.saver.close()
                if state != "refused":
                    self._write_info(state, reason)
                    self.watcher.ended(self.run, state)
                    # What they took is known only now.
                    self._write_info(state, reason)
                    self._pass_on_notes()
        return self.run

    def _loop(self, stop: list[int]) -> str:
        recipe, trainer, window = self.recipe, self.trainer, self.window
        size, feed = 0, None
        stopping, share = self._agree(stop)
        while not stopping and share < 1:
            if feed is None or size != recipe.size_at(share):
                size = recipe.size_at(share)
                feed = self._feed(size)
            batch = next(feed)
            for problem in batch.problems:
                self.watcher.said(f"left out: {problem}")
            epoch, micro = int(trainer.epochs), trainer.micro
            trainer.set_rate(recipe.rate_at(share, trainer.steps) * 0.5**self.go_backs)
            window.add(trainer.step(batch.photos, recipe.stage_at(trainer.epochs)))
            stopping, share = self._agree(stop)
            if trainer.micro < micro:
                self.watcher.said(f"out of memory: going on with batches in parts of {trainer.micro}")
            if trainer.fell_back:
                self.watcher.said(trainer.fell_back[:250])
                trainer.fell_back = ""
            if trainer.steps % LOG_EVERY == 0:
                self._log()
                if float(trainer.skipped_in_a_row) >= BAD_STEPS:
                    self._go_back()
                    feed, (stopping, share) = None, self._agree(stop)
                    continue
            ended_epoch = int(trainer.epochs) > epoch
            at_look = trainer.steps % recipe.evaluate == 0 if recipe.evaluate else ended_epoch
            milestone = self._milestone() if ended_epoch else None
            if share < 1 and (at_look or milestone):
                with window.paused():
                    self._look()
                    if trainer.is_healthy:
                        self._save(milestone)
                # That took a while: whoever asked for an end in it need not wait for another step.
                stopping, _ = self._agree(stop)
            elif time.monotonic() - self.saved > SAVE_EVERY and trainer.is_healthy:
                with window.paused():
                    self._save()
        if share >= 1:
            self._log()
            self._look()
        if share >= 1 or not self._has_just_saved(in_haste=signal.SIGTERM in stop):
            # Nothing changes the weights any more: no copy.
            self._save(self._milestone() if share >= 1 else None, copy=False)
            self.saver.wait()
        return "finished" if share >= 1 else "interrupted"

    def _has_just_saved(self, *, in_haste: bool) -> bool:
        """Say whether the newest checkpoint will do, and finish it if it is being written.

        It is of this very step; in haste, a recent one will do: what came after it will be learned again, exactly.
        """
        recent = in_haste and time.monotonic() - self.newest < RECENT
        if not (recent or self.newest_step == self.trainer.steps) or CHECKPOINT in self.complained:
            return False
        return self._is_written()

    def _is_written(self) -> bool:
        """Wait for the checkpoint that is being written; say whether it could be."""
        try:
            self.saver.wait()
        except OSError as error:
            self._complain(CHECKPOINT, error)
            return False
        return True

    def _agree(self, stop: list[int]) -> tuple[bool, float]:
        return self.ranks.agree(bool(stop), self.share, self.parts.device)

    def _feed(self, size: int) -> Iterator[Batch]:
        workers = pick_workers(self.recipe.workers, self.parts.device)
        return make_feed(self.parts, self.trainer.images, workers, self.ranks, size)

    def _log(self) -> None:
        if not self.window.steps:
            return
        progress = self.window.close(self.seconds, min(1.0, self.share))
        self._on_disk("metrics", lambda: self.run.log(progress.as_line()))
        self.watcher.progressed(progress)
        self._pass_on_notes()
        if time.monotonic() - self.beat > HEARTBEAT:
            self._write_info("running")
        if (failure := self.saver.failure) is not None:
            self._complain(CHECKPOINT, failure)
            # Soon, not at once: whoever is to make room needs a moment.
            self.saved = time.monotonic() - SAVE_EVERY + 60

    def _pass_on_notes(self) -> None:
        for note in self.followers.notes():
            self.watcher.said(note)

    def _look(self) -> None:
        step = self.trainer.steps
        self.trainer.settle()
        self.metrics, picture = look(self.trainer.best_generator, self.parts, self.crops, self.ranks)
        line = {"step": step, "images": self.trainer.images, "held_out": self.metrics}
        sample = self.run.samples / f"step-{step:08d}.png"
        self._on_disk("metrics", lambda: self.run.log(line))
        self._on_disk("samples", lambda: save_photo(sample, picture))
        self.looked_at = step
        self.watcher.looked(step, self.metrics, sample)

    def _milestone(self) -> int | None:
        """Return the epoch that has just ended, if it is one to keep."""
        epoch = int(self.trainer.epochs)
        return epoch if epoch in self.recipe.keep_epochs else None

    def _save(self, milestone: int | None = None, *, copy: bool = True) -> None:
        if not self.ranks.is_first:
            return
        score = self.parts.score(self.metrics)
        is_best = score < self.best
        self.best = min(self.best, score)
        # A model goes with the measures of its look. Without one there is something to use, too, if the run dies early.
        names = ["model"] if self.looked_at == self.trainer.steps or not self.run.model.exists() else []
        names += [*(["best"] if is_best else []), *([f"epoch-{milestone}"] if milestone else [])]
        tensors, state = self.trainer.state()
        tensors |= self.window.state()
        state |= {
            "window_steps": self.window.steps,
            "seconds": self.seconds,
            "metrics": self.metrics,
            "best": self.best if math.isfinite(self.best) else None,
            "go_backs": self.go_backs,
        }

        provenance = self._provenance()
        prefix = "generator/" if self.trainer.average is None else "average/"

        step = self.trainer.steps

        def write_models(checkpoint: Path, copies: dict[str, Tensor]) -> None:
            self.watcher.saved(step, checkpoint)
            weights = {key.removeprefix(prefix): value for key, value in copies.items() if key.startswith(prefix)}
            paths = [self.run.path / f"{name}.safetensors" for name in names]
            for path in paths[:1]:
                save_model(path, weights, self.recipe, provenance)
            for path in paths[1:]:
                duplicate(paths[0], path)
            self.complained.discard(CHECKPOINT)

        self._is_written()
        self._on_disk("recipe.toml", lambda: self.run.lay_out(self.recipe))
        known = score if math.isfinite(score) else None
        self.saver.save(step, tensors, state, score=known, keep=milestone is not None, copy=copy, then=write_models)
        self._write_info("running")
        self.saved = self.newest = time.monotonic()
        self.newest_step = step

    def _go_back(self) -> None:
        self.go_backs += 1
        what = f"{BAD_STEPS} steps in a row were not numbers"
        if self.go_backs > GO_BACKS:
            raise ZooError(
                f"{what}, even after going back {GO_BACKS} times: use a smaller --lr, or --set precision=float32"
            )
        self._is_written()
        self.ranks.from_first(None)  # has written what it was writing
        seconds = self.seconds
        try:
            self.restore()
        except ZooError:
            self.watcher.said(f"{what}; there is no checkpoint yet, going on with half the rates")
            self.trainer.skipped_in_a_row.zero_()
            return
        self.before = seconds
        self.trainer.skipped_in_a_row.zero_()
        self._on_disk("metrics", lambda: self.run.forget_after(self.trainer.steps))
        self.watcher.said(f"{what}; back to step {self.trainer.steps}, with half the rates")

    def _save_what_can_be(self) -> None:
        """Keep what was learned when the run dies, if that can be done at all."""
        if self.trainer.steps == 0:
            return
        try:
            self._save()
            self.saver.wait()
        except (OSError, RuntimeError, ZooError) as error:
            self.watcher.said(f"what was learned since the last checkpoint could not be saved: {_reason(error)}")

    def _on_disk(self, what: str, write: Callable[[], object]) -> None:
        """Write something; if that fails, say so once and go on: training is worth more than its files."""
        if not self.ranks.is_first:
            return
        try:
            write()
            self.complained.discard(what)
        except (OSError, PhotoError) as error:
            self._complain(what, error)

    def _complain(self, what: str, error: Exception) -> None:
        if what not in self.complained:
            self.complained.add(what)
            self.watcher.said(f"{what} not written: {_reason(error)}; training goes on")

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
            "skipped": int(self.trainer.skipped),
            "metrics": self.metrics,
            "followers": self.followers.report,
            "photographs": {
                "train": len(self.parts.photos),
                "held_out": len(self.parts.held_out),
                "left_out": len(self.parts.left_out),
                "fingerprint": self.parts.fingerprint,
            },
            **describe_process(),
        }
        self._on_disk("run.json", lambda: self.run.write_info(info))
        self.beat = time.monotonic()


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        return explain_os_error(error)
    return str(error) if isinstance(error, ZooError) else one_line(error)


@contextmanager
def _explained(parts: Assembly) -> Iterator[None]:
    """Say in words what torch says in tracebacks."""
    recipe = parts.recipe
    try:
        yield
    except RuntimeError as error:
        if another_is_gone(error):
            raise ZooError("another of the run's processes ended, and this one cannot go on without it") from error
        if loader_is_gone(error):
            raise ZooError(
                "a process that loads photographs was killed, as happens where memory runs out: write workers = 0 into "
                "the run's recipe.toml, and resume it"
            ) from error
        if not out_of_memory(error):
            raise
        raise ZooError(
            f"{describe_device(parts.device)} has not enough memory for one picture of {recipe.size}×{recipe.size} "
            "pixels: use a smaller --size or a smaller generator"
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
