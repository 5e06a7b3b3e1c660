"""Optimizers of all sorts: clipping, groups, averages of their own, states of many kinds."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from tiny import Notes, same, tiny, weights
from torch import nn

import zoo.training.trainer
from zoo import Run, UsageError, ZooError, train
from zoo.data.batch import Batch
from zoo.registry import get, resolve
from zoo.registry.offers import Component
from zoo.training import resume
from zoo.training.assembly import assemble
from zoo.training.optimizers import NetworkOptimizer
from zoo.training.state import load_optimizers, optimizer_state
from zoo.training.trainer import Trainer

ODD = Component("odd", "", "", "theirs", "zoo-theirs", "1.0", "optimizer")
GOOD, BAD = torch.tensor(0.0), torch.tensor(1.0)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def made(optimizer: Any, of: nn.Module) -> NetworkOptimizer:
    def make(params: Any, lr: float, capturable: bool) -> Any:
        return optimizer(params=params, lr=lr)

    return NetworkOptimizer(make, ODD, of, 1e-2, recorded=False)


def shipped(text: str, of: nn.Module) -> NetworkOptimizer:
    part = get().part("optimizer", text)
    return NetworkOptimizer(part.make, part.component, of, 1e-2, recorded=False)


def gradients(of: nn.Module, scale: float = 1.0) -> None:
    for number, parameter in enumerate(of.parameters()):
        parameter.grad = scale * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))


class Plain:
    """No optimizer of torch's: gradient descent that remembers in ways of its own. Every step depends on all of it."""

    def __init__(self, *, params: list[tuple[str, nn.Parameter]], lr: float, memory: Any = None) -> None:
        self.param_groups = [{"params": [parameter for _, parameter in params], "lr": lr}]
        self.memory = {"steps": 0, 7: [1.5, None, "text", True], "pair": (torch.zeros(2, dtype=torch.int64), 0.1)}
        if memory is not None:
            self.memory["more"] = memory

    @torch.no_grad()
    def step(self) -> None:
        self.memory["steps"] += 1
        self.memory["pair"][0].add_(1)
        share = 1 / (self.memory["steps"] + float(self.memory["pair"][0].sum()) + len(self.memory[7]))
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None:
                parameter -= self.param_groups[0]["lr"] * share * parameter.grad

    def state_dict(self) -> dict[str, Any]:
        return {"memory": self.memory}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.memory = state_dict["memory"]


def test_a_state_of_any_kind_is_kept() -> None:
    first, second = network(), network()
    before, after = made(Plain, first), made(Plain, second)
    gradients(first)
    before.step(GOOD)
    second.load_state_dict(first.state_dict())
    tensors, rest = optimizer_state({"generator": before})
    assert list(tensors) == ["generator-optimizer/memory/pair/0"]
    load_optimizers({"generator": after}, load(save(tensors)), json.loads(json.dumps(rest)), capturable=False)
    loaded = after.made.memory  # type: ignore[attr-defined]
    assert loaded[7] == [1.5, None, "text", True]
    assert isinstance(loaded["pair"], tuple)
    assert loaded["pair"][0].dtype == torch.int64
    gradients(first)
    gradients(second)
    before.step(GOOD)
    after.step(GOOD)
    assert same(first.state_dict(), second.state_dict())


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        (
            SimpleNamespace(),
            "its state holds SimpleNamespace under generator-optimizer/memory/more: a",
        ),
        ({(1, 2): 3}, r"its state has the key \(1, 2\) under generator-optimizer/memory/more"),
        (
            {1: torch.zeros(1), "1": torch.zeros(1)},
            "two parts of its state are called generator-optimizer/memory/mor",
        ),
    ],
)
def test_what_cannot_be_kept_is_named(memory: Any, message: str) -> None:
    optimizer = made(lambda **offered: Plain(**offered, memory=memory), network())
    with pytest.raises(ZooError, match=f"optimizer odd of the plugin theirs .* breaks its contract: {message}"):
        optimizer_state({"generator": optimizer})


def test_a_step_that_is_not_a_number_is_left_out_whatever_the_optimizer() -> None:
    for make in (Plain, torch.optim.SGD):
        one = network()
        optimizer = made(make, one)
        before = {name: value.clone() for name, value in one.state_dict().items()}
        gradients(one)
        optimizer.step(BAD)
        assert same(before, one.state_dict())
        optimizer.step(GOOD)
        assert not same(before, one.state_dict())


def test_a_network_that_does_not_learn_in_a_stage_is_left_alone() -> None:
    one = network()
    optimizer = made(Plain, one)
    optimizer.step(GOOD)
    assert optimizer.made.memory["steps"] == 0  # type: ignore[attr-defined]


def test_gradients_are_clipped_by_the_norm_of_all() -> None:
    class Kept(Plain):
        clip = 0.5

        def step(self) -> None:
            self.seen = [p.grad.clone() for p in self.param_groups[0]["params"]]

    for scale, expected in ((10.0, 0.5), (1e-3, None)):
        one = network()
        optimizer = made(Kept, one)
        gradients(one, scale)
        norm = float(torch.nn.utils.get_total_norm([p.grad for p in one.parameters() if p.grad is not None]))
        optimizer.step(GOOD)
        found = float(torch.nn.utils.get_total_norm(optimizer.made.seen))  # type: ignore[attr-defined]
        assert found == pytest.approx(expected or norm, rel=1e-4)


