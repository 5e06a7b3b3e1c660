"""Collapse: what validations watch, when that is an alarm, and what a run does about it."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Notes, same, tiny, weights
from torch import Tensor, nn

import zoo.training.checkpoint
import zoo.training.checkpointing
import zoo.training.loop
from zoo import Alarm, Recipe, hookimpl, load_model, train
from zoo.data.batch import Batch
from zoo.errors import ZooError
from zoo.registry.plugins import make_hooks
from zoo.registry.registering import Registration
from zoo.run import Run
from zoo.training import resume
from zoo.training.assembly import assemble
from zoo.training.checkpoint import load_checkpoint
from zoo.training.health import Health, ranges_of
from zoo.training.listeners import Listeners
from zoo.training.trainer import Trainer
from zoo.training.validation import originals_baseline, validate, validation_images

SMALL: dict[str, Any] = {"steps": 30, "val_every": 5, "lr": 5e-3}
DOOMED: dict[str, Any] = {**SMALL, "loss": "adv", "lr_critic": 0.5}
"""A critic that learns a hundred times as fast, and nothing else to learn from."""


def raised(run: Run) -> list[tuple[int, str]]:
    """The alarms in metrics.jsonl: where they stand, and of which number."""
    return [(line["step"], line["alarm"]["name"]) for line in run.metrics if "alarm" in line]


class Alarmed(Notes):
    """Writes down alarms, too."""

    def __init__(self) -> None:
        super().__init__()
        self.alarms: list[Alarm] = []

    def on_alarm(self, alarm: Alarm) -> None:
        self.heard.append(f"alarm at {alarm.step}")
        self.alarms.append(alarm)


class Listener:
    """Hears of alarms as a plugin does."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, str, Alarm | None]] = []

    @hookimpl
    def zoo_alarm(self, step: int, message: str, alarm: Alarm | None) -> None:
        self.heard.append((step, message, alarm))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Runs that nothing disturbed, each trained once."""
    folder = tmp_path_factory.mktemp("undisturbed")

    @functools.cache
    def trained(recipe: Recipe) -> Run:
        with contextlib.chdir(folder):
            return Run(train(recipe).path.absolute())

    return trained


# ------------------------------------------------------------------------------------------------- alarms


def test_a_run_made_to_collapse_sets_off_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    listener, notes = Listener(), Alarmed()
    monkeypatch.setattr(Listeners, "of", lambda _: Listeners({"mine": make_hooks(listener)}))
    run = train(tiny(**DOOMED), callback=notes)
    assert run.info["state"] == "finished"  # it was only to warn
    assert raised(run) == [(alarm.step, alarm.name) for alarm in notes.alarms]
    assert "critic.margin" in {alarm.name for alarm in notes.alarms}
    first = notes.alarms[0]
    assert notes.heard.index(f"alarm at {first.step}") == notes.heard.index(f"validated at {first.step}") + 1
    assert listener.heard == [(alarm.step, str(alarm), alarm) for alarm in notes.alarms]
    line = next(line for line in run.metrics if "alarm" in line)
    value = next(line["val"][first.name] for line in run.metrics if "val" in line and line["step"] == first.step)
    assert line == {
        "step": first.step,
        "alarm": {
            "name": first.name, "step": first.step, "value": value, "low": first.low, "high": first.high,
            "validations": 2, "text": str(first),
        },
    }  # fmt: skip


def test_a_healthy_one_does_not(runs: Callable[..., Run]) -> None:
    run = runs(tiny(**SMALL))
    assert run.info["progress"]["steps"] == DOOMED["steps"]
    assert raised(run) == []


def test_a_run_without_a_critic_says_nothing_of_one(runs: Callable[..., Run]) -> None:
    run = runs(tiny(**{**SMALL, "critic": "none", "loss": "l1"}))
    assert not any(name.startswith("critic") for name in run.metrics[-1]["val"])
    assert raised(run) == []


def test_a_number_must_be_outside_of_its_range_twice() -> None:
    health = Health()
    health.ranges = {"a": (1.0, 2.0), "b": (-math.inf, 0.0)}

    def judged(progress: float, step: int = 1000, **numbers: float) -> list[str]:
        return [str(alarm) for alarm in health.judge(numbers, step, progress)]

    assert judged(0.0, a=0.5, b=0) == []
    assert not health.is_good
    assert judged(0.1, a=0.5, b=0) == []  # it always was below its range, and the run is young
    assert judged(0.9, step=199, a=0.5, b=0) == []
    assert judged(0.2, a=1.5, b=3) == []
    assert judged(0.2, a=2.5, b=-3) == []
    assert judged(0.2, a=0.5, b=-3) == ["a is 0.5, below 1, at 2 validations in a row"]
    assert judged(0.2, b=-3) == []  # not measured is no news
    assert judged(0.2, a=2.5, b=-3) == ["a is 2.5, above 2, at 3 validations in a row"]
    assert judged(0.2, a=math.nan, b=1) == ["a is nan, not a number, at 4 validations in a row"]
    assert judged(0.2, a=1, b=1) == ["b is 1, above 0, at 2 validations in a row"]
    assert judged(0.2, a=1, b=-1) == []
    assert health.is_good
    early = Health()
    early.ranges = {"a": (1.0, 2.0)}
    assert [len(early.judge({"a": 3.0}, step, 0.0)) for step in (1, 2)] == [0, 1]  # what is grey is not above anything
    late = Health()
    late.ranges = {"a": (1.0, 2.0)}
    assert [len(late.judge({"a": 0.0}, step, 0.3)) for step in (200, 250)] == [0, 1]
    again = Health()
    again.ranges = {"a": (1.0, 2.0)}
    again.restore(late.state())
    assert again.judge({"a": 0.0}, 300, 0.4)[0].validations == 3


def test_ranges_are_shares_of_what_the_originals_have() -> None:
    assembly = assemble(tiny(metrics="psnr,bins,variety", loss="l1+adv-lsgan"))
    originals = originals_baseline(assembly, validation_images(assembly))
    assert list(originals) == ["bins.effective", "bins.covered", "variety"]
    ranges = ranges_of(assembly, originals)
    own = originals["bins.effective"]
    assert ranges["bins.effective"] == pytest.approx((0.04 * own, 1.5 * own))
    assert ranges["critic.margin"] == (-1, 3)
    assert set(ranges) == {"bins.effective", "variety", "critic.real", "critic.fake", "critic.margin"}
    assert "bins.effective" not in ranges_of(assembly, {"bins.effective": math.nan})


def test_a_range_must_hold_the_originals() -> None:
    with pytest.raises(ValueError, match=r"metric 'mine': healthy from 2 to 3 leaves out 1, which stands for the orig"):
        Registration("p", "d", "1").metric("mine", "a:b", summary="…", healthy={"part": (2, 3)})


# ------------------------------------------------------------------------------------------------- the critic


class Scales(nn.Module):
    """A critic of two scales, whose logits are known: originals are bright."""

    def forward(self, lightness: Tensor, chroma: Tensor) -> list[Tensor]:
        colour = chroma.abs().amax(dim=(1, 2, 3))
        return [colour.view(-1, 1, 1, 1).expand(-1, 1, 2, 2), torch.full((len(colour), 3), 4.0)]


def test_the_critic_is_measured_at_all_its_scales() -> None:
    assembly = assemble(tiny(loss="l1+adv-lsgan", critic="patch:base=4,layers=1"))
    for weight in assembly.generator.parameters():
        nn.init.zeros_(weight)  # grey
    images = validation_images(assembly)
    measured, _ = validate(assembly.generator, assembly, images, None, Scales())
    assert measured["critic.real"] == pytest.approx((1 + 1) / 2, abs=0.5)
    assert measured["critic.fake"] == pytest.approx((1 + 0) / 2)
    colours = measured["critic.margin"] * 2
    assert 0.2 < colours < 1.2
    silent = copy.deepcopy(assembly)
    silent.objective._adversarial[0].loss.__dict__["undecided"] = 4.0
    assert validate(assembly.generator, silent, images, None, Scales())[0]["critic.real"] == 0


@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_how_often_it_validates_changes_nothing_that_is_learned(norm: str) -> None:
    recipe = tiny(generator="unet-shallow:base=4,dropout=true", critic=f"patch:base=4,layers=1,norm={norm}", steps=6)
    states = []
    for every in (1, 100):
        run = train(recipe.changed(val_every=every))
        states.append(load_checkpoint(run.checkpoints)[0])
    assert states[0].keys() == states[1].keys()
    assert same(*states)


# ------------------------------------------------------------------------------------------------- what becomes of it


def scripted(monkeypatch: pytest.MonkeyPatch, values: Callable[[int, Trainer], float], trainers: list[Trainer]) -> None:
    """Have validations measure this colourfulness; of originals it is 1, so that its range is 0.15 to 2."""
    measure, step = zoo.training.loop.validate, Trainer.step

    def validated(*arguments: Any) -> Any:
        metrics, picture = measure(*arguments)
        trainer = trainers[-1]
        metrics = {name: value for name, value in metrics.items() if name in ("chroma_error", "psnr")}
        return {**metrics, "colourfulness": values(trainer.steps, trainer)}, picture

    def stepped(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        trainers.append(self)
        return step(self, batch, *more)

    monkeypatch.setattr(zoo.training.loop, "validate", validated)
    monkeypatch.setattr(Trainer, "step", stepped)


def saved_lr(state: dict[str, Any], network: str) -> float:
    """Return the learning rate in a checkpoint, whose dicts are written as pairs."""
    groups = dict(state["optimizers"][network]["dict"])["param_groups"]["list"]
    return float(dict(groups[0]["dict"])["lr"])


def critic_lr(trainer: Trainer) -> float:
    return float(trainer.optimizers["critic"].made.param_groups[0]["lr"])


def test_stop_saves_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    trainers: list[Trainer] = []
    scripted(monkeypatch, lambda step, _: 0.01 if step >= 6 else 1.0, trainers)
    recipe = tiny(steps=20, val_every=2, on_collapse="stop")
    why = "the run seems to collapse: colourfulness is 0.01, below 0.15, at 2 validations in a row; stopped, as on_coll"
    with pytest.raises(ZooError, match=why) as caught:
        train(recipe, name="mine")
    assert caught.value.exit_code == 1
    run = Run.open("runs/mine")
    assert (run.info["state"], run.info["progress"]["steps"]) == ("failed", 8)
    assert run.info["reason"] == str(caught.value)
    assert load_checkpoint(run.checkpoints)[1]["steps"] == 8
    assert load_model(run.path).provenance["steps"] == 4
    assert load_model(run.path / "last.safetensors").provenance["steps"] == 8
    assert raised(run) == [(8, "colourfulness")]
    # Whoever goes on with it as it is stops again at the next validation.
    with pytest.raises(ZooError, match="at 3 validations in a row"):
        resume(run)
    assert raised(run) == [(8, "colourfulness"), (10, "colourfulness")]


def rolled_back(monkeypatch: pytest.MonkeyPatch, name: str, stop_at: int = 0) -> Run:
    """Train a run that looks bad from step 10 on until its critic is slower, which at step 14 it is again."""
    trainers: list[Trainer] = []
    full = tiny().lr

    def colourfulness(step: int, trainer: Trainer) -> float:
        halvings = round(math.log2(full / critic_lr(trainer)))
        return 0.01 if (halvings == 0 and step >= 10) or (halvings == 1 and step >= 14) else 1.0

    recipe = tiny(
        generator="unet-shallow:base=4,dropout=true", steps=24, val_every=2, lr_decay=0, on_collapse="rollback"
    )
    with monkeypatch.context() as patched:
        scripted(patched, colourfulness, trainers)
        patched.setattr(zoo.training.checkpointing, "RECENT", 0.0)
        taken = Trainer.step
        count = 0

        def stopping(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
            nonlocal count
            losses = taken(self, batch, *more)
            count += 1
            if count == stop_at:
                signal.raise_signal(signal.SIGTERM)
            return losses

        patched.setattr(Trainer, "step", stopping)
        run = train(recipe, name=name)
        if stop_at:
            assert run.info["state"] == "interrupted"
            torch.rand(1)
            resume(run)
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """That run, never stopped."""
    with pytest.MonkeyPatch.context() as monkeypatch, contextlib.chdir(tmp_path_factory.mktemp("whole")):
        return Run(rolled_back(monkeypatch, "whole").path.absolute())


def test_rollback_returns_to_the_last_healthy_checkpoint_with_a_slower_critic(whole: Run) -> None:
    run = whole
    assert run.info["state"] == "finished"
    assert run.info["progress"]["steps"] == 24
    # Alarms at 12 and, with half the rate, at 16: back to 8 and to 12.
    assert [(step, line["alarm"]["step"]) for line in run.metrics if "alarm" in line for step in [line["step"]]] == [
        (8, 12), (12, 16),
    ]  # fmt: skip
    assert [line["step"] for line in run.metrics if "val" in line] == [*range(2, 25, 2)]
    state = load_checkpoint(run.checkpoints)[1]
    assert state["collapses"] == 2
    assert saved_lr(state, "critic") == pytest.approx(tiny().lr / 4)
    assert saved_lr(state, "generator") == pytest.approx(tiny().lr)


@pytest.mark.parametrize(
    "stop_at",
    [
        pytest.param(11, id="one bad validation before"),
        pytest.param(13, id="after the first way back"),
        pytest.param(19, id="after the second"),
    ],
)
def test_a_run_that_rolled_back_goes_on_exactly(stop_at: int, whole: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = rolled_back(monkeypatch, "stopped", stop_at)
    ours, theirs = (load_checkpoint(run.checkpoints) for run in (stopped, whole))
    assert same(ours[0], theirs[0])
    assert ours[1]["health"] == theirs[1]["health"]
    assert raised(stopped) == raised(whole)
    assert same(weights(stopped), weights(whole))


def test_a_run_that_collapses_goes_on_exactly(runs: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = runs(tiny(**DOOMED))
    first = raised(whole)[0][0]
    step = Trainer.step

    def stopping(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        losses = step(self, batch, *more)
        if self.steps == first - 2:  # one of two bad validations is behind it
            signal.raise_signal(signal.SIGINT)
        return losses

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", stopping)
        stopped = train(tiny(**DOOMED), name="stopped")
    resumed = resume(stopped)
    assert raised(resumed) == raised(whole)
    assert same(weights(resumed), weights(whole))


def test_there_is_an_end_to_rolling_back(monkeypatch: pytest.MonkeyPatch) -> None:
    trainers: list[Trainer] = []
    notes = Alarmed()
    scripted(monkeypatch, lambda step, _: 0.01 if step >= 4 else 1.0, trainers)
    with pytest.raises(
        ZooError, match="even after rolling back 3 times, each with half the critic's learning rate: use"
    ):
        train(tiny(steps=20, val_every=2, on_collapse="rollback", lr_decay=0), name="mine", callback=notes)
    assert notes.notes == ["rolled back to step 2, with half the critic's learning rate"] * 3
    assert critic_lr(trainers[-1]) == pytest.approx(tiny().lr / 8)
    assert Run.open("runs/mine").info["state"] == "failed"


def test_where_nothing_was_healthy_the_critic_alone_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.training.health.WARM_UP_STEPS", 0)
    trainers: list[Trainer] = []
    notes = Alarmed()
    scripted(monkeypatch, lambda step, trainer: 1.0 if step > 12 else 0.01, trainers)
    run = train(tiny(steps=20, val_every=2, on_collapse="rollback", lr_decay=0), callback=notes)
    assert notes.notes == ["there is no healthy checkpoint yet, going on with half the critic's learning rate"] * 2
    assert [alarm.step for alarm in notes.alarms] == [8, 12]
    assert critic_lr(trainers[-1]) == pytest.approx(tiny().lr / 4)
    assert run.info["state"] == "finished"


def test_a_slow_disk_does_not_make_a_worse_model_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    measure, save = zoo.training.loop.validate, zoo.training.checkpointing.save_model
    errors = iter([1.0, 2.0, 3.0])

    def validated(*arguments: Any) -> Any:
        return {"chroma_error": next(errors)}, measure(*arguments)[1]

    def slowly(*arguments: Any) -> None:
        time.sleep(0.5)
        save(*arguments)

    monkeypatch.setattr(zoo.training.loop, "validate", validated)
    monkeypatch.setattr(zoo.training.checkpointing, "save_model", slowly)
    run = train(tiny(steps=6, val_every=2))
    assert load_model(run.path).provenance["steps"] == 2


class Died(BaseException):
    """The process was killed here, as far as its files go."""


def test_a_run_that_dies_between_checkpoint_and_model_goes_on_to_the_same_one(monkeypatch: pytest.MonkeyPatch) -> None:
    measure, save = zoo.training.loop.validate, zoo.training.checkpoint.save_checkpoint
    errors = {2: 2.0, 4: 1.0, 6: 3.0}
    trainers: list[Trainer] = []
    scripted(monkeypatch, lambda *_: 1.0, trainers)

    def validated(*arguments: Any) -> Any:
        return {"chroma_error": errors[trainers[-1].steps]}, measure(*arguments)[1]

    def dies(*arguments: Any) -> Path:
        path = save(*arguments)
        if path.name.endswith("4"):
            raise Died
        return path

    monkeypatch.setattr(zoo.training.loop, "validate", validated)
    with monkeypatch.context() as patched:
        patched.setattr(zoo.training.checkpoint, "save_checkpoint", dies)
        patched.setattr(zoo.training.checkpointing.Checkpointing, "save_what_can_be", lambda _: None)
        with pytest.raises(Died):
            train(tiny(steps=6, val_every=2), name="mine")
    run = resume(Run.open("runs/mine"))
    assert load_model(run.path).provenance["steps"] == 4


def test_the_best_model_is_the_best_of_the_healthy_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {2: (5.0, 0.01), 4: (9.0, 1.0), 6: (1.0, 0.01), 8: (8.0, 1.0), 10: (8.5, 1.0), 12: (2.0, 9.0)}
    measure = zoo.training.loop.validate
    seen: list[int] = []

    def validated(*arguments: Any) -> Any:
        picture = measure(*arguments)[1]
        seen.append(2 * len(seen) + 2)
        error, colourfulness = numbers[seen[-1]]
        return {"chroma_error": error, "colourfulness": colourfulness}, picture

    monkeypatch.setattr(zoo.training.loop, "validate", validated)
    run = train(tiny(steps=2, val_every=2), name="mine")
    assert load_model(run.path).provenance["steps"] == 2  # there is no other
    for end, best in ((4, 4), (6, 4), (8, 8), (10, 8), (12, 8)):
        resume(run, extend=True, steps=end)
        assert load_model(run.path).provenance["steps"] == best
    kept = sorted(path.name for path in run.checkpoints.iterdir())
    assert kept == ["step-00000008", "step-00000010", "step-00000012"]
