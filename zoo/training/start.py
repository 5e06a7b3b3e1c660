"""How training begins: a new run, one that is resumed, a dry run."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from zoo.errors import UsageError
from zoo.files import remove_leftovers
from zoo.memory import memory_for
from zoo.recipe import Recipe
from zoo.registry import ModelSource, Plan, find_model, resolve
from zoo.run import Run
from zoo.signals import interrupted_by_signals
from zoo.training.assembly import Assembly, assemble, init_from, make_feed
from zoo.training.batch_size import with_auto_batch
from zoo.training.callbacks import Callback
from zoo.training.distributed import Distributed, joined
from zoo.training.listeners import Listeners
from zoo.training.loop import Loop
from zoo.training.reasons import explained
from zoo.training.threads import settle_threads, threads_restored
from zoo.training.trainer import Trainer
from zoo.training.validation import memory_to_validate, validate, validation_images


def train(
    recipe: Recipe | Plan,
    *,
    runs: Path | str = "runs",
    name: str | None = None,
    init: ModelSource | Path | str | None = None,
    callback: Callback | None = None,
) -> Run:
    """Train a recipe's generator, in a new folder.

    Args:
        recipe: what to train, on what, for how long.
        runs: folder of runs.
        name: of this run; by default the generator's, with a number.
        init: a model to begin with instead of fresh weights: a name, a file, a run's folder or `hf://…`, see
            `zoo.registry.find_model`. Its critic comes along, if it has one like the recipe's.
        callback: is told how it goes.

    Returns:
        The run: its folder, recipe, metrics and model.

    Raises:
        UsageError: the recipe makes no sense, or the name is taken.
        ZooError: the run failed. What it learned until then is in its folder.
    """
    plan, callback = resolve(recipe), callback or Callback()
    source = None if init is None else find_model(init)
    with interrupted_by_signals(), threads_restored(), joined(plan.asked.device) as distributed:
        progress = callback.on_scan if distributed.is_main else None
        plan = with_auto_batch(plan, distributed, progress)
        device = distributed.device(plan.asked.device)
        assembly = assemble(plan, restoring=source is not None, device=device, progress=progress)
        if source is not None:
            init_from(assembly, source)
        trainer = Trainer(assembly, distributed)
        settle_threads(trainer, callback)
        listeners = _listeners(plan, distributed)
        path = Path()
        if distributed.is_main:
            path = Run.create(runs, plan.recipe, name=name, stem=plan.generator.component.name).path
        run = Run(distributed.from_main(path))
        Loop(run, trainer, listeners, callback).train()
        return run


def resume(
    run: Run | Path | str, *, extend: bool = False, callback: Callback | None = None, **another_end: float | None
) -> Run:
    """Go on with a run from its newest checkpoint, as if it had never stopped.

    Args:
        run: the run, or its folder.
        extend: go on with a run that is finished, too.
        callback: is told how it goes.
        another_end: epochs, steps or minutes, as in a recipe; from the run's first step on.

    Raises:
        UsageError: there is no such run, it is finished, or it cannot be extended so.
        ZooError: it has no checkpoint, is being written by another process, or fails again.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    plan = resolve(_with_another_end(run, extend, another_end), run.info.get("components", ()))
    callback = callback or Callback()
    with (
        interrupted_by_signals(),
        threads_restored(),
        joined(plan.asked.device) as distributed,
        run.lock() if distributed.is_main else nullcontext(),
    ):
        progress = callback.on_scan if distributed.is_main else None
        device = distributed.device(plan.asked.device)
        assembly = assemble(plan, resuming=True, device=device, progress=progress)
        init = run.info.get("init")
        assembly.init = init if isinstance(init, dict) else None
        loop = Loop(run, Trainer(assembly, distributed), _listeners(plan, distributed), callback)
        damaged = loop.checkpoints.restore()
        if distributed.is_main:
            remove_leftovers(run.path)
            run.write_recipe(plan.asked)
            run.drop_metrics_after(loop.trainer.steps)
            message = loop.record.message
            if run.info["photographs"]["fingerprint"] != assembly.fingerprint:
                message("the photographs are not those that it began with; going on with what is there now")
            for name in damaged:
                message(f"the checkpoint {name} is damaged; going on from the one before it")
        loop.train()
        return run


def dry_run(
    recipe: Recipe | Plan, *, init: ModelSource | Path | str | None = None, callback: Callback | None = None
) -> tuple[Assembly, dict[str, float]]:
    """Make all parts of a recipe and take one step on real data, to prove that everything fits together.

    Args:
        recipe: what would be trained.
        init: what to begin with, as in `train`.
        callback: is told how far the data set is with looking through its files (`on_scan`), and nothing else.

    Returns:
        The parts, and the losses of the step.
    """
    source = None if init is None else find_model(init)
    progress = callback.on_scan if callback else None
    with interrupted_by_signals():
        plan = with_auto_batch(resolve(recipe), Distributed(), progress)
        assembly = assemble(plan, restoring=source is not None, progress=progress)
        if source is not None:
            init_from(assembly, source)
        trainer = Trainer(assembly)
        with explained(assembly):
            with memory_for(
                f"for {assembly.recipe.batch} photographs at once", "use a smaller --batch, or a smaller --size"
            ):
                batch = next(make_feed(assembly, start=0, workers=0))
            losses = {name: float(loss) for name, loss in trainer.step(batch).items()}
            with memory_to_validate(assembly):
                validate(trainer.eval_generator, assembly, next(validation_images(assembly).split(1)))
    return assembly, losses


def _listeners(plan: Plan, distributed: Distributed) -> Listeners:
    return Listeners.of(plan) if distributed.is_main else Listeners({})


def _with_another_end(run: Run, extend: bool, another_end: dict[str, float | None]) -> Recipe:
    """Return the recipe to go on with, if there is anything left to do by it."""
    recipe = run.recipe
    if any(another_end.values()):
        recipe = recipe.changed(**another_end)
    elif extend:
        raise UsageError("--extend needs another end: --epochs, --steps or --minutes, from the run's first step on")
    if run.info["state"] == "finished":
        if not extend:
            hint = "--extend with --epochs, --steps or --minutes lengthens it"
            raise UsageError(f"the run {run.path} is finished; {hint}")
        steps, epochs, seconds = (run.info["progress"][name] for name in ("steps", "epochs", "seconds"))
        if recipe.progress_after(steps, epochs, seconds) >= 1:
            done = f"{steps} steps, {epochs:g} epochs and {seconds / 60:.1f} minutes"
            raise UsageError(f"the run {run.path} has {done} behind it; --extend needs an end beyond that")
    return recipe
