"""States as tensors by name and as JSON: of networks, of optimizers, of random generators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.training.optimizers import NetworkOptimizer


def network_state(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return the tensors of networks, by names such as `generator/conv.weight`."""
    return {f"{name}/{key}": value for name, network in networks.items() for key, value in network.state_dict().items()}


def load_networks(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Take up what `network_state` returned.

    Raises:
        RuntimeError: it is the state of other networks.
    """
    for name, network in networks.items():
        network.load_state_dict(_under(f"{name}/", tensors))


def optimizer_state(optimizers: Mapping[str, NetworkOptimizer]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the states of optimizers: tensors, by names such as `critic-optimizer/state/3/exp_avg`, and JSON.

    Raises:
        ZooError: one of them holds something that is neither a tensor nor text, number, dict, list or tuple.
    """
    tensors: dict[str, Tensor] = {}
    trees = {}
    for name, optimizer in optimizers.items():
        state = optimizer.made.state_dict()
        if "param_groups" in state:
            # Where steps are recorded it is a tensor, which is set anew before each.
            state = {**state, "param_groups": [{**g, "lr": float(g["lr"])} for g in state["param_groups"]]}
        try:
            trees[name] = _flat(state, f"{name}-optimizer", tensors)
        except TypeError as error:
            raise optimizer.component.broken(str(error)) from None
    return tensors, trees


def load_optimizers(
    optimizers: Mapping[str, NetworkOptimizer],
    tensors: Mapping[str, Tensor],
    trees: Mapping[str, Any],
    *,
    capturable: bool,
) -> None:
    """Take up what `optimizer_state` returned.

    Args:
        optimizers: by name.
        tensors: the tensors.
        trees: the rest, by the optimizers' names.
        capturable: whether steps are recorded as CUDA graphs here, wherever the state comes from.

    Raises:
        RuntimeError, LookupError, TypeError, ValueError: it is the state of other optimizers.
    """
    for name, optimizer in optimizers.items():
        state = _deep(trees[name], tensors)
        for group in state.get("param_groups", []):
            if "capturable" in group:
                group["capturable"] = capturable
        if isinstance(optimizer.made, Optimizer):
            _load_as_saved(optimizer.made, state)
        else:
            optimizer.made.load_state_dict(state)


def _load_as_saved(optimizer: Optimizer, state: dict[str, Any]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, moments in state["state"].items():
        if isinstance(index, int) and isinstance(moments, dict):
            parameter = parameters[index]
            for key, value in moments.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    # Fused optimizers take it for granted that moments lie in memory as their parameter does.
                    moments[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    optimizer.load_state_dict(state)
    # torch makes floats of the parameters' kind of whatever it loads, and nonsense of text.
    for index, moments in state["state"].items():
        if isinstance(index, int):
            optimizer.state[parameters[index]] = _as_saved(moments, optimizer.state[parameters[index]])


def _as_saved(saved: Any, loaded: Any) -> Any:
    if isinstance(saved, Tensor):
        return loaded if loaded.dtype == saved.dtype else saved.to(loaded.device)
    if isinstance(saved, dict):
        return {key: _as_saved(part, loaded[key]) for key, part in saved.items()}
    if isinstance(saved, (list, tuple)):
        return type(saved)(_as_saved(*parts) for parts in zip(saved, loaded, strict=True))
    return saved


def _flat(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Return a nested value as JSON, with its tensors put into a table, each under its path."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Tensor):
        if path in tensors:
            raise TypeError(f"two parts of its state are called {path}")
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, Mapping):
        strange = [key for key in value if not isinstance(key, (int, str))]
        if strange:
            raise TypeError(f"its state has the key {strange[0]!r} under {path}: only text and numbers can be kept")
        return {"dict": [[key, _flat(part, f"{path}/{key}", tensors)] for key, part in value.items()]}
    if isinstance(value, (list, tuple)):
        parts = [_flat(part, f"{path}/{number}", tensors) for number, part in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": parts}
    raise TypeError(
        f"its state holds {type(value).__name__} under {path}: a checkpoint keeps tensors, numbers, text and None, in "
        "dicts, lists and tuples, and nothing that would have to be pickled"
    )


def _deep(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return what `_flat` was given."""
    if not isinstance(value, dict):
        return value
    ((kind, parts),) = value.items()
    if kind == "tensor":
        return tensors[parts]
    if kind == "dict":
        return {key: _deep(part, tensors) for key, part in parts}
    found = [_deep(part, tensors) for part in parts]
    return tuple(found) if kind == "tuple" else found


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's random generators."""
    tensors = {"random/cpu": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["random/cuda"] = torch.cuda.get_rng_state(device)
    return tensors


def load_random_state(tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Take up what `random_state` returned."""
    torch.set_rng_state(tensors["random/cpu"])
    if device.type == "cuda" and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"], device)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
