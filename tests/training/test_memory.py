"""Less memory, the same training: batches in parts, activations computed twice, batches that fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import same, tiny, weights
from torch import Tensor, nn

from zoo import Recipe, UsageError, train
from zoo.cost import kept_for_backward
from zoo.registry import resolve
from zoo.training.activation_checkpointing import checkpoint_activations
from zoo.training.assembly import assemble
from zoo.training.batch_size import LARGEST
from zoo.training.trainer import Trainer


def kept(recipe: Recipe) -> int:
    """Bytes that the generator keeps for the backward pass."""
    trainer = Trainer(assemble(recipe))
    with kept_for_backward() as found:
        trainer.assembly.generator(torch.randn(4, 1, recipe.size, recipe.size))
    return found.bytes


@pytest.mark.parametrize(
    "changes",
    [
        {"generator": "unet-shallow:base=4,dropout=true,norm=batch"},
        {"generator": "unet-deep:base=4", "precision": "bf16"},
        {"generator": "smp-unet:encoder=tu-test_resnet,weights=none", "steps": 2},
    ],
    ids=lambda changes: str(changes["generator"]),
)
def test_low_memory_learns_bit_for_bit_the_same_and_keeps_less(changes: dict[str, Any]) -> None:
    normal, low = tiny(**changes), tiny(**changes, memory="low")
    assert same(weights(train(low, name="low")), weights(train(normal, name="normal")))
    assert kept(low) < 0.7 * kept(normal)


def test_buffers_move_once() -> None:
    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(1, 2, 3, padding=1))
            self.blocks = nn.ModuleList([nn.Sequential(conv, nn.BatchNorm2d(2))])

        def forward(self, x: Tensor) -> Tensor:
            return self.blocks[0](x)

    plain, low = Spectral(), Spectral()
    checkpoint_activations(low)
    x = torch.randn(2, 1, 8, 8, generator=torch.manual_seed(2))
    for network in (plain, low):
        network(x).square().sum().backward()
    assert same(plain.state_dict(), low.state_dict())
    gradients = [{name: p.grad for name, p in network.named_parameters()} for network in (plain, low)]
    assert same(*gradients)


def test_a_generator_without_blocks_says_so() -> None:
    with pytest.raises(UsageError, match="memory=low: Conv2d has no"):
        checkpoint_activations(nn.Conv2d(1, 2, 3))


@pytest.mark.parametrize(("pictures", "expected"), [(5.5, 4), (0.5, 1), (10_000, LARGEST)])
def test_an_automatic_batch_fits(monkeypatch: pytest.MonkeyPatch, pictures: float, expected: int) -> None:
    from zoo.training import batch_size

    recipe = tiny(batch="auto", generator="unet-shallow:base=8,depth=2,norm=none", steps=1)
    free = [0.0]
    monkeypatch.setattr(batch_size, "free_memory", lambda device: free[0])

    def fitting(bytes_: float) -> int:
        free[0] = bytes_
        return batch_size.with_auto_batch(resolve(recipe), batch_size.Distributed()).asked.batch

    # The memory at which a second picture fits, by halving the interval.
    low, high = 0.0, 1e9
    while high - low > 1e4:
        middle = (low + high) / 2
        low, high = (low, middle) if fitting(middle) > 1 else (middle, high)
    # From there on it grows in proportion, above what the weights take.
    parts = assemble(tiny(batch=2, generator=recipe.generator))
    taken = 3 * sum(p.nbytes for n in (parts.generator, parts.critic) if n is not None for p in n.parameters())
    assert fitting(taken + (high - taken) * pictures / 2) == expected


def test_a_run_with_an_automatic_batch_keeps_it() -> None:
    run = train(tiny(batch="auto", data="scenes:side=48,length=100,val=4", steps=1), name="auto")
    assert run.recipe.batch == LARGEST
    assert run.info["progress"]["images"] == LARGEST
