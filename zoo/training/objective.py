"""The sum of losses: what the generator and the critic minimize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.registry import Part
from zoo.registry.contracts import AdversarialLoss, Critic, ImageLoss, Picture


@dataclass(frozen=True)
class _Term:
    name: str
    weight: float
    loss: Any


class Objective:
    """All losses of a recipe, with their weights."""

    def __init__(self, losses: Sequence[Part]) -> None:
        """Make them, each with its weight, or its default one."""
        self._image: list[_Term] = []
        self._adversarial: list[_Term] = []
        for part in losses:
            terms = self._adversarial if part.component.adversarial else self._image
            weight = part.component.weight if part.weight is None else part.weight
            terms.append(_Term(part.component.name, weight, part.make()))

    def to(self, device: torch.device) -> Objective:
        """Move the losses that are modules."""
        for term in self._image + self._adversarial:
            if isinstance(term.loss, nn.Module):
                term.loss.to(device)
        return self

    def image(self, fake: Picture, real: Picture) -> dict[str, Tensor]:
        """Compare coloured pictures with their originals: loss -> weighted scalar."""
        losses: dict[str, Tensor] = {}
        for term in self._image:
            loss: ImageLoss = term.loss
            losses[term.name] = term.weight * loss(fake, real)
        return losses

    def generator(self, fake: Tensor | Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the generator's side of the adversarial losses, given the critic's logits: loss -> weighted scalar."""
        losses: dict[str, Tensor] = {}
        for term in self._adversarial:
            side: AdversarialLoss = term.loss
            losses[term.name] = term.weight * _mean_over_scales(side.generator, fake)
        return losses

    def critic(self, real: Tensor | Sequence[Tensor], fake: Tensor | Sequence[Tensor]) -> Tensor:
        """Return the critic's side of the adversarial losses, given its logits."""
        total: Tensor | float = 0.0
        for term in self._adversarial:
            side: AdversarialLoss = term.loss
            total = total + term.weight * _mean_over_scales(side.critic, real, fake)
        assert isinstance(total, Tensor), "a recipe with a critic has an adversarial loss"
        return total

    def penalties(self, critic: Critic, real: Picture, fake: Picture, step: int) -> list[Tensor]:
        """Return what the adversarial losses take from the critic at a step because of its gradients: scalars."""
        due = [self._adversarial[index] for index in self.due(step)]
        return [term.weight * _penalty_every(term.loss) * term.loss.penalty(critic, real, fake) for term in due]

    def due(self, step: int) -> tuple[int, ...]:
        """Return which of the adversarial losses have a penalty at a step."""
        every = [_penalty_every(term.loss) for term in self._adversarial]
        return tuple(index for index, steps in enumerate(every) if steps and step % steps == 0)


def _penalty_every(loss: AdversarialLoss) -> int:
    return int(getattr(loss, "penalty_every", 1)) if hasattr(loss, "penalty") else 0


def _mean_over_scales(side: Callable[..., Tensor], *logits: Tensor | Sequence[Tensor]) -> Tensor:
    scales = [[one] if isinstance(one, Tensor) else list(one) for one in logits]
    return torch.stack([side(*scale) for scale in zip(*scales, strict=True)]).mean()
