"""Runs that are killed at random moments, and resumed each time."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import everything
import pytest
from safetensors.torch import load_file
from tiny import same, tiny

from zoo import Recipe, Run, train
from zoo.training import resume

SMALL = {"steps": 104, "batch": 2, "val_every": 4, "val_images": 2}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*worker processes:UserWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize(
    ("recipe", "kills"),
    [
        pytest.param(tiny(**{**SMALL, "steps": 44}), 10, id="plain"),
        # Another process reads the stream, ahead of what is learned from.
        pytest.param(everything.everything(**SMALL, workers=1), 25, id="everything"),
    ],
)
def test_a_run_that_is_killed_at_random_moments_comes_to_the_same(recipe: Recipe, kills: int) -> None:
    """SIGKILL so many times, at moments spread over a run, resuming each time."""
    with everything.known():
        train(recipe.changed(steps=1), name="first")  # imports what the others need: otherwise imports would be killed
        whole = train(recipe, name="whole")
        newest = killed(recipe, kills)
        run = Run.open("runs/killed")
        assert run.info["state"] == "finished"
        for name in ("model.safetensors", "last.safetensors"):
            assert same(load_file(run.path / name), load_file(whole.path / name)), name
    assert len(newest) == kills
    assert len(set(newest)) >= 5  # all over the run
    assert [line.get("losses") for line in run.metrics] == [line.get("losses") for line in whole.metrics]
    assert {path.name for path in run.path.rglob(".*")} == {".lock"}
    assert not list(run.path.rglob("*.tmp"))
    assert all(path.read_bytes() == (whole.samples / path.name).read_bytes() for path in run.samples.iterdir())


def killed(recipe: Recipe, kills: int) -> list[int]:
    """Train `runs/killed` to its end, in processes that are killed; return the newest checkpoint's step at each kill.

    A process lives for a time of chance, and no longer than until it has written a checkpoint. Where that comes to
    little, times become longer: kills are spread over the run on slow machines and on fast ones.
    """
    assert recipe.steps
    lottery, newest, longest = random.Random(1), [0], 0.2
    while True:
        child = os.fork()
        if child == 0:
            os.setsid()
            attempt(recipe)
        if len(newest) <= kills:
            end = time.perf_counter() + lottery.uniform(0.02, longest)
            while time.perf_counter() < end and saved() == newest[-1]:
                time.sleep(0.005)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        with suppress(ProcessLookupError):
            # A loader whose parent died before it had looked who that is waits for it for ever.
            os.killpg(child, signal.SIGKILL)
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            return newest[1:]
        newest.append(saved())
        if newest[-1] / recipe.steps < len(newest) / kills:
            longest *= 1 + 5 / kills


def saved() -> int:
    """Return the step of the newest checkpoint; 0 where there is none."""
    found = Path("runs/killed/checkpoints").glob("step-*[0-9]")
    return max((int(path.name.removeprefix("step-")) for path in found), default=0)


def attempt(recipe: Recipe) -> None:
    """Go on with the run, or begin it where it has no checkpoint; end this process."""
    try:
        run = Path("runs/killed")
        if any((run / "checkpoints").glob("step-*[0-9]")):
            resume(Run.open(run))
        else:
            if run.exists():
                run.rename(f"given-up-{time.time_ns()}")
            train(recipe, name="killed")
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)
