"""The call of a generator in training: its forward, or a training forward of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo.conditioning import Conditions, bare, filled_in, has_learn
from zoo.data.picture import LabPicture
from zoo.errors import BrokenContractError
from zoo.networks import checked_chroma, padded, predict_chroma, size_of
from zoo.registry.contracts import Picture


class Learning(nn.Module):
    """A generator whose `learn` is called, for what can only be put around a forward: compilers, several processes."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, lightness: Tensor, chroma: Tensor, **filled: Any) -> Any:
        """Call it with an original, in two tensors."""
        return self.generator.learn(LabPicture(lightness, chroma), **filled)  # type: ignore[operator]


def learned_through(generator: nn.Module) -> nn.Module:
    """Return what training calls a generator through: itself, or its `learn` if it has one."""
    return Learning(generator) if has_learn(generator) else generator


def colour_in_training(
    network: nn.Module, real: Picture, dtype: torch.dtype, conditions: Conditions
) -> tuple[Tensor, dict[str, Tensor]]:
    """Colour originals as training does.

    Args:
        network: from `learned_through`, with whatever is around it.
        real: the originals; a generator without `learn` sees nothing but their lightness.
        dtype: what it computes in.
        conditions: what there is beside them.

    Returns:
        Chroma (N, 2, H, W) in float32, and the generator's own losses by name.

    Raises:
        BrokenContractError: what it returns is something else.
        UsageError: it needs an extra that is not there.
    """
    learning = bare(network)
    if not isinstance(learning, Learning):
        return predict_chroma(network, real.lightness, dtype, conditions), {}
    generator = learning.generator
    seen, chroma = (padded(generator, part) for part in (real.lightness, real.chroma))
    size = size_of(real.lightness)
    filled = filled_in(generator, generator.learn, seen, size, conditions)  # type: ignore[arg-type]
    with torch.autocast(seen.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        learned = network(seen, chroma, **filled)
    if not isinstance(learned, tuple) or len(learned) != 2 or not isinstance(learned[1], Mapping):
        raise BrokenContractError(
            f"the generator's learn(…) returned {_described(learned)}, expected chroma and losses by name"
        )
    return checked_chroma(learned[0], seen, size), dict(map(_checked, learned[1].items()))


def _checked(named: tuple[object, object]) -> tuple[str, Tensor]:
    name, loss = named
    if not isinstance(name, str):
        raise BrokenContractError(f"a loss of the generator's learn(…) is named {name!r}, which is no text")
    if not isinstance(loss, Tensor) or loss.shape != ():
        raise BrokenContractError(
            f"the loss {name!r} of the generator's learn(…) is {_described(loss)}, expected a scalar, of shape ()"
        )
    if torch.is_grad_enabled() and not loss.requires_grad:
        raise BrokenContractError(
            f"the loss {name!r} of the generator's learn(…) is cut off from its weights: no gradient can reach them"
        )
    return name, loss.float()


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else f"a {type(value).__name__}"
