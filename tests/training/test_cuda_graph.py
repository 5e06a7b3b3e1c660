"""Steps out of a CUDA graph; without a GPU, out of one that is played on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from knowing import knowing_losses
from tiny import Notes, same, tiny, weights
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import zoo.training.backward
import zoo.training.cuda_graph
import zoo.training.trainer
from zoo import Run, train
from zoo.data.batch import Batch
from zoo.training import resume
from zoo.training.assembly import assemble
from zoo.training.objective import Objective
from zoo.training.trainer import Trainer

# A rate that float32 holds exactly, as it rises, so that bits can be compared.
CHANGES: dict[str, Any] = {"compile": "max", "lr": 2**-10, "warmup": 7, "lr_decay": 0, "steps": 16}

PATCH = "patch:base=4,layers=1,norm=none"


class Tape(TorchDispatchMode):
    """What a CUDA graph is, on a CPU: operations with the numbers and the memory that they had when they were recorded.

    Recording has no effect: what it overwrote is put back. What waits for the device is refused.
    """

    recorded = 0

    def __init__(self, work: Callable[[], dict[str, Tensor]], _device: torch.device) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.overwritten: list[tuple[Tensor, Tensor]] = []
        random = torch.get_rng_state()
        try:
            with self:
                self.losses = work()
        finally:
            torch.set_rng_state(random)
            with torch.no_grad():
                for tensor, before in reversed(self.overwritten):
                    tensor.copy_(before)
        Tape.recorded += 1

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        given = {argument.name: value for argument, value in zip(func._schema.arguments, args, strict=False)} | kwargs
        for argument in func._schema.arguments:
            if argument.alias_info is not None and argument.alias_info.is_write:
                leaves = [leaf for leaf in tree_leaves(given.get(argument.name)) if isinstance(leaf, Tensor)]
                self.overwritten += [(leaf, leaf.clone()) for leaf in leaves]
        result = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, result))
        return result

    @torch.no_grad()
    def replay(self) -> dict[str, Tensor]:
        for func, args, kwargs, result in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)
        return {name: loss.clone() for name, loss in self.losses.items()}


@pytest.fixture
def on_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.training.cuda_graph, "Graph", Tape)
    monkeypatch.setattr(zoo.training.trainer, "captures", lambda wanted, device: wanted == "max")
    monkeypatch.setattr(zoo.training.backward, "compiles", lambda wanted, device: False)
    monkeypatch.setattr(Tape, "recorded", 0)


def losses(run: Run) -> list[dict[str, float]]:
    return [line["losses"] for line in run.metrics if "losses" in line]


@pytest.mark.parametrize(
    ("changes", "recordings"),
    [
        pytest.param({}, 1, id="plain"),
        pytest.param({"critic": "patch:base=4,layers=1,norm=spectral"}, 1, id="spectral norm"),
        pytest.param({"generator": "unet-shallow:base=4,norm=none,dropout=true"}, 1, id="dropout"),
        pytest.param({"precision": "bf16"}, 1, id="bf16"),
        pytest.param({"loss": "l1+adv:r1=5,r1_every=4"}, 2, id="a penalty now and then"),
        pytest.param({"loss": "l1+adv:r1=5,r1_every=7"}, 1, id="a penalty now and then, more rarely"),
        pytest.param({"loss": "l1+adv:r1=5,r1_every=1"}, 1, id="a penalty always"),
        pytest.param({"size": "24,32"}, 2, id="growing crops"),
        pytest.param({"schedule": "generator:2 critic:2 gan:4"}, 3, id="stages"),
        pytest.param({"critic": "none", "loss": "l1"}, 1, id="no critic"),
        pytest.param({"loss": "l1+ramp+adv"}, 1, id="a ramp"),
        pytest.param({"loss": "uncertain+counting+relativistic"}, 1, id="losses that learn and count"),
        pytest.param(
            {"critic": f"{PATCH}+2*{PATCH},features=true", "loss": "l1+adv+feature-matching"}, 1, id="critics"
        ),
        pytest.param({"critic_steps": 2}, 2, id="a critic of more steps"),
    ],
)
@pytest.mark.usefixtures("on_tape")
def test_steps_out_of_a_graph_are_those_that_it_was_recorded_from(changes: dict[str, Any], recordings: int) -> None:
    recipe = tiny(**{**CHANGES, **changes})
    notes = Notes()
    with knowing_losses():
        plain = train(recipe.model_copy(update={"compile": "off"}), name="plain")
        assert Tape.recorded == 0
        recorded = train(recipe, name="recorded", callback=notes)
    assert notes.notes == []
    assert Tape.recorded == recordings
    assert losses(recorded) == losses(plain)
    assert same(weights(recorded), weights(plain))


@pytest.mark.usefixtures("on_tape")
def test_a_loss_that_waits_for_the_device_is_trained_without_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Objective.image

    def waiting(self: Objective, fake: Any, real: Any, *step: Any, **resting: Any) -> dict[str, Tensor]:
        return {
            name: loss if loss.item() > 0 else -loss for name, loss in image(self, fake, real, *step, **resting).items()
        }

    monkeypatch.setattr(Objective, "image", waiting)
    plain = train(tiny(**{**CHANGES, "compile": "off"}), name="plain")
    notes = Notes()
    run = train(tiny(**CHANGES), name="mine", callback=notes)
    assert notes.notes == [
        "the step cannot be a CUDA graph, going on without: RuntimeError: operation not permitted when stream is "
        "capturing"
    ]
    assert same(weights(run), weights(plain))


@pytest.mark.usefixtures("on_tape")
def test_a_run_that_rolls_back_is_recorded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a checkpoint was taken up, the optimizers' moments are others than those that were recorded."""
    recipe = tiny(**{**CHANGES, "compile": "max"})
    trainer = Trainer(assemble(recipe))
    feed = [torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8) for _ in range(12)]
    for photos in feed[:6]:
        trainer.step(Batch(photos))
    tensors, state = trainer.state()
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    for photos in feed[6:]:
        expected = trainer.step(Batch(photos))
    trainer.restore(tensors, state)
    for photos in feed[6:]:
        found = trainer.step(Batch(photos))
    assert Tape.recorded == 2
    assert same(found, expected)


