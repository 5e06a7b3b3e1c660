from __future__ import annotations

import contextlib
import copy
import functools
import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from tiny import TINY, Notes, same, weights
from tiny import tiny as smaller
from torch import Tensor

import zoo.training.assembly
import zoo.training.loop
from zoo import Recipe, load_model, registry, train
from zoo.data.batch import Batch
from zoo.errors import UsageError
from zoo.photo import Photo
from zoo.run import Run, list_runs
from zoo.training import dry_run, resume
from zoo.training.assembly import assemble
from zoo.training.checkpoint import load_checkpoint
from zoo.training.trainer import Trainer


def tiny(**changes: Any) -> Recipe:
    """Two pictures a step, with batch norm and dropout."""
    generator, critic = "unet-shallow:base=4,dropout=true", "patch:base=4,layers=1"
    return smaller(**{"generator": generator, "critic": critic, "batch": 2, **changes})


def test_a_run_writes_its_folder() -> None:
    notes = Notes()
    run = train(tiny(steps=12), name="mine", callback=notes)
    assert run.path == Path("runs/mine")
    assert {path.name for path in run.path.iterdir() if path.name[0] != "."} == {
        "recipe.toml", "run.json", "metrics.jsonl", "samples", "checkpoints", "model.safetensors", "last.safetensors",
        "critic.safetensors",
    }  # fmt: skip
    assert run.info["state"] == "finished"
    assert run.info["progress"]["steps"] == 12
    assert run.info["progress"]["images"] == 24
    assert [path.name for path in sorted(run.samples.iterdir())] == [
        "step-00000005.png", "step-00000010.png", "step-00000012.png",
    ]  # fmt: skip
    assert [line["step"] for line in run.metrics] == [5, 10, 10, 12, 12]
    assert set(run.metrics[-1]["val"]) == {
        "chroma_error", "psnr", "colourfulness", "variety", "bins.effective", "bins.covered",
        "critic.real", "critic.fake", "critic.margin",
    }  # fmt: skip
    assert set(run.metrics[1]["losses"]) == {"critic", "l1", "adv"}
    assert notes.heard == [
        "started", "stepped", "validated at 5", "stepped", "validated at 10", "stepped", "validated at 12", "finished",
    ]  # fmt: skip
    assert [found.name for found in list_runs("runs")] == ["mine"]


@pytest.mark.parametrize("before", [0, 3, 9])
def test_the_first_step_is_shown_at_once(before: int) -> None:
    notes = Notes()
    if before:
        run = resume(train(tiny(steps=before), name="mine"), extend=True, steps=12, callback=notes)
    else:
        run = train(tiny(steps=12), name="mine", callback=notes)
    shown = [1, 10, 12] if before == 0 else [4, 10, 12] if before == 3 else [10, 12]
    assert list(notes.losses) == shown
    assert [line["step"] for line in run.metrics if "losses" in line] == ([before] if before else []) + [10, 12]


def test_the_recipe_in_the_folder_repeats_the_run() -> None:
    first = train(tiny())
    again = train(Recipe.load(first.path / "recipe.toml"))
    assert first.name == "unet-shallow-1"
    assert again.name == "unet-shallow-2"
    assert same(weights(first), weights(again))
    assert [line["losses"] for line in first.metrics if "losses" in line] == [
        line["losses"] for line in again.metrics if "losses" in line
    ]


def test_losses_are_as_they_were() -> None:
    """A change that is not meant to change the numbers must not; one that is meant to changes them here."""
    notes = Notes()
    train(tiny(steps=10, loss="l1+adv", data="scenes:side=48,length=20,val=4"), callback=notes)
    assert notes.losses[10] == pytest.approx(EXPECTED, rel=2e-3)


EXPECTED = {"critic": 0.69201, "l1": 12.1520, "adv": 0.69265}


def test_it_learns() -> None:
    run = train(tiny(steps=60, batch=4, lr=2e-3, critic="none", loss="l1", val_every=5))
    errors = [line["val"]["chroma_error"] for line in run.metrics if "val" in line]
    assert errors[-1] < 0.8 * errors[0]


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], Run]:
    """Runs that nothing stopped, each trained once."""
    folder = tmp_path_factory.mktemp("unstopped")

    @functools.cache
    def trained(recipe: Recipe) -> Run:
        with contextlib.chdir(folder):
            return Run(train(recipe).path.absolute())

    return trained


