"""How many threads a run computes with on a CPU."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import Notes, same, weights
from tiny import tiny as smaller
from torch import Tensor

import zoo.training.threads
from zoo import Recipe, train
from zoo.data.batch import Batch
from zoo.training import Callback, resume
from zoo.training.assembly import assemble
from zoo.training.checkpoint import load_checkpoint
from zoo.training.distributed import Distributed
from zoo.training.threads import settle_threads
from zoo.training.trainer import Trainer

STEP = Trainer.step


def tiny(**changes: Any) -> Recipe:
    """With batch norm and dropout, which steps leave traces in."""
    generator, critic = "unet-shallow:base=4,dropout=true", "patch:base=4,layers=1,norm=spectral"
    return smaller(**{"generator": generator, "critic": critic, "loss": "l1+adv:r1=1,r1_every=3", **changes})


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def slow(monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> list[int]:
    """Let steps take so long with each number of threads, none of them with more than one; list those taken."""
    taken: list[int] = []
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)

    def step(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        taken.append(torch.get_num_threads())
        clock.now += seconds[taken[-1]]
        return STEP(self, batch, *more) if taken[-1] == 1 else {}

    monkeypatch.setattr(Trainer, "step", step)
    monkeypatch.setattr(zoo.training.threads, "time", clock)
    return taken


def busy(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return slow(monkeypatch, {2: 1.0, 1: 0.1})


def settled(recipe: Recipe, distributed: Distributed | None = None) -> int:
    settle_threads(Trainer(assemble(recipe), distributed), Callback())
    return torch.get_num_threads()


def test_one_thread_is_taken_where_two_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch)
    notes = Notes()
    run = train(tiny(), callback=notes)
    assert run.info["device"] == "cpu (1 thread)"
    assert [note for note in notes.notes if "training with 1 of 2 threads" in note]
    assert torch.get_num_threads() == 2, "whatever a run takes, the process has what it had"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param({8: 0.06, 4: 0.02, 2: 0.01, 1: 1.0}, 2, id="two much faster"),
        pytest.param({8: 0.06, 4: 0.055, 2: 0.05, 1: 1.0}, 8, id="two hardly faster"),
        pytest.param({8: 0.06, 4: 0.2}, 8, id="half slower: a quarter is not tried"),
    ],
)
def test_all_are_taken_unless_fewer_are_much_faster(
    seconds: dict[int, float], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(8)
    slow(monkeypatch, seconds)
    assert settled(tiny()) == expected


def test_what_is_timed_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = busy(monkeypatch)
    timed = train(tiny(), name="timed")
    assert taken == [2, 2, *[1] * 5, *[1] * 4]
    taken.clear()
    asked = train(tiny(threads=1), name="asked")
    assert taken == [1, 1, 1, 1]
    assert same(weights(timed), weights(asked))
    assert [line["losses"] for line in timed.metrics[:1]] == [line["losses"] for line in asked.metrics[:1]]


def test_a_run_goes_on_with_the_number_that_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = busy(monkeypatch)
    whole = train(tiny(), name="whole")
    step = Trainer.step

    def stopping(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        losses = step(self, batch, *more)
        if self.steps == 2 and signal.getsignal(signal.SIGINT) != signal.default_int_handler:
            signal.raise_signal(signal.SIGINT)
        return losses

    monkeypatch.setattr(Trainer, "step", stopping)
    stopped = train(tiny(), name="stopped")
    assert stopped.info["state"] == "interrupted"
    assert load_checkpoint(stopped.checkpoints)[1]["threads"] == 1
    monkeypatch.setattr(Trainer, "step", step)
    taken.clear()
    resumed = resume(stopped)
    assert taken == [1, 1], "nothing is timed again"
    assert same(weights(resumed), weights(whole))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_recipe_decides_up_to_what_there_is(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = busy(monkeypatch)
    assert settled(tiny(threads=threads)) == min(threads, 2)
    assert not taken


def test_a_recipe_that_is_changed_decides_when_a_run_is_resumed() -> None:
    trainer = Trainer(assemble(tiny(threads=1)))
    tensors, state = trainer.state()
    trainer.restore(tensors, state | {"threads": 2})
    assert torch.get_num_threads() == 1


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = busy(monkeypatch)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert settled(tiny()) == 2
    assert not taken


def test_each_of_several_processes_keeps_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = busy(monkeypatch)
    trainer = Trainer(assemble(tiny()))
    trainer.distributed = Distributed(rank=0, world_size=2)
    settle_threads(trainer, Callback())
    tensors, state = trainer.state()
    assert state["threads"] is None
    trainer.restore(tensors, state | {"threads": 1})
    assert torch.get_num_threads() == 2
    assert not taken


def test_a_step_that_takes_long_is_taken_once_with_each_number(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(8)
    taken = slow(monkeypatch, {8: 20.0, 4: 11.0, 2: 14.0})
    assert settled(tiny()) == 4
    assert taken == [8, 4, 2]


def test_what_fails_is_for_the_run_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Trainer, batch: Batch, *more: Any) -> dict[str, Tensor]:
        raise RuntimeError("broken")

    monkeypatch.setattr(Trainer, "step", broken)
    with pytest.raises(RuntimeError, match="broken"):
        train(tiny(), name="mine")
