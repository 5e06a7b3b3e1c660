"""How many pictures fit into memory at once."""

from __future__ import annotations

import torch

from zoo.cost import kept_for_backward
from zoo.device import free_memory
from zoo.recipe import AUTO, Recipe
from zoo.training.assembly import assemble
from zoo.training.ranks import Ranks
from zoo.training.trainer import Trainer

MOST = 64
_SHARE = 0.7
"""Of the free memory: the rest is for what is short-lived, and for everybody else."""
_PROBE = 2
"""Pictures that are measured with: batch norm wants more than one."""


def with_fitting_batch(recipe: Recipe, ranks: Ranks) -> Recipe:
    """Give a recipe whose batch is automatic the largest one, a power of two up to 64, that memory should hold.

    What a step keeps for its backward passes is counted for two pictures, and taken to grow in proportion. Each of
    several processes has that many pictures.
    """
    if recipe.batch != AUTO:
        return recipe
    fits = _largest_batch(recipe, ranks) if ranks.is_first else 0
    return recipe.model_copy(update={"batch": ranks.from_first(fits) * ranks.world})


def _largest_batch(recipe: Recipe, ranks: Ranks) -> int:
    parts = assemble(recipe.model_copy(update={"batch": _PROBE}), device=ranks.device(recipe.device))
    trainer = Trainer(parts)
    photos = torch.zeros(_PROBE, 3, recipe.size, recipe.size, dtype=torch.uint8, device=parts.device)
    free = free_memory(parts.device)
    with kept_for_backward() as kept:
        trainer.step(photos)
    networks = [parts.generator, *([parts.critic] if parts.critic else [])]
    # A step adds gradients and Adam's two moments to the weights.
    weights = 3 * sum(parameter.nbytes for network in networks for parameter in network.parameters())
    fits = int((free - weights) * _SHARE / (kept.bytes / _PROBE))
    return max(1, min(MOST, 1 << max(0, fits.bit_length() - 1)))