def test_kernels_decay_and_nothing_else() -> None:
    one = network()
    optimizer = shipped("adamw:weight_decay=0.5", one)
    assert [group["param_names"] for group in optimizer.made.param_groups] == [
        ["0.weight", "2.weight"], ["0.bias", "1.weight", "1.bias", "2.bias"],
    ]  # fmt: skip
    before = {name: value.clone() for name, value in one.state_dict().items()}
    for parameter in one.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step(GOOD)
    changed = [name for name, value in one.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["0.weight", "2.weight"]
    assert torch.allclose(one.state_dict()["0.weight"], before["0.weight"] * (1 - 1e-2 * 0.5))


def test_groups_keep_their_share_of_the_learning_rate() -> None:
    def two(*, params: list[tuple[str, nn.Parameter]], lr: float) -> torch.optim.SGD:
        return torch.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": lr / 4}], lr=lr)

    optimizer = made(two, network())
    optimizer.set_lr(0.5, recorded=False)
    assert [group["lr"] for group in optimizer.made.param_groups] == [0.005, 0.00125]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adm", "there is no optimizer 'adm': did you mean 'adam'"),
        ("adam:betas=0.5,1", "optimizer adam: option betas=0.5,1: input should be less than 1"),
        ("adam:clip=0", "option clip=0: input should be greater than 0"),
        ("adam:lr=1", r"optimizer adam has no option 'lr' .*\(it has: betas, clip\)|has no option 'lr'"),
    ],
)
def test_what_makes_no_sense_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _ = resolve(tiny(optimizer=text)).recipe


def losses(run: Run) -> list[Any]:
    return [line["losses"] for line in run.metrics if "losses" in line]


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adamw:weight_decay=0.1,clip=0.5"},
        {"augment": "flip+crop:smallest=0.5+film", "batch": 2},
    ],
)
def test_a_run_is_resumed_bit_for_bit(changes: dict[str, Any]) -> None:
    recipe = tiny(steps=6, val_every=3, **changes)
    whole = train(recipe, name="whole")
    half = train(recipe.model_copy(update={"steps": 3}), name="half")
    # The learning rate falls in the second half of the run, wherever its end is then.
    recipe = recipe.model_copy(update={"lr_decay": 0.0})
    assert losses(resume(half, extend=True, steps=6)) == losses(half)
    constant = [train(recipe.model_copy(update={"steps": steps}), name=f"constant-{steps}") for steps in (6, 3)]
    assert same(weights(constant[0]), weights(resume(constant[1], extend=True, steps=6)))
    assert not same(weights(constant[0]), weights(train(tiny(steps=6, val_every=3, lr_decay=0), name="plain")))
    assert whole.info["state"] == "finished"


@pytest.fixture
def averaging(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have runs take an optimizer that averages by itself; return what it was told to do."""
    told: list[str] = []

    class Averaging(torch.optim.SGD):
        """Its average is twice the weights, and coming back is not exact."""

        def train(self) -> None:
            told.append("train")
            self._scale(0.5000001)

        def eval(self) -> None:
            told.append("eval")
            self._scale(2)

        def _scale(self, factor: float) -> None:
            if len(told) > 1:
                for group in self.param_groups:
                    for parameter in group["params"]:
                        parameter.mul_(factor)

    make = get().part("optimizer", "adam").make

    def instead(self: Any, **offered: Any) -> Any:
        if "params" not in offered:
            return original(self, **offered)
        offered.pop("capturable")
        return Averaging(**offered)

    original = type(make.__self__).make  # type: ignore[attr-defined]
    monkeypatch.setattr(type(make.__self__), "make", instead)  # type: ignore[attr-defined]
    return told


def test_the_average_of_an_optimizer_is_what_is_validated_and_saved(averaging: list[str]) -> None:
    trainer = Trainer(assemble(tiny(critic="none", loss="l1", ema_decay=0)))
    assert averaging == ["train"]
    trainer.step(Batch(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)))
    before = {name: value.clone() for name, value in trainer.assembly.generator.state_dict().items()}
    average = dict(trainer.eval_generator.named_parameters())
    assert all(torch.equal(value, 2 * before[name]) for name, value in average.items())
    assert same(before, trainer.assembly.generator.state_dict())
    tensors, _ = trainer.state()
    assert all(torch.equal(tensors[f"ema/{name}"], 2 * before[name]) for name in average)
    assert same(before, trainer.assembly.generator.state_dict())


def test_a_run_says_what_an_averaging_optimizer_does_without(averaging: list[str]) -> None:
    notes = Notes()
    train(tiny(critic="none", loss="l1", steps=2), callback=notes)
    assert notes.notes == [
        "adam averages the weights itself, so ema_decay has no part in this run; it needs no falling learning rate "
        "either: --set lr_decay=0 leaves it as it is"
    ]


def test_an_optimizer_without_capturable_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.training.trainer, "captures", lambda wanted, device: True)
    assert Trainer(assemble(tiny())).recorder is not None
    monkeypatch.setattr(zoo.training.trainer, "can_be_recorded", lambda part: False)
    trainer = Trainer(assemble(tiny()))
    assert trainer.recorder is None
    assert trainer.fallback == "a step with adam cannot be a CUDA graph, going on without"
