"""The batch size that `auto` stands for: how many images fit into memory at once."""

from __future__ import annotations

from zoo.cost import kept_for_backward
from zoo.device import free_memory
from zoo.recipe import AUTO
from zoo.registry import Plan
from zoo.registry.contracts import Progress
from zoo.training.assembly import assemble
from zoo.training.distributed import Distributed
from zoo.training.trainer import Trainer

LARGEST = 64
_PART_OF_MEMORY = 0.7
"""Of the free memory: the rest is for what is short-lived, and for everybody else."""
_PROBE = 2
"""Images that are measured with: batch norm wants more than one."""


def with_auto_batch(plan: Plan, distributed: Distributed, progress: Progress | None = None) -> Plan:
    """Give a plan whose batch is automatic the largest one, a power of two up to 64, that memory should hold.

    What a step keeps for its backward passes is counted for two images, and taken to grow in proportion. Each of
    several processes has that many images. `progress` is as for `assemble`.
    """
    if plan.asked.batch != AUTO:
        return plan
    fits = _largest_batch(plan, distributed, progress) if distributed.is_main else 0
    return plan.with_batch(distributed.from_main(fits) * distributed.world_size)


def _largest_batch(plan: Plan, distributed: Distributed, progress: Progress | None) -> int:
    probe, device = plan.with_batch(_PROBE), distributed.device(plan.asked.device)
    assembly = assemble(probe, device=device, progress=progress)
    trainer = Trainer(assembly)
    side = assembly.recipe.size
    batch = assembly.made_up(_PROBE, side)
    free = free_memory(assembly.device)
    with kept_for_backward() as kept:
        trainer.step(batch)
    networks = [assembly.generator, *([assembly.critic] if assembly.critic else [])]
    # A step adds gradients and two moments to the weights, as Adam has.
    weights = 3 * sum(parameter.nbytes for network in networks for parameter in network.parameters())
    fits = int((free - weights) * _PART_OF_MEMORY / (kept.bytes / _PROBE))
    return max(1, min(LARGEST, 1 << max(0, fits.bit_length() - 1)))
