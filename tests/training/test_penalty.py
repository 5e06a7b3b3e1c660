"""Penalties on the critic's gradients: when they are due, in which precision, and what they do."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny
from torch import Tensor
from zoo_losses.adversarial import Hinge

from zoo.data.batch import Batch
from zoo.data.picture import LabPicture
from zoo.registry.contracts import Critic, Picture
from zoo.training.assembly import assemble
from zoo.training.trainer import Trainer


def photos() -> Tensor:
    return torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_a_lazy_penalty_is_due_at_every_so_many_steps() -> None:
    trainer = Trainer(assemble(tiny(loss="l1+adv:r1=5,r1_every=3")))
    due = ["penalty" in trainer.step(Batch(photos())) for _ in range(7)]
    assert due == [True, False, False, True, False, False, True]


def test_it_counts_as_often_as_it_is_left_out_and_with_the_weight_of_its_loss() -> None:
    plain, lazy, heavy = (
        Trainer(assemble(tiny(loss=loss))).step(Batch(photos()))["penalty"]
        for loss in ("l1+adv:r1=1,r1_every=1", "l1+adv:r1=1,r1_every=4", "l1+3*adv:r1=1,r1_every=1")
    )
    assert lazy.item() == pytest.approx(4 * plain.item())
    assert heavy.item() == pytest.approx(3 * plain.item())


def test_it_is_computed_in_float32_with_a_fake_cut_off_from_the_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, bool, torch.dtype]] = []
    penalty = Hinge.penalty

    def noted(self: Hinge, critic: Critic, real: Picture, fake: Picture) -> Tensor:
        value = penalty(self, critic, real, fake)
        seen.append((torch.is_autocast_enabled("cpu"), fake.chroma.requires_grad, value.dtype))
        return value

    monkeypatch.setattr(Hinge, "penalty", noted)
    Trainer(assemble(tiny(loss="l1+adv-hinge:r1=5", precision="bf16"))).step(Batch(photos()))
    assert seen == [(False, False, torch.float32)]


def test_it_holds_the_critic_back() -> None:
    free, held = (
        Trainer(assemble(tiny(loss=f"l1+adv:r1={weight},r1_every=1", lr=1e-3, ema_decay=0))) for weight in (0, 100)
    )
    for _ in range(20):
        free.step(Batch(photos()))
        held.step(Batch(photos()))
    steep = Hinge(r1=100)
    real = LabPicture.of_photos(photos())
    assert free.assembly.critic is not None
    assert held.assembly.critic is not None
    assert steep.penalty(held.assembly.critic, real, real) < 0.2 * steep.penalty(free.assembly.critic, real, real)
