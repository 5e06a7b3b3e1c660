"""The optimizers of a run, one for each network, whichever component makes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import ZooError
from zoo.registry import Part
from zoo.registry.contracts import Optimizer
from zoo.registry.made import averages_itself
from zoo.registry.offers import Component


def trainable(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return what of a network is to be trained, with names.

    Raises:
        ZooError: there is nothing.
    """
    found = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    if not found:
        raise ZooError(f"{type(network).__name__} has no parameter to train")
    return found


class NetworkOptimizer:
    """What moves one network, in the ways that a trainer needs."""

    def __init__(
        self,
        make: Callable[..., Any],
        component: Component,
        network: nn.Module,
        lr: float,
        *,
        recorded: bool,
        others: Iterable[tuple[str, nn.Parameter]] = (),
    ) -> None:
        """Make it.

        Args:
            make: makes the component, given what zoo fills in.
            component: what it is.
            network: whose parameters it moves, those that are to be trained.
            lr: its learning rate.
            recorded: whether its steps are recorded as a CUDA graph.
            others: what it moves beside the network's, with names.

        Raises:
            UsageError: an option is wrong.
            ZooError: it cannot be made, or is no optimizer.
        """
        named = [*trainable(network), *others]
        self.parameters: Sequence[nn.Parameter] = [parameter for _, parameter in named]
        self.component = component
        self.made: Optimizer = make(params=named, lr=lr, capturable=recorded)
        self.averages = averages_itself(self.made)
        """Whether it has averaged weights beside those that it goes on from."""
        if self.averages:
            self._exchange("train")
        self._rates = [float(group["lr"]) for group in self.made.param_groups]
        # Where a recorded step finds the learning rates.
        device = self.parameters[0].device
        self._places = [torch.tensor(rate, device=device) for rate in self._rates] if recorded else None
        self._clip: float | None = getattr(self.made, "clip", None)

    def set_lr(self, factor: float, *, recorded: bool) -> None:
        """Set the learning rates to what they were at first, times a factor."""
        for index, (group, rate) in enumerate(zip(self.made.param_groups, self._rates, strict=True)):
            lr = rate * factor
            group["lr"] = self._places[index].fill_(lr) if recorded and self._places else lr

    def step(self, not_a_number: Tensor) -> None:
        """Move the network, unless `not_a_number` is 1: then nothing changes, of the optimizer's state neither.

        The gradients are those of the whole batch by now: in float32, unscaled, and the means over all processes. So
        their norm is what it is called, and clipping belongs here.
        """
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        if not gradients:
            return
        if self._clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self._clip, torch.nn.utils.get_total_norm(gradients))
        # torch's own word for those that read it on the device; for all others the host waits.
        if getattr(self.made, "_step_supports_amp_scaling", False):
            self.made.grad_scale, self.made.found_inf = None, not_a_number  # type: ignore[attr-defined]
            self.made.step()
        elif not bool(not_a_number):
            self.made.step()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Have the averaged weights in the network for a while; afterwards all is as it was, bit for bit."""
        before = [parameter.detach().clone() for parameter in self.parameters]
        self._exchange("eval")
        try:
            yield
        finally:
            self._exchange("train")
            with torch.no_grad():
                torch._foreach_copy_(list(self.parameters), before)

    def _exchange(self, mode: str) -> None:
        with torch.no_grad():
            getattr(self.made, mode)()


def can_be_recorded(part: Part) -> bool:
    """Whether an optimizer's steps can be part of a CUDA graph: its factory takes `capturable`."""
    return "capturable" in inspect.signature(part.component.factory()).parameters


def optimizer_notes(optimizer: NetworkOptimizer, lr_decay: float) -> str:
    """Say which fields of a recipe an optimizer does without; nothing where there are none."""
    if not optimizer.averages:
        return ""
    schedule = "; it needs no falling learning rate either: --set lr_decay=0 leaves it as it is" if lr_decay else ""
    return f"{optimizer.component.name} averages the weights itself, so ema_decay has no part in this run{schedule}"
