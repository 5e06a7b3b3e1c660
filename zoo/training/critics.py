"""Critics side by side: a network that is several."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.registry import Part
from zoo.registry.contracts import Judgement


class Critics(nn.ModuleDict):
    """Several critics by name, who judge the same pictures."""

    def forward(self, lightness: Tensor, chroma: Tensor) -> list[Tensor | Sequence[Tensor] | Judgement]:
        """Return what each of them returns."""
        return [critic(lightness, chroma) for critic in self.values()]


class LogitsOf(nn.Module):
    """A critic as penalties see it: one that returns logits, and nothing else."""

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
