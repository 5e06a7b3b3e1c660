"""The sum of losses: what the generator and the critic minimize."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from zoo.critics import LogitsOf, each_of
from zoo.errors import UsageError
from zoo.registry import Part
from zoo.registry.contracts import AdversarialLoss, NoFeaturesError, PhotoDataset, Picture, Range, Step
from zoo.registry.made import asked_for
from zoo.registry.offers import Component
from zoo.registry.part import names_of
from zoo.training.guards import Judged, checked_judgement, checked_scalar

Judgements: TypeAlias = list[Judged]
"""What each of the critics made of pictures."""
Losses: TypeAlias = dict[str, Tensor]
"""Weighted scalars, by loss."""


@dataclass(frozen=True)
class _Term:
    name: str
    weight: float
    loss: Any
    component: Component

    def value(self, side: Literal["", "critic", "generator", "penalty"], *given: Any, **offered: Any) -> Tensor:
        """Return what the loss, or one of its methods, makes of what it is given and of what else it asks for."""
        function: Callable[..., Tensor] = getattr(self.loss, side) if side else self.loss
        try:
            returned = function(*given, **asked_for(function, offered))
        except NoFeaturesError as error:
            raise NoFeaturesError(f"{self.component} asks for a critic's features, and {error}") from None
        return checked_scalar(returned, self.component, f"{side}(…)" if side else "it")


class Objective:
    """All losses of a recipe, with their weights."""

    def __init__(
        self,
        losses: Sequence[Part],
        critics: Sequence[Part] = (),
        *,
        photos: PhotoDataset | None = None,
        restoring: bool = False,
    ) -> None:
        """Make them, each with its weight, or its default one.

        Args:
            losses: the losses.
            critics: the critics that they will be used with, each with its weight, if there are several.
            photos: the training photographs, for losses that ask for them; None where they are a stream.
            restoring: the losses' saved state will be loaded next.

        Raises:
            UsageError: one of them asks for photographs, and there are none.
        """
        self._critics = [critic.component for critic in critics]
        self._critic_weights = [critic.weight for critic in critics]
        self._image: list[_Term] = []
        self._adversarial: list[_Term] = []
        for name, part in zip(names_of(losses), losses, strict=True):
            terms = self._adversarial if part.component.adversarial else self._image
            weight = part.component.weight if part.weight is None else part.weight
            if photos is None and "photos" in inspect.signature(part.component.factory()).parameters:
                raise UsageError(
                    f"{part.component} looks at the training photographs before the first step, and a stream has none "
                    "to look at by then: choose a data set with numbered photographs, or another loss"
                )
            terms.append(_Term(name, weight, part.make(photos=photos, restoring=restoring), part.component))

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

    @property
    def image_losses(self) -> int:
        """How many losses compare pictures."""
        return len(self._image)

    def _said(self, attribute: str) -> list[Any]:
        return [getattr(term.loss, attribute) for term in self._adversarial if hasattr(term.loss, attribute)]

    # ------------------------------------------------------------------------------------------------- their state

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The losses that are modules, by name."""
        return {t.name: t.loss for t in self._image + self._adversarial if isinstance(t.loss, nn.Module)}

    @property
    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters of losses that learn, each once, by names such as `loss NAME weight`."""
        found = {
            parameter: f"loss {name} {key}"
            for name, module in self.modules.items()
            for key, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        return [(name, parameter) for parameter, name in found.items()]

    def state(self) -> dict[str, Tensor]:
        """Return the parameters that learn and the buffers, themselves, by names such as `loss/NAME.weight`."""
        return {
            f"loss/{name}.{key}": value
            for name, module in self.modules.items()
            for key, value in kept_of(module).items()
        }

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `state` returned. What is missing stays as it is: checkpoints did not always hold it.

        Raises:
            RuntimeError: it is the state of other losses.
        """
        for name, value in self.state().items():
            if name in tensors:
                if tensors[name].shape != value.shape:
                    raise RuntimeError(f"{name} has the shape {tuple(tensors[name].shape)}, not {tuple(value.shape)}")
                value.copy_(tensors[name])

    def to(self, device: torch.device) -> Objective:
        """Move the losses that are modules."""
        for module in self.modules.values():
            module.to(device)
        return self

    # ------------------------------------------------------------------------------------------------- their values

    def image(
        self, fake: Picture, real: Picture, step: Step | None = None, *, resting: bool = False
    ) -> dict[str, Tensor]:
        """Compare coloured pictures with their originals: loss -> weighted scalar.

        Args:
            fake: the coloured pictures.
            real: their originals.
            step: where the run is, for those that ask for it.
            resting: the critics rest: whatever asks for their features does, too.
        """
        losses: dict[str, Tensor] = {}
        for term in self._image:
            try:
                losses[term.name] = term.weight * term.value("", fake, real, step=step)
            except NoFeaturesError:
                if not resting:
                    raise
        return losses

    def judged(self, returned: Any) -> Judgements:
        """Look at what the critic returned, or all of several."""
        if len(self._critics) < 2:
            return [checked_judgement(returned, self._critics[0] if self._critics else None)]
        return [checked_judgement(one, critic) for one, critic in zip(returned, self._critics, strict=True)]

    def generator(self, fake: Judgements, real: Judgements, step: Step) -> dict[str, Tensor]:
        """Return the generator's side of the adversarial losses, by judgements: loss -> weighted scalar."""

        def side(term: _Term, fake: Tensor, real: Tensor) -> Tensor:
            return term.value("generator", fake, real=real.detach(), step=step)

        return {term.name: term.weight * self._over_critics(side, term, fake, real) for term in self._adversarial}

    def critic(self, real: Judgements, fake: Judgements, step: Step) -> Tensor:
        """Return the critic's side of the adversarial losses, by judgements."""

        def side(term: _Term, fake: Tensor, real: Tensor) -> Tensor:
            return term.value("critic", real, fake, step=step)

        total: Tensor | float = 0.0
        for term in self._adversarial:
            total = total + term.weight * self._over_critics(side, term, fake, real)
        assert isinstance(total, Tensor), "a recipe with a critic has an adversarial loss"
        return total

    def penalties(
        self, critic: nn.Module, real: Picture, fake: Picture, due: Sequence[int], step: Step
    ) -> list[Tensor]:
        """Return those penalties on the critic's gradients that are due, weighted.

        Args:
            critic: the bare network.
            real: originals.
            fake: coloured pictures, cut off from the generator.
            due: which, as `due` says.
            step: where the run is.
        """
        penalties = []
        for term in (self._adversarial[index] for index in due):
            values = [term.value("penalty", LogitsOf(one), real, fake, step=step) for one in each_of(critic)]
            penalties.append(term.weight * _penalty_every(term.loss) * self._sum(values))
        return penalties

    def due(self, step: int) -> tuple[int, ...]:
        """Return which of the adversarial losses have a penalty at a step."""
        every = [_penalty_every(term.loss) for term in self._adversarial]
        return tuple(index for index, steps in enumerate(every) if steps and step % steps == 0)

    def _over_critics(
        self, side: Callable[[_Term, Tensor, Tensor], Tensor], term: _Term, fake: Judgements, real: Judgements
    ) -> Tensor:
        """Sum up one side of a game over the critics: of each, the mean over its scales."""
        means = []
        for on_fake, on_real in zip(fake, real, strict=True):
            # Losses are computed in float32, whatever the critic ran in.
            scales = zip(on_fake.logits, on_real.logits, strict=True)
            means.append(torch.stack([side(term, f.float(), r.float()) for f, r in scales]).mean())
        return self._sum(means)

    def _sum(self, values: list[Tensor]) -> Tensor:
        """Sum up by the critics' weights; one critic alone may have none."""
        weighted = [v if w is None else w * v for w, v in zip(self._critic_weights or [None], values, strict=True)]
        return weighted[0] if len(weighted) == 1 else torch.stack(weighted).sum()


def kept_of(loss: nn.Module) -> dict[str, Tensor]:
    """Return what checkpoints keep of a loss, itself: its buffers and its parameters, but for frozen ones."""
    frozen = {key for key, p in loss.named_parameters(remove_duplicate=False) if not p.requires_grad}
    return {k: v for k, v in loss.state_dict().items() if isinstance(v, Tensor) and k not in frozen}


def with_features(step: Step, fake: Judgements, real: Judgements) -> Step:
    """Return a step that knows what the critics saw."""
    if all(one.features is None for one in fake):
        return Step(
            step.number, step.progress, missing="this critic offers none: write one that does, or an option of it"
        )
    of_fake, of_real = ([f for one in all_ for f in one.features or ()] for all_ in (fake, real))
    return Step(step.number, step.progress, of_fake, of_real)


def _penalty_every(loss: AdversarialLoss) -> int:
    return int(getattr(loss, "penalty_every", 1)) if hasattr(loss, "penalty") else 0
