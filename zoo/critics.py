"""A recipe's critic, or several side by side as one network, and what metrics measure by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from zoo.registry import Part
from zoo.registry.contracts import Judgement, Metric, Picture
from zoo.registry.made import asks_for_critic, numbers_of


class Critics(nn.ModuleDict):
    """Several critics by name, who judge the same pictures."""

    def forward(self, lightness: Tensor, chroma: Tensor) -> list[Tensor | Sequence[Tensor] | Judgement]:
        """Return what each of them returns."""
        return [critic(lightness, chroma) for critic in self.values()]


class LogitsOf(nn.Module):
    """A critic as penalties and metrics see it: one that returns logits, and nothing else."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor | Sequence[Tensor]:
        """Judge pictures."""
        returned: Tensor | Sequence[Tensor] | Judgement = self.critic(lightness, chroma)
        return returned.logits if isinstance(returned, Judgement) else returned


def make_critic(parts: Sequence[Part]) -> nn.Module | None:
    """Make a recipe's critic, or several in one.

    Raises:
        UsageError, ZooError: one of them cannot be made.
    """
    made: list[nn.Module] = [part.make() for part in parts]
    if len(made) < 2:
        return made[0] if made else None
    return Critics(dict(zip(critic_names(parts), made, strict=True)))


def critic_names(parts: Sequence[Part]) -> list[str]:
    """Number critics of one name: `patch`, `patch-2`. Their weights are called so in files."""
    # A module's name has no dot in it.
    names = [part.component.name.replace(".", "_") for part in parts]
    return [f"{name}-{n}" if (n := names[: i + 1].count(name)) > 1 else name for i, name in enumerate(names)]


def each_of(critic: nn.Module) -> list[nn.Module]:
    """Return the critics that a network is made of: itself, or several."""
    return list(critic.values()) if isinstance(critic, Critics) else [critic]


def measured(
    metric: Metric, fake: Picture, real: Picture, name: str, critics: Sequence[nn.Module] = ()
) -> dict[str, float]:
    """Measure pictures: return a metric's numbers by full names, see `numbers_of`.

    Args:
        metric: the metric.
        fake: the coloured pictures.
        real: their originals.
        name: what to call it.
        critics: for a metric that asks for one. It is called for each, and its numbers are the means over them; where
            there are none, it has no numbers.

    Raises:
        BrokenContractError: it returns something else.
    """
    if not asks_for_critic(metric):
        return numbers_of(metric(fake, real), name)
    asking: Any = metric
    each = [numbers_of(asking(fake, real, critic=LogitsOf(one)), name) for one in critics]
    return {key: sum(numbers[key] for numbers in each) / len(each) for key in (each[0] if each else ())}
