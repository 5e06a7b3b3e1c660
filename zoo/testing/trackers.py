"""Checks of trackers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from zoo.events import Alarm, RunInfo, Status
from zoo.photo import save_photo
from zoo.registry import find_recipe
from zoo.registry.hookspecs import OFFERS
from zoo.registry.plugins import make_hooks
from zoo.testing.subject import Subject, expect, pictures


def tracker_made(subject: Subject) -> str:
    """The factory makes an object whose methods implement events."""
    hooks = make_hooks(subject.made)
    events = [name for name, caller in vars(hooks).items() if name not in OFFERS and caller.get_hookimpls()]
    expect(events, f"{type(subject.made).__name__} implements no event of a run")
    return f"hears {', '.join(events)}"


def whole_run(subject: Subject) -> str:
    """It follows a run, and the same run resumed, without an error."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunInfo("check", Path(folder), find_recipe().to_table())
        _follow(make_hooks(subject.made), run, 0)
        _follow(make_hooks(subject.make()), run, 20)
        files = [str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()]
    return f"follows a run and its resumption; {len(files)} files in the run's folder"


def _follow(hooks: Any, run: RunInfo, step: int) -> None:
    hooks.zoo_run_started(run=run, step=step)
    for now in (step + 10, step + 20):
        status = Status(
            step=now, images=4 * now, epoch=now / 10, seconds=float(now), progress=now / 40,
            losses={"critic": 0.7, "l1": 10.0}, images_per_second=3.0, memory=2**30, skipped=0,
        )  # fmt: skip
        hooks.zoo_step(run=run, step=now, status=status)
    hooks.zoo_metrics(run=run, step=now, metrics={"chroma_error": 12.0}, grey={"chroma_error": 17.0})
    picture = run.path / "samples" / f"step-{now:08d}.png"
    picture.parent.mkdir(exist_ok=True)
    save_photo(picture, (pictures(batch=1).rgb[0] * 255).byte())
    hooks.zoo_samples(run=run, step=now, picture=picture)
    checkpoint = run.path / "checkpoints" / f"step-{now:08d}"
    checkpoint.mkdir(parents=True)
    hooks.zoo_checkpoint_saved(run=run, step=now, checkpoint=checkpoint)
    hooks.zoo_alarm(run=run, step=now, message="out of memory", alarm=None)
    alarm = Alarm(step=now, name="spread", value=0.01, low=0.1, high=2.0, validations=2)
    hooks.zoo_alarm(run=run, step=now, message=str(alarm), alarm=alarm)
    hooks.zoo_run_ended(run=run, step=now, state="finished")
