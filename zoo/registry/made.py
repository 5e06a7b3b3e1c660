"""What a factory returned, held against the contract of its kind, as far as that can be seen without using it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from zoo.errors import BrokenContractError
from zoo.registry.contracts import PhotoStream, SetMetric
from zoo.registry.offers import Component


def what_is_wrong(made: Any, component: Component) -> str:
    """Say what keeps it from being a component of its kind; nothing where that is unknown."""
    what = f"what the factory returns ({type(made).__name__})"
    match component.kind:
        case "generator" | "critic":
            return _of_network(made, what)
        case "loss":
            return _of_loss(made, what, component.adversarial)
        case "dataset":
            return _of_dataset(made, what)
        case "augmentation":
            return "" if callable(made) or hasattr(made, "window") else f"{what} cannot be called, nor has it a window"
        case "optimizer":
            return _of_optimizer(made, what)
        case "metric":
            return _of_metric(made, what)
        case "model":
            return ""
        case "tracker":
            # Its hooks are looked for when it begins to listen.
            return ""


def is_stream(made: Any) -> TypeGuard[PhotoStream]:
    """Whether a data set has no photographs by number, but hands them out one after another."""
    # torch's own base class has a `__getitem__` that raises.
    kinds = sys.modules.get("torch.utils.data")
    iterable = kinds is not None and isinstance(made, kinds.IterableDataset)
    return hasattr(made, "__iter__") and (iterable or not hasattr(made, "__getitem__"))


def is_set_metric(made: Any) -> TypeGuard[SetMetric]:
    """Whether a metric compares whole sets by the features of their pictures."""
    return all(callable(getattr(made, method, None)) for method in ("features", "compare"))


def asked_for(function: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the offered keywords that a loss, a method of one, or a metric has parameters for."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(function, torch.nn.Module):
        function = function.forward
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        # It is built in, or written in C.
        return {}
    return {name: value for name, value in offered.items() if name in parameters}


def asks_for_critic(metric: Any) -> bool:
    """Whether a metric measures by the critic that a model was trained against."""
    return bool(asked_for(metric, {"critic": None}))


def numbers_of(measured: Any, name: str) -> dict[str, float]:
    """Return what a metric of this name returned by full names: `name`, or `name.key` of several.

    Raises:
        BrokenContractError: it is something else: "it returns NoneType, expected one number".
    """
    if not isinstance(measured, Mapping):
        return {name: _number(measured, "it returns")}
    if not measured:
        raise BrokenContractError("it returns an empty mapping, expected numbers by name")
    if strange := [key for key in measured if not isinstance(key, str)]:
        raise BrokenContractError(f"it returns numbers by name, one of them named {strange[0]!r}, which is no text")
    return {f"{name}.{key}": _number(value, f"for {key!r} it returns") for key, value in measured.items()}


def _number(value: Any, it_returns: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        shape = getattr(value, "shape", None)
        what = type(value).__name__ if shape is None else f"a tensor of shape {tuple(shape)}"
        raise BrokenContractError(f"{it_returns} {what}, expected one number") from None


def _of_dataset(made: Any, what: str) -> str:
    stream = is_stream(made)
    needed = ("state_dict", "load_state_dict") if stream else ("__len__", "__getitem__")
    lacking = [method for method in needed if not hasattr(made, method)]
    return f"{what} is no {'stream' if stream else 'data set'}: it lacks {lacking[0]}" if lacking else ""


def _of_metric(made: Any, what: str) -> str:
    if not callable(made):
        return f"{what} cannot be called"
    smallest = getattr(made, "smallest", 1)
    if not isinstance(smallest, int) or smallest < 1:
        return f"smallest is {smallest!r}: it must be a whole number of pictures above 0"
    if is_set_metric(made) and asks_for_critic(made):
        return f"{what} has features to compare, and asks for a critic: a metric of whole sets is given none"
    return ""


def _of_optimizer(made: Any, what: str) -> str:
    for method in ("step", "state_dict", "load_state_dict", "param_groups"):
        if not hasattr(made, method):
            return f"{what} is no optimizer: it lacks {method}"
    clip = getattr(made, "clip", None)
    if clip is not None and not (isinstance(clip, (int, float)) and clip > 0):
        return f"clip is {clip!r}: it must be a norm above 0, or None"
    return ""


def averages_itself(optimizer: Any) -> bool:
    """Whether an optimizer has averaged weights to exchange for those that it goes on from."""
    return all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval"))


def _of_network(made: Any, what: str) -> str:
    from torch import nn

    if not isinstance(made, nn.Module):
        return f"{what} is no torch.nn.Module"
    multiple = getattr(made, "multiple", 1)
    if not isinstance(multiple, int) or multiple < 1:
        return f"multiple is {multiple!r}: it must be a whole number above 0"
    return ""


def _of_loss(made: Any, what: str, adversarial: bool) -> str:
    has_sides = all(callable(getattr(made, side, None)) for side in ("critic", "generator"))
    if not has_sides and not callable(made) and not adversarial:
        return (
            f"{what} is no loss: it can neither be called with (fake, real) pictures, nor has it the methods "
            "critic(real, fake) and generator(fake) of an adversarial one"
        )
    if adversarial and not has_sides:
        return "it is registered with adversarial=True, but lacks the methods critic(real, fake) and generator(fake)"
    if not adversarial and not callable(made):
        return "it has the methods of an adversarial loss: register it with adversarial=True"
    every = getattr(made, "penalty_every", 1)
    if hasattr(made, "penalty") and (not isinstance(every, int) or every < 0):
        return f"penalty_every is {every!r}: it must be a whole number of steps, or 0 for no penalty"
    return ""
