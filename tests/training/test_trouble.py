"""What goes wrong in runs of days: numbers that are none, memory that runs out, disks that are full."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from tiny import Notes, same, tiny, weights
from torch import Tensor

import zoo.training.loop
from zoo import train
from zoo.data.batch import Batch
from zoo.errors import ZooError
from zoo.run import Run
from zoo.training import resume
from zoo.training.assembly import assemble
from zoo.training.checkpoint import load_checkpoint
from zoo.training.checkpointing import Checkpointing
from zoo.training.objective import Objective
from zoo.training.trainer import Trainer


def photos() -> Tensor:
    return torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


# ---------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("micro", [1, 2, 3])
def test_a_batch_in_parts_comes_to_the_same(micro: int) -> None:
    recipe = tiny(loss="l1+adv:r1=5,r1_every=2")
    whole, parts = Trainer(assemble(recipe)), Trainer(assemble(recipe))
    parts.micro_batch = micro
    for _ in range(3):
        expected, found = whole.step(Batch(photos())), parts.step(Batch(photos()))
        for name in expected:
            assert found[name].item() == pytest.approx(expected[name].item(), rel=1e-4)
    for network in ("generator", "critic"):
        ours, theirs = getattr(parts.assembly, network).state_dict(), getattr(whole.assembly, network).state_dict()
        assert all(torch.allclose(ours[name], theirs[name], atol=2e-4) for name in theirs)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("could not create a primitive"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_halves_the_parts(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Objective.image

    def greedy(self: Objective, fake: Any, real: Any, *step: Any, **resting: Any) -> dict[str, Tensor]:
        if len(fake.chroma) > 1:
            raise error
        return image(self, fake, real, *step, **resting)

    notes = Notes()
    with monkeypatch.context() as patched:
        patched.setattr(Objective, "image", greedy)
        run = train(tiny(), callback=notes)
    assert run.info["state"] == "finished"
    assert run.info["progress"]["images"] == 16
    assert notes.notes == ["out of memory: going on with micro-batches of 1"]
    whole = weights(train(tiny(), name="whole"))
    assert all(torch.allclose(value, whole[name], atol=2e-4) for name, value in weights(run).items())


def test_not_even_one_picture_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(self: Objective, fake: Any, real: Any, *step: Any, **resting: Any) -> dict[str, Tensor]:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Objective, "image", greedy)
    with pytest.raises(
        ZooError, match="not enough memory for a step with one image of 32×32 pixels: use a smaller --size"
    ):
        train(tiny())


NO_MEMORY = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried …")


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        (
            "validate",
            NO_MEMORY,
            "not enough memory to validate with up to 4 photographs of 32×32 pixels: use a smaller",
        ),
        ("validation_images", MemoryError(), "not enough memory to validate with up to 4 photographs of 32×32 pixels"),
        ("make_feed", MemoryError(), "not enough memory for 4 photographs at once: use a smaller --batch"),
    ],
)
def test_what_memory_ran_out_for_is_said(
    place: str, error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: Any, **__: Any) -> Any:
        raise error
        yield

    def too_much(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(f"zoo.training.loop.{place}", greedy if place == "make_feed" else too_much)
    with pytest.raises(ZooError) as caught:
        train(tiny(val_images=4), name="greedy")
    assert str(caught.value).startswith(message)
    assert Run("runs/greedy").info["reason"] == str(caught.value)


def test_a_generator_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: Any, **__: Any) -> Any:
        raise NO_MEMORY

    monkeypatch.setattr("torch.nn.Conv2d.__init__", too_much)
    with pytest.raises(ZooError, match=r"^not enough memory for the generator unet-shallow:base=4"):
        train(tiny())


# --------------------------------------------------------------------------------------------------- numbers


def spoil(monkeypatch: pytest.MonkeyPatch, when: Callable[[int], bool]) -> None:
    """Make the image losses of some calls NaN."""
    image, calls = Objective.image, iter(range(10**6))

    def bad(self: Objective, fake: Any, real: Any, *step: Any, **resting: Any) -> dict[str, Tensor]:
        factor = float("nan") if when(next(calls)) else 1.0
        return {name: loss * factor for name, loss in image(self, fake, real, *step, **resting).items()}

    monkeypatch.setattr(Objective, "image", bad)


def test_a_step_that_is_not_a_number_changes_nothing_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(assemble(tiny(ema_decay=0)))
    trainer.step(Batch(photos()))
    spoil(monkeypatch, lambda call: call == 0)
    before = {
        name: value.clone() for name, value in trainer.state()[0].items() if not name.startswith(("random", "skipped"))
    }
    trainer.step(Batch(photos()))
    assert int(trainer.skipped) == int(trainer.skipped_in_a_row) == 1
    after = trainer.state()[0]
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    trainer.step(Batch(photos()))
    assert (int(trainer.skipped), int(trainer.skipped_in_a_row)) == (1, 0)
    assert not torch.equal(before["generator/up.0.conv.weight"], trainer.state()[0]["generator/up.0.conv.weight"])


@pytest.mark.parametrize("network", ["generator", "critic"])
def test_one_forward_pass_that_is_not_a_number_spoils_no_statistics(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms = {"generator": "unet-shallow:base=4,dropout=false", "critic": "patch:base=4,layers=2"}
    trainer = Trainer(assemble(tiny(**norms)))
    trainer.step(Batch(photos()))
    before = {name: buffer.clone() for name, buffer in buffers(trainer).items()}
    inside = getattr(trainer.assembly, network)
    norm = next(module for module in inside.modules() if isinstance(module, torch.nn.BatchNorm2d))
    hook = norm.register_forward_pre_hook(lambda _, given: (given[0] * float("inf"),))
    trainer.step(Batch(photos()))
    hook.remove()
    assert int(trainer.skipped) == 1
    assert all(torch.equal(buffer, before[name]) for name, buffer in buffers(trainer).items())
    for _ in range(3):
        trainer.step(Batch(photos()))
    assert int(trainer.skipped) == 1
    assert all(value.isfinite().all() for net in trainer.networks.values() for value in net.state_dict().values())
    assert not torch.equal(next(iter(buffers(trainer).values())), next(iter(before.values())))


def buffers(trainer: Trainer) -> dict[str, Tensor]:
    nets = {"generator": trainer.assembly.generator, "critic": trainer.assembly.critic}
    return {f"{name}.{key}": value for name, net in nets.items() if net for key, value in net.named_buffers()}


def test_single_bad_steps_are_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, lambda call: call % 4 == 0)
    run = train(tiny(steps=20))
    assert run.info["state"] == "finished"
    assert run.info["skipped"] == 5
    assert all(value.isfinite().all() for value in weights(run).values())
    assert [line["skipped"] for line in run.metrics if "losses" in line] == [3, 5]
    assert all(abs(loss) < 1e6 for line in run.metrics if "losses" in line for loss in line["losses"].values())


def test_many_in_a_row_roll_back_with_half_the_learning_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    set_lr = Trainer.set_lr

    def noted(self: Trainer, factor: float, critic: float = 1.0) -> None:
        rates.append(factor)
        set_lr(self, factor, critic)

    monkeypatch.setattr(Trainer, "set_lr", noted)
    spoil(monkeypatch, lambda call: 10 <= call < 20)
    notes = Notes()
    run = train(tiny(steps=30, lr_decay=0, val_every=5), callback=notes)
    assert notes.notes == ["10 steps in a row were not numbers; rolled back to step 10, with half the learning rates"]
    assert run.info["state"] == "finished"
    assert rates == [1.0] * 20 + [0.5] * 20
    steps = [line["step"] for line in run.metrics if "losses" in line]
    assert steps == sorted(set(steps)) == [10, 20, 30]


def test_after_three_returns_the_run_fails_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, lambda call: call >= 5)
    notes = Notes()
    with pytest.raises(ZooError, match="even after rolling back 3 times"):
        train(tiny(steps=200, val_every=5), name="mine", callback=notes)
    run = Run.open("runs/mine")
    assert run.info["state"] == "failed"
    assert "10 steps in a row were not numbers" in run.info["reason"]
    assert len([text for text in notes.notes if "with half the learning rates" in text]) == 3
    assert all(value.isfinite().all() for value in weights(run).values())


# ---------------------------------------------------------------------------------------------------- deaths


def test_a_loader_that_is_killed_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    step, others = Trainer.step, psutil.Process().children()

    def killing(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        if self.steps == 3:
            for loader in set(psutil.Process().children()) - set(others):
                loader.kill()
        return step(self, batch, *more)

    recipe = tiny(steps=60, workers=1)
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", killing)
        with pytest.raises(
            ZooError, match=r"loads photographs was killed, as happens where memory runs out: write workers"
        ):
            train(recipe, name="mine")
    run = Run.open("runs/mine")
    assert run.info["state"] == "failed"
    assert same(weights(resume(run)), weights(train(recipe, name="whole")))


def test_who_saves_what_a_failed_run_learned_is_not_ended_by_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    step, save = Trainer.step, zoo.training.checkpoint.save_checkpoint
    handlers = []

    def failing(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        if self.steps == 3:
            raise RuntimeError("the other process died")
        return step(self, batch, *more)

    def asked_to_end(*arguments: Any) -> Path:
        handlers.append(signal.getsignal(signal.SIGTERM))
        return save(*arguments)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Trainer, "step", failing)
    monkeypatch.setattr(zoo.training.checkpoint, "save_checkpoint", asked_to_end)
    with pytest.raises(RuntimeError, match="died"):
        train(tiny(), name="mine")
    assert handlers[0] not in (before, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGTERM) == before


# ------------------------------------------------------------------------------------------------------ disk


def test_a_full_disk_does_not_end_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    full = [True]
    write_text, log = zoo.training.checkpoint.write_text, Run.log

    def no_space(path: Path, text: str) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_text(path, text)

    def sometimes(self: Run, line: Any) -> None:
        full[0] = line["step"] <= 12
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        log(self, line)

    monkeypatch.setattr(zoo.training.checkpoint, "write_text", no_space)
    monkeypatch.setattr(Run, "log", sometimes)
    notes = Notes()
    run = train(tiny(steps=20, val_every=4), callback=notes)
    assert run.info["state"] == "finished"
    assert sorted(notes.notes) == [
        f"{what} not written: the disk is full; training goes on" for what in ("checkpoint", "metrics")
    ]
    assert load_checkpoint(run.checkpoints)[1]["steps"] == 20


def test_a_folder_that_is_removed_is_made_anew() -> None:
    class Removing(Notes):
        def on_validation(self, step: int, metrics: dict[str, float], grey: dict[str, float], sample: Path) -> None:
            if step == 8:
                # The checkpoint of step 4 may still be under way.
                shutil.rmtree("runs/mine", ignore_errors=True)

    run = train(tiny(steps=20, val_every=4), name="mine", callback=Removing())
    assert run.info["state"] == "finished"
    assert run.recipe.steps == 20
    assert load_checkpoint(run.checkpoints)[1]["steps"] == 20
    assert (run.samples / "step-00000020.png").is_file()
    resume(run, extend=True, steps=22)


def test_a_line_of_metrics_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    run = Run(tmp_path)
    run.log({"step": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "metrics.jsonl").stat().st_size + 5, limits[1]))
    try:
        with pytest.raises(OSError, match=r"No space left|too large"):
            run.log({"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    run.log({"step": 3})
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [
        {"step": 1}, {"step": 3},
    ]  # fmt: skip


def test_what_cannot_be_saved_in_the_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(zoo.training.checkpoint, "write_text", no_space)
    with pytest.raises(ZooError, match="the disk is full"):
        train(tiny(), name="mine")
    assert Run.open("runs/mine").info["state"] == "failed"


def test_on_sigterm_a_checkpoint_that_is_being_written_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    save, finish = zoo.training.checkpoint.save_checkpoint, Checkpointing._has_just_saved

    def slow(*arguments: Any) -> Path:
        os.kill(os.getpid(), signal.SIGTERM)
        asked.wait(10)
        return save(*arguments)

    def noted(self: Any, in_haste: bool) -> bool:
        asked.set()
        return finish(self, in_haste)

    recipe = tiny(steps=20, val_every=4)
    with monkeypatch.context() as patched:
        patched.setattr(zoo.training.checkpoint, "save_checkpoint", slow)
        patched.setattr(Checkpointing, "_has_just_saved", noted)
        run = train(recipe, name="mine")
    assert run.info["state"] == "interrupted"
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000004"]
    resume(run)
    whole = train(recipe, name="whole")
    assert same(weights(run), weights(whole))
    assert [line.get("losses") for line in run.metrics] == [line.get("losses") for line in whole.metrics]


def test_who_interrupts_a_validation_waits_for_no_other_step_and_no_second_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    validate, save = zoo.training.loop.validate, zoo.training.checkpoint.save_checkpoint
    written = []

    def interrupted(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return validate(*arguments)

    def counted(folder: Path, step: int, *arguments: Any) -> Path:
        written.append(step)
        return save(folder, step, *arguments)

    recipe = tiny(steps=20, val_every=4)
    with monkeypatch.context() as patched:
        patched.setattr(zoo.training.loop, "validate", interrupted)
        patched.setattr(zoo.training.checkpoint, "save_checkpoint", counted)
        run = train(recipe, name="mine")
    assert run.info["state"] == "interrupted"
    assert written == [4]
    resume(run)
    whole = train(recipe, name="whole")
    assert same(weights(run), weights(whole))
    assert [line.get("val") for line in run.metrics] == [line.get("val") for line in whole.metrics]


# ------------------------------------------------------------------------------------------------- processes


def test_two_processes_never_write_one_run() -> None:
    run = train(tiny(), name="mine")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from zoo.run import Run; r = Run('runs/mine')\nwith r.lock(): print(1, flush=1); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        assert holder.stdout.readline()
        with pytest.raises(ZooError, match=r"the run .*mine is in use by process \d+ on "):
            resume(Run.open("runs/mine"), extend=True, steps=9)
    finally:
        holder.communicate(b"\n")
    resume(run, extend=True, steps=9)


def test_a_run_whose_process_is_gone_is_lost() -> None:
    run = train(tiny(), name="mine")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run.write_info({**run.info, "state": "running", "pid": child.pid})
    assert run.state == "running"
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet taken notice of
    assert run.state == "lost"
    child.communicate()
    assert run.state == "lost"
    run.write_info({**run.info, "state": "running", "pid": os.getpid()})
    assert run.state == "running"
