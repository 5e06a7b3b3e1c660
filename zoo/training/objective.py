"""The sum of losses: what the generator and the critic minimize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.registry import Part
from zoo.registry.contracts import AdversarialLoss, Critic, ImageLoss, Picture, Range
from zoo.registry.offers import Component
from zoo.registry.part import names_of
from zoo.training.guards import checked_logits, checked_scalar


@dataclass(frozen=True)
class _Term:
    name: str
    weight: float
    loss: Any
    component: Component


class Objective:
    """All losses of a recipe, with their weights."""

    def __init__(self, losses: Sequence[Part], critic: Part | None = None) -> None:
        """Make them, each with its weight, or its default one.

        Args:
            losses: the losses.
            critic: the critic that they will be used with, to name it where it breaks its contract.
        """
        self._critic = critic.component if critic else None
        self._image: list[_Term] = []
        self._adversarial: list[_Term] = []
        for name, part in zip(names_of(losses), losses, strict=True):
            terms = self._adversarial if part.component.adversarial else self._image
            weight = part.component.weight if part.weight is None else part.weight
            terms.append(_Term(name, weight, part.make(), part.component))

    @property
    def undecided(self) -> float | None:
        """The logit between "original" and "coloured", where an adversarial loss says so."""
        said: list[float] = self._said("undecided")
        return said[0] if said else None

    @property
    def healthy_margin(self) -> Range | None:
        """The range of originals' mean logit less that of coloured pictures, where an adversarial loss says so."""
        said: list[Range] = self._said("healthy_margin")
        return said[0] if said else None

    def _said(self, attribute: str) -> list[Any]:
        return [getattr(term.loss, attribute) for term in self._adversarial if hasattr(term.loss, attribute)]

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
            losses[term.name] = term.weight * checked_scalar(loss(fake, real), term.component)
        return losses

    def generator(self, fake: Tensor | Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the generator's side of the adversarial losses, given the critic's logits: loss -> weighted scalar."""
        losses: dict[str, Tensor] = {}
        for term in self._adversarial:
            losses[term.name] = term.weight * self._mean_over_scales(term, "generator", fake)
        return losses

    def critic(self, real: Tensor | Sequence[Tensor], fake: Tensor | Sequence[Tensor]) -> Tensor:
        """Return the critic's side of the adversarial losses, given its logits."""
        total: Tensor | float = 0.0
        for term in self._adversarial:
            total = total + term.weight * self._mean_over_scales(term, "critic", real, fake)
        assert isinstance(total, Tensor), "a recipe with a critic has an adversarial loss"
        return total

    def penalties(self, critic: Critic, real: Picture, fake: Picture, step: int) -> list[Tensor]:
        """Return what the adversarial losses take from the critic at a step because of its gradients: scalars."""
        due = [self._adversarial[index] for index in self.due(step)]
        return [
            term.weight
            * _penalty_every(term.loss)
            * checked_scalar(term.loss.penalty(critic, real, fake), term.component, "penalty(…)")
            for term in due
        ]

    def due(self, step: int) -> tuple[int, ...]:
        """Return which of the adversarial losses have a penalty at a step."""
        every = [_penalty_every(term.loss) for term in self._adversarial]
        return tuple(index for index, steps in enumerate(every) if steps and step % steps == 0)

    def _mean_over_scales(
        self, term: _Term, side: Literal["critic", "generator"], *logits: Tensor | Sequence[Tensor]
    ) -> Tensor:
        # Losses are computed in float32, whatever the critic ran in.
        scales = [[scale.float() for scale in checked_logits(one, self._critic)] for one in logits]
        judge: Callable[..., Tensor] = getattr(term.loss, side)
        values = [checked_scalar(judge(*scale), term.component, f"{side}(…)") for scale in zip(*scales, strict=True)]
        return torch.stack(values).mean()


def _penalty_every(loss: AdversarialLoss) -> int:
    return int(getattr(loss, "penalty_every", 1)) if hasattr(loss, "penalty") else 0
