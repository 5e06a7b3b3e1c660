"""`zoo check` of generators that know more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.testing import checks
from zoo.testing.subject import Subject


def results(factory: Callable[..., Any]) -> dict[str, tuple[str, str]]:
    return {r.check: (r.verdict, r.message) for r in checks.run(Subject("generator", factory, {}))}


class Convolution(nn.Conv2d):
    """Takes an extra.

    Args:
        width: nothing.
    """

    def __init__(self, width: int = 1) -> None:
        super().__init__(4, 2, 1)

    def forward(self, lightness: Tensor, depth: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(torch.cat([lightness, depth], 1))


class DrawsItself(Convolution):
    """Draws noise past what it is given."""

    def forward(self, lightness: Tensor, noise: Any) -> Tensor:  # type: ignore[override]
        drawn = torch.randn(len(lightness), 3, *lightness.shape[2:])
        return super().forward(lightness, drawn + noise(1, 1, 1))


class CutOff(Convolution):
    """Its own loss cannot teach anything."""

    def learn(self, real: Any, depth: Tensor) -> Any:
        return self(real.lightness, depth), {"own": torch.zeros(())}


def test_an_extra_is_filled_in() -> None:
    found = results(Convolution)
    assert found["network made"][1].endswith("takes depth")
    assert [verdict for verdict, _ in found.values() if verdict == "failed"] == []


def test_noise_past_what_is_given_is_caught() -> None:
    verdict, message = results(DrawsItself)["deterministic"]
    assert verdict == "failed"
    assert "draw noise by a parameter `noise` of forward" in message


def test_losses_of_its_own_that_teach_nothing_are_caught() -> None:
    verdict, message = results(CutOff)["gradients"]
    assert verdict == "failed"
    assert "the loss 'own' of the generator's learn(…) is cut off from its weights" in message