@pytest.mark.usefixtures("on_tape")
def test_a_run_out_of_a_graph_is_resumed() -> None:
    recipe = tiny(**{**CHANGES, "val_every": 6, "steps": 12})
    whole = train(recipe, name="whole")
    half = train(recipe.model_copy(update={"steps": 6}), name="half")
    assert losses(resume(half, extend=True, steps=12))[-1] == losses(whole)[-1]
    assert same(weights(half), weights(whole))


@pytest.mark.usefixtures("on_tape")
def test_a_step_that_is_not_a_number_is_skipped_in_a_graph_too() -> None:
    trainer = Trainer(assemble(tiny(**CHANGES, ema_decay=0)))
    photos = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    for _ in range(5):
        trainer.step(Batch(photos))
    assert Tape.recorded == 1
    weight = next(trainer.assembly.generator.parameters())
    good = weight.detach().clone()
    with torch.no_grad():
        weight.fill_(float("nan"))
    for _ in range(2):
        trainer.step(Batch(photos))
    assert (int(trainer.skipped), int(trainer.skipped_in_a_row)) == (2, 2)
    with torch.no_grad():
        weight.copy_(good)
    trainer.step(Batch(photos))
    assert (int(trainer.skipped), int(trainer.skipped_in_a_row)) == (2, 0)
    assert not torch.equal(weight, good)


def test_it_is_recorded_where_the_photographs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word, CUDA records on its first device."""
    there: list[object] = []

    @contextmanager
    def device(place: torch.device) -> Iterator[None]:
        there.append(place)
        yield
        there.pop()

    @contextmanager
    def graph(*_: object, **__: object) -> Iterator[None]:
        there.append("recording")
        yield
        there.pop()

    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    second, seen = torch.device("cuda:1"), []
    zoo.training.cuda_graph.Graph(lambda: seen.extend(there) or {}, second)
    assert seen == [second, "recording"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_on_a_gpu_too(precision: str) -> None:
    changes = {**CHANGES, "device": "cuda", "precision": precision, "steps": 30}
    plain = train(tiny(**{**changes, "compile": "off"}), name="plain")
    notes = Notes()
    recorded = train(tiny(**changes), name="recorded", callback=notes)
    assert notes.notes == []
    for found, expected in zip(losses(recorded), losses(plain), strict=True):
        assert found == pytest.approx(expected, rel=2e-2)
