"""Adam, with and without weight decay. Fused kernels: one pass over all weights, and no wait for the device."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field
from torch import nn
from torch.optim import Adam, AdamW, Optimizer

Rate = Annotated[float, Field(ge=0, lt=1)]
Norm = Annotated[float, Field(gt=0)]
O = TypeVar("O", bound=Optimizer)  # noqa: E741


def adam(
    params: list[tuple[str, nn.Parameter]],
    *,
    lr: float,
    capturable: bool = False,
    betas: tuple[Rate, Rate] = (0.5, 0.999),
    clip: Norm | None = None,
) -> Adam:
    """Adam (Kingma & Ba 2015), with the first decay rate that suits GANs (Radford et al. 2016).

    Args:
        betas: Decay rates of the first moment (the mean of gradients) and of the second (the mean of their squares).
        clip: Largest norm of a network's gradients, all together; larger ones are scaled down. none: as they are.
    """
    return _clipped(Adam(params, lr=lr, betas=betas, fused=True, capturable=capturable), clip)


def adamw(
    params: list[tuple[str, nn.Parameter]],
    *,
    lr: float,
    capturable: bool = False,
    weight_decay: Annotated[float, Field(ge=0)] = 0.01,
    betas: tuple[Rate, Rate] = (0.5, 0.999),
    clip: Norm | None = None,
) -> AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), of kernels alone: neither biases nor norms decay.

    Args:
        weight_decay: Share of the weights, times the learning rate, that they lose at each step.
        betas: Decay rates of the first moment (the mean of gradients) and of the second (the mean of their squares).
        clip: Largest norm of a network's gradients, all together; larger ones are scaled down. none: as they are.
    """
    kernels = [(name, parameter) for name, parameter in params if parameter.ndim > 1]
    others = [(name, parameter) for name, parameter in params if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    made = AdamW(groups, lr=lr, betas=betas, weight_decay=weight_decay, fused=True, capturable=capturable)
    return _clipped(made, clip)


def _clipped(optimizer: O, clip: float | None) -> O:
    optimizer.clip = clip  # type: ignore[attr-defined]
    return optimizer
