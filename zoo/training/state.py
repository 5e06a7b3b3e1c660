"""States as tensors by name and as JSON: of networks, of optimizers, of random generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


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


def optimizer_state(optimizers: Mapping[str, Optimizer]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the moments of optimizers, by names such as `critic-optimizer/3/exp_avg`, and their groups as JSON."""
    tensors: dict[str, Tensor] = {}
    groups = {}
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        groups[name] = [{**group, "lr": float(group["lr"])} for group in state["param_groups"]]
        for index, moments in state["state"].items():
            tensors |= {f"{name}-optimizer/{index}/{key}": value for key, value in moments.items()}
    return tensors, groups


def load_optimizers(
    optimizers: Mapping[str, Optimizer],
    parameters: Mapping[str, Sequence[nn.Parameter]],
    tensors: Mapping[str, Tensor],
    groups: Mapping[str, Any],
    *,
    capturable: bool,
) -> None:
    """Take up what `optimizer_state` returned.

    Args:
        optimizers: by name.
        parameters: what each of them moves.
        tensors: the moments.
        groups: by the optimizers' names.
        capturable: whether steps are recorded as CUDA graphs here, wherever the state comes from.

    Raises:
        RuntimeError, LookupError, ValueError: it is the state of other optimizers.
    """
    for name, optimizer in optimizers.items():
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under(f"{name}-optimizer/", tensors).items():
            index, what = key.split("/")
            parameter = parameters[name][int(index)]
            # Fused optimizers take it for granted that moments lie in memory as their parameter does.
            laid = torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
            moments.setdefault(int(index), {})[what] = laid
        optimizer.load_state_dict(
            {"state": moments, "param_groups": [{**group, "capturable": capturable} for group in groups[name]]}
        )


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
