"""The optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class OddSgd(torch.optim.Optimizer):
    """Schedule-free gradient descent (Defazio et al. 2024), with a state of many kinds.

    Args:
        beta: how near to the average the gradients are taken.
        bias_lr: the learning rate of biases, as a share of that of all else.
        clip: largest norm of the gradients.
    """

    def __init__(
        self,
        params: list[tuple[str, nn.Parameter]],
        *,
        lr: float,
        beta: float = 0.9,
        bias_lr: float = 0.5,
        clip: float | None = 1.0,
    ) -> None:
        biases = [(name, parameter) for name, parameter in params if name.endswith("bias")]
        others = [(name, parameter) for name, parameter in params if not name.endswith("bias")]
        groups: list[dict[str, Any]] = [{"params": others}, {"params": biases, "lr": lr * bias_lr}]
        super().__init__(
            [group for group in groups if group["params"]],
            {"lr": lr, "beta": beta, "averaging": False, "about": {"kind": "odd", "sums": (1, None, 0.1)}},
        )
        self.clip = clip

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["z"] = parameter.clone()
                    state["taken"] = torch.zeros((), dtype=torch.int64)
                    state["seen"] = {"by": "norm", "largest": [torch.zeros((), dtype=torch.float64), 0.0]}
                state["taken"] += 1
                largest = state["seen"]["largest"]
                norm = parameter.grad.double().norm().cpu()
                largest[0], largest[1] = torch.maximum(largest[0], norm), largest[1] + float(norm)
                average = self._average(parameter, state["z"], group["beta"])
                # It goes by what it has seen, so that a state that is not restored whole is found out.
                share = 1 / (1 + largest[1] / float(state["taken"]) + float(largest[0]))
                state["z"] -= group["lr"] * share * parameter.grad
                average.lerp_(state["z"], 1 / float(state["taken"] + 1))
                parameter.copy_(state["z"].lerp(average, group["beta"]))

    def train(self) -> None:
        for group in self.param_groups:
            if group["averaging"]:
                for parameter in filter(self.state.get, group["params"]):
                    parameter.copy_(self.state[parameter]["z"].lerp(parameter, group["beta"]))
            group["averaging"] = False

    def eval(self) -> None:
        for group in self.param_groups:
            if not group["averaging"]:
                for parameter in filter(self.state.get, group["params"]):
                    parameter.copy_(self._average(parameter, self.state[parameter]["z"], group["beta"]))
            group["averaging"] = True

    @staticmethod
    def _average(parameter: torch.Tensor, z: torch.Tensor, beta: float) -> torch.Tensor:
        return z.lerp(parameter, 1 / beta)