@pytest.mark.parametrize(
    "stop_at",
    [
        pytest.param(1, id="after the first step"),
        pytest.param(3, id="within the first epoch"),
        pytest.param(5, id="at the end of an epoch"),
        pytest.param(7, id="within the second epoch"),
        pytest.param(10, id="at a line of metrics"),
    ],
)
@pytest.mark.parametrize(
    ("number", "changes"),
    [
        pytest.param(signal.SIGINT, {}, id="SIGINT"),
        pytest.param(
            signal.SIGTERM,
            {"precision": "bf16", "ema_decay": 0, "critic": "patch:base=4,layers=1,norm=spectral"},
            id="SIGTERM, bf16, spectral norm",
        ),
        pytest.param(signal.SIGTERM, {"size": "16,24,32", "memory": "low"}, id="SIGTERM, growing crops, low memory"),
        pytest.param(signal.SIGINT, {"loss": "l1+adv:r1=5,r1_every=3", "workers": 1}, id="SIGINT, penalty, loader"),
    ],
)
def test_a_stopped_run_goes_on_exactly(
    stop_at: int,
    number: signal.Signals,
    changes: dict[str, Any],
    unstopped: Callable[[Recipe], Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = tiny(steps=12, **changes)
    whole = unstopped(recipe)
    step = Trainer.step

    def stopping(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        losses = step(self, batch, *more)
        if self.steps == stop_at:
            signal.raise_signal(number)
        return losses

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", stopping)
        patched.setattr(zoo.training.checkpointing, "RECENT", 0.0)
        stopped = train(recipe, name="stopped")
    assert stopped.info["state"] == "interrupted"
    assert stopped.info["progress"]["steps"] == stop_at
    torch.rand(1)  # whatever else happened in between
    resumed = resume(stopped)
    assert resumed.info["state"] == "finished"
    assert same(weights(resumed), weights(whole))
    assert resumed.metrics[-1]["val"] == whole.metrics[-1]["val"]
    assert (resumed.samples / "step-00000012.png").read_bytes() == (whole.samples / "step-00000012.png").read_bytes()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*worker processes:UserWarning")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_signal_is_heard_while_the_photographs_do_not_come(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = zoo.training.assembly.cached

    class Stuck:
        """Photographs on a disk that does not answer any more after a while."""

        def __init__(self, photos: Any) -> None:
            self.photos = photos

        def __len__(self) -> int:
            return len(self.photos)

        def __getitem__(self, index: int) -> Tensor:
            while stuck.is_set():
                time.sleep(0.01)
            return cast(Tensor, self.photos[index])

    stuck = multiprocessing.Event()
    monkeypatch.setattr(zoo.training.assembly, "cached", lambda photos: Stuck(cached(photos)))
    step = Trainer.step

    def stopping(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        if self.steps == 2:
            stuck.set()
            threading.Timer(0.5, signal.raise_signal, [signal.SIGTERM]).start()
        return step(self, batch, *more)

    monkeypatch.setattr(Trainer, "step", stopping)
    # However new the checkpoint before it is, there is one more.
    monkeypatch.setattr(zoo.training.checkpointing, "RECENT", 0.0)
    # How long torch waits for its stuck processes, before it kills them.
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.5)
    run = train(tiny(steps=2000, workers=workers), name="mine")
    assert run.info["state"] == "interrupted"
    assert run.info["progress"]["steps"] < 100
    assert load_checkpoint(run.checkpoints)[1]["steps"] == run.info["progress"]["steps"]


def test_losses_keep_their_order_when_a_run_is_resumed() -> None:
    recipe = tiny(steps=20, loss="smooth-l1+l1+adv", val_every=5)
    run = train(recipe.changed(steps=5), name="mine")
    resume(run, extend=True, steps=20)
    orders = [list(line["losses"]) for line in run.metrics if "losses" in line]
    assert orders == [["critic", "smooth-l1", "l1", "adv"]] * len(orders)


def test_validations_and_checkpoints_keep_to_their_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch is 5 steps, of one second each on this clock: a validation of 4 must not come before 36 more."""
    now, seconds = 0.0, 4.0
    step, validate = Trainer.step, zoo.training.loop.validate

    def timed_step(*arguments: Any) -> Any:
        nonlocal now
        now += 1
        return step(*arguments)

    def timed_validate(*arguments: Any) -> Any:
        nonlocal now
        now += seconds
        return validate(*arguments)

    monkeypatch.setattr(zoo.training.loop, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(Trainer, "step", timed_step)
    monkeypatch.setattr(zoo.training.loop, "validate", timed_validate)

    def validated(name: str) -> list[int]:
        run = train(tiny(steps=40, val_every=None), name=name)
        return [line["step"] for line in run.metrics if "val" in line]

    assert validated("slow") == [5, 40]
    seconds = 1.0
    assert validated("quick") == [5, 15, 25, 35, 40]
    monkeypatch.setattr(zoo.training.loop, "OVERHEAD", 1.0)
    assert validated("all") == list(range(5, 41, 5))


def test_metrics_stand_beside_those_of_grey() -> None:
    run = train(tiny(steps=10, val_every=5), name="mine")
    found = [line for line in run.metrics if "val" in line]
    # There is no critic yet when they are left grey.
    critic = {"critic.real", "critic.fake", "critic.margin"}
    assert all(line["grey"].keys() == line["val"].keys() - critic for line in found)
    assert found[0]["grey"] == found[1]["grey"] == run.info["grey"]
    assert found[0]["grey"]["colourfulness"] == pytest.approx(0, abs=1e-3)
    assert found[0]["grey"]["chroma_error"] > 1


def test_the_model_is_the_best_one_and_the_newest_lies_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([3.0, 1.0, 2.0, 4.0])
    monkeypatch.setattr("zoo_metrics.pixels.ChromaError.__call__", lambda *_: 9.0)
    validate = zoo.training.loop.validate

    def scored(*arguments: Any) -> Any:
        metrics, picture = validate(*arguments)
        return {**metrics, "chroma_error": next(scores)}, picture

    monkeypatch.setattr(zoo.training.loop, "validate", scored)
    run = train(tiny(steps=20, val_every=5), name="mine")
    assert load_model(run.path).provenance["steps"] == 10
    assert load_model(run.path / "last.safetensors").provenance["steps"] == 20


def test_a_run_that_dies_keeps_what_it_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer.step

    def failing(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        if self.steps == 3:
            raise RuntimeError("the GPU fell off the bus")
        return step(self, batch, *more)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", failing)
        with pytest.raises(RuntimeError, match="fell off the bus"):
            train(tiny(), name="mine")
    run = Run.open("runs/mine")
    assert run.info["state"] == "failed"
    assert run.info["reason"] == "RuntimeError: the GPU fell off the bus"
    assert run.info["progress"]["steps"] == 3
    assert run.model.is_file()
    assert same(weights(resume(run)), weights(train(tiny(), name="whole")))


def test_a_damaged_checkpoint_falls_back_to_the_one_before() -> None:
    recipe = tiny(steps=12)
    run = train(recipe, name="mine")
    run.write_info({**run.info, "state": "interrupted"})
    newest = sorted(run.checkpoints.iterdir())[-1]
    tensors = newest / "generator-optimizer.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-100])
    (run.checkpoints / "step-00000011.tmp").mkdir()
    notes = Notes()
    before = weights(run)
    resume(run, callback=notes)
    assert "the checkpoint step-00000012 is damaged; going on from the one before it" in notes.heard
    assert same(weights(run), before)
    assert [line["step"] for line in run.metrics] == [5, 10, 10, 12, 12]


def test_what_cannot_be_resumed() -> None:
    with pytest.raises(UsageError, match="runs/none is not the folder of a run"):
        resume("runs/none")
    run = train(tiny(), name="mine")
    with pytest.raises(UsageError, match="the run runs/mine is finished"):
        resume(run)
    with pytest.raises(UsageError, match="did you mean 'mine'"):
        resume("runs/mien")


def test_a_name_is_taken_only_once() -> None:
    train(tiny(), name="mine")
    with pytest.raises(UsageError, match="runs/mine exists already"):
        train(tiny(), name="mine")
    with pytest.raises(UsageError, match="cannot be a run's name"):
        train(tiny(), name="a/b")


def test_without_a_critic_there_are_image_losses_alone() -> None:
    run = train(tiny(critic="none", loss="l1+l2"))
    assert set(run.metrics[0]["losses"]) == {"l1", "l2"}


def test_a_rehearsal_takes_one_step_and_leaves_nothing() -> None:
    parts, losses = dry_run(tiny())
    assert set(losses) == {"critic", "l1", "adv"}
    assert parts.recipe.loss == "100*losses/l1+1*losses/adv:smooth=0.0,r1=0.0,r1_every=16"
    assert not Path("runs").exists()


def test_batch_norm_with_one_value_per_channel_is_explained() -> None:
    generator = "smp-unet:encoder=tu-test_resnet,weights=none"
    with pytest.raises(UsageError, match="batch norm cannot learn from one value per channel: --batch 1 at --size 32"):
        dry_run(tiny(generator=generator, batch=1))


def test_the_rate_rises_and_falls() -> None:
    assert [tiny(lr_decay=0.5).lr_factor(progress, 99) for progress in (0, 0.5, 0.75, 1)] == [1, 1, 0.5, 0]
    assert [tiny(lr_decay=0).lr_factor(progress, 99) for progress in (0, 0.5, 0.99)] == [1, 1, 1]
    cosine = [tiny(lr_decay=0.5, lr_schedule="cosine").lr_factor(progress, 99) for progress in (0.5, 0.625, 0.75, 1)]
    assert cosine == pytest.approx([1, 0.8536, 0.5, 0], abs=1e-4)
    assert [tiny(warmup=4).lr_factor(0, step) for step in (0, 1, 4, 5)] == [0.2, 0.4, 1, 1]


def test_a_schedule_says_who_learns() -> None:
    recipe = tiny(schedule="generator:1 critic:0.4 gan:1", steps=None)
    assert recipe.last_epoch == 2.4
    assert [recipe.stage_at(epoch) for epoch in (0, 0.9, 1, 1.3, 1.4, 9)] == [
        "generator", "generator", "critic", "critic", "gan", "gan",
    ]  # fmt: skip
    trainer = Trainer(assemble(recipe))
    photos = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    networks = {"generator": trainer.assembly.generator, "critic": trainer.assembly.critic}
    stages: list[Any] = ["generator", "critic", "gan"]
    for stage, learners in zip(stages, ({"generator"}, {"critic"}, {"generator", "critic"}), strict=True):
        before = {
            name: copy.deepcopy(dict(network.named_parameters())) for name, network in networks.items() if network
        }
        losses = trainer.step(Batch(photos), stage)
        assert set(losses) == {"generator": {"l1"}, "critic": {"critic"}, "gan": {"critic", "l1", "adv"}}[stage]
        changed = {
            name
            for name, network in networks.items()
            if network and any(not torch.equal(p, before[name][key]) for key, p in network.named_parameters())
        }
        assert changed == learners
    run = train(recipe, name="staged")
    assert run.info["progress"]["steps"] == 12
    assert run.info["state"] == "finished"


def test_minutes_end_a_run() -> None:
    run = train(tiny(steps=None, minutes=0.02))
    assert run.info["state"] == "finished"
    assert run.info["progress"]["seconds"] >= 1.2


def test_a_model_gives_the_same_pixels_after_loading() -> None:
    run = train(tiny(steps=6))
    photo = Photo(lightness=torch.rand(1, 45, 70, generator=torch.Generator().manual_seed(0)) * 100)
    model = load_model(run.path, "cpu")
    first = model.colorize(photo)
    assert first.shape == (3, 45, 70)
    assert torch.equal(first, load_model(run.model, "cpu").colorize(photo))
    assert model.provenance["images"] == 12
    assert model.provenance["fingerprint"] == registry.get().build("dataset", TINY["data"], split="train").fingerprint
    assert json.dumps(dict(model.provenance))


def test_crops_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer.step
    seen: list[int] = []

    def recorded(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        seen.append(batch.photos.shape[-1])
        return step(self, batch, *more)

    monkeypatch.setattr(Trainer, "step", recorded)
    run = train(tiny(size="16,24,32", steps=9))
    assert seen == [16] * 3 + [24] * 3 + [32] * 3
    assert (run.recipe.progressive_sizes, run.recipe.size) == ((16, 24), 32)
