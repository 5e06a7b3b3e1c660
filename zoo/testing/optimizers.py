"""Checks of optimizers, on a network of a few layers that learns to halve and mix what it is given."""

from __future__ import annotations

import copy
import json
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from torch import Tensor, nn

from zoo.registry.made import what_is_wrong
from zoo.registry.offers import Component
from zoo.testing.subject import Note, Subject, expect, names
from zoo.training.optimizers import NetworkOptimizer
from zoo.training.state import load_optimizers, optimizer_state

_LR = 1e-2
_STEPS = 60


def optimizer_made(subject: Subject) -> str:
    """The factory makes an optimizer that moves all parameters, each once, and no others."""
    network = _network(subject)
    made = subject.make(params=list(network.named_parameters()), lr=_LR, capturable=False)
    problem = what_is_wrong(made, _component(subject))
    expect(not problem, problem)
    expect(
        all("lr" in group for group in made.param_groups),
        "a group of param_groups has no lr, which zoo sets before each step",
    )
    network = _network(subject)
    optimizer = _made(subject, network)
    moved = [parameter for group in optimizer.made.param_groups for parameter in group["params"]]
    own = {id(parameter): name for name, parameter in network.named_parameters()}
    expect(moved, "it has no parameters to move: its factory takes them as params, a list of (name, parameter)")
    expect(
        all(id(parameter) in own for parameter in moved),
        "it moves parameters that are none of the network's: give it those of params",
    )
    expect(len({id(parameter) for parameter in moved}) == len(moved), "a parameter is there twice")
    left = [name for key, name in own.items() if key not in {id(parameter) for parameter in moved}]
    if left:
        return Note(f"it leaves {names(left)} as they are")
    groups = len(optimizer.made.param_groups)
    return f"{type(optimizer.made).__name__}, {groups} group{'s' * (groups > 1)} of parameters"


def learns(subject: Subject) -> str:
    """A small network learns by it."""
    network = _network(subject)
    optimizer = _made(subject, network)
    losses = [_step(network, optimizer, number) for number in range(_STEPS)]
    expect(losses[-1] < losses[0], f"at lr {_LR}, the loss went from {losses[0]:.4g} to {losses[-1]:.4g}")
    return f"at lr {_LR}, {_STEPS} steps bring the loss from {losses[0]:.3g} to {losses[-1]:.3g}"


def learning_rate(subject: Subject) -> str:
    """It goes by the learning rate that zoo sets before a step: schedules depend on it."""
    weights = []
    for factor in (1.0, 0.1):
        network = _network(subject)
        optimizer = _made(subject, network)
        for number in range(3):
            optimizer.set_lr(factor, recorded=False)
            _step(network, optimizer, number)
        weights.append(_weights(network))
    expect(
        not _same(*weights),
        "a tenth of the learning rate changes nothing: read group['lr'] in every step",
    )
    return "what zoo sets in param_groups counts"


def without_gradient(subject: Subject) -> str:
    """A parameter without a gradient stays as it is."""
    network = _network(subject)
    optimizer = _made(subject, network)
    before = _weights(network)
    _gradients(network, 0)
    first, *others = network.parameters()
    first.grad = None
    optimizer.step(_good(subject))
    after = _weights(network)
    name = next(iter(before))
    expect(torch.equal(before[name], after[name]), "a parameter without a gradient has moved")
    expect(others and not _same(before, after), "where one parameter has no gradient, the others don't move")
    return "a parameter without a gradient stays"


def skipped(subject: Subject) -> str:
    """A step that zoo leaves out, since a gradient is not a number, leaves no trace."""
    results = []
    for leave_out in (False, True):
        network = _network(subject)
        optimizer = _made(subject, network)
        _step(network, optimizer, 0)
        if leave_out:
            for parameter in network.parameters():
                parameter.grad = torch.full_like(parameter, float("nan"))
            optimizer.step(1 - _good(subject))
        _step(network, optimizer, 1)
        results.append(_weights(network))
    expect(_same(*results), "a step that was left out changes those that follow: let found_inf count, or do without")
    return "a step that is left out leaves no trace"


def resumed(subject: Subject) -> str:
    """Its state goes through a checkpoint, and what follows is the same, bit for bit."""
    network = _network(subject)
    optimizer = _made(subject, network)
    for number in range(3):
        _step(network, optimizer, number)
    tensors, rest = optimizer_state({"it": optimizer})
    text = json.dumps(rest)
    stored = load(save({name: value.cpu().contiguous().clone() for name, value in tensors.items()}))
    other = copy.deepcopy(network)
    anew = _made(subject, other)
    load_optimizers({"it": anew}, stored, json.loads(text), capturable=False)
    for number in range(3, 6):
        for one, moves in ((network, optimizer), (other, anew)):
            _step(one, moves, number)
    expect(
        _same(_weights(network), _weights(other)),
        "after load_state_dict, the next steps are others: something that they depend on is not in state_dict",
    )
    return f"{len(stored)} tensors through safetensors; the next steps are the same, bit for bit"


def averages(subject: Subject) -> str:
    """The averaged weights that it may keep can be looked at without a trace."""
    network = _network(subject)
    optimizer = _made(subject, network)
    if not optimizer.averages:
        return "it keeps no average of its own"
    for number in range(5):
        _step(network, optimizer, number)
    before, state = _weights(network), _frozen(optimizer)
    with optimizer.averaged():
        average = _weights(network)
    expect(all(bool(value.isfinite().all()) for value in average.values()), "after eval(), weights are not numbers")
    expect(_same(before, _weights(network)), "eval() and train() leave other weights behind")
    expect(state == _frozen(optimizer), "eval() and train() change its state, so that looking at the average counts")
    return "it averages the weights itself: what is validated and saved is its average"


def _network(subject: Subject) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 1))
    return network.to(subject.device)


def _made(subject: Subject, network: nn.Module) -> NetworkOptimizer:
    return NetworkOptimizer(subject.make, _component(subject), network, _LR, recorded=False)


def _component(subject: Subject) -> Component:
    return subject.component or Component("it", "", "", "", "", "", "optimizer")


def _gradients(network: nn.Module, number: int) -> float:
    device = next(network.parameters()).device
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(number)).to(device)
    network.zero_grad()
    loss = F.mse_loss(network(images), images.roll(1, dims=1) / 2)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


def _step(network: nn.Module, optimizer: NetworkOptimizer, number: int) -> float:
    loss = _gradients(network, number)
    optimizer.step(torch.zeros((), device=next(network.parameters()).device))
    return loss


def _good(subject: Subject) -> Tensor:
    return torch.zeros((), device=subject.device)


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def _same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def _frozen(optimizer: NetworkOptimizer) -> tuple[dict[str, list[Any]], str]:
    tensors, rest = optimizer_state({"it": optimizer})
    return {name: value.tolist() for name, value in tensors.items()}, json.dumps(rest)
