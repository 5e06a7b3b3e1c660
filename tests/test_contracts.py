"""Every registered component, taken from the registry itself, through its contract."""

from __future__ import annotations

import copy
import functools
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo import registry
from zoo.data.picture import LabPicture
from zoo.data.stream import Stream, batches
from zoo.model import predict_chroma
from zoo.options import options_of
from zoo.plugins import Component
from zoo.recipe import Recipe
from zoo.training.assembly import assemble
from zoo.training.trainer import Trainer

SIZE = 64

# The smallest of each, by option name: tiny encoders, few channels, random weights. A list stands for an option that
# takes one.
SMALL: dict[str, str] = {
    "base": "4",
    "encoder": "tu-test_resnet",
    "weights": "none",
    "decoder_channels": "8",
    "decoder_channels,…": "8,8,8,8,8",
    "decoder_intermediate_channels,…": "8,8,8,8",
    "decoder_fusion_channels": "8",
    "decoder_pyramid_channels": "8",
    "decoder_segmentation_channels": "32",
    "psp_out_channels": "8",
    "side": "64",
}
NEEDS: dict[str, dict[str, str]] = {
    "smp-dpt": {"encoder": "tu-test_vit"},
    "vgg": {"net": "test_resnet.r160_in1k", "weights": "random"},
    "gram": {"net": "test_resnet.r160_in1k", "weights": "random"},
    "folder": {"path": "photos"},
    "torchvision": {"name": "FakeData"},
}


@functools.cache
def spec_of(component: Component) -> str:
    small = SMALL | NEEDS.get(component.name, {})
    options = {
        option.name: small[key]
        for option in options_of(component.factory(), component.kind)
        if (key := option.name + (",…" if ",…" in option.type else "")) in small or (key := option.name) in small
    }
    return component.name + (":" + ",".join(f"{k}={v}" for k, v in options.items()) if options else "")


def of_kind(kind: Any) -> Any:
    return pytest.mark.parametrize("component", registry.components(kind=kind), ids=lambda c: c.name)


def build(component: Component, **offered: Any) -> Any:
    return registry.get().build(component.kind, spec_of(component), **offered)


def pictures(size: int = SIZE, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    lightness = torch.rand(batch, 1, size, size, generator=generator) * 2 - 1
    return lightness, torch.randn(batch, 2, size, size, generator=generator) * 0.2


@pytest.mark.parametrize("component", registry.components(), ids=str)
def test_options_and_summary_are_described(component: Component) -> None:
    assert component.summary
    assert len(component.summary) <= 70
    for option in options_of(component.factory(), component.kind):
        assert option.type
        if component.plugin != "smp":
            assert option.description, f"{component}: {option.name} has no description"


@of_kind("generator")
def test_generator(component: Component) -> None:
    torch.manual_seed(0)
    generator = build(component, size=SIZE)
    assert isinstance(generator, nn.Module)
    for height, width in ((SIZE, SIZE), (SIZE, 2 * SIZE), (50, 75)):
        chroma = predict_chroma(generator, torch.rand(2, 1, height, width) * 2 - 1, torch.float32)
        assert chroma.shape == (2, 2, height, width)
        assert chroma.isfinite().all()
    chroma.square().mean().backward()
    without = [n for n, p in generator.named_parameters() if p.requires_grad and p.grad is None]
    assert not without, f"no gradient reaches {without}"
    assert predict_chroma(generator, pictures()[0], torch.bfloat16).dtype == torch.float32


@of_kind("generator")
def test_generator_is_copied_and_restored_exactly(component: Component) -> None:
    torch.manual_seed(0)
    generator = build(component, size=SIZE).eval()
    lightness = pictures()[0]
    wanted = predict_chroma(generator, lightness, torch.float32)
    assert torch.equal(predict_chroma(copy.deepcopy(generator), lightness, torch.float32), wanted)
    other = build(component, size=SIZE, restoring=True).eval()
    other.load_state_dict(generator.state_dict())
    assert torch.equal(predict_chroma(other, lightness, torch.float32), wanted)


@of_kind("critic")
def test_critic(component: Component) -> None:
    critic = build(component)
    lightness, chroma = pictures()
    chroma.requires_grad_(True)
    logits = critic(lightness, chroma)
    scales = [logits] if isinstance(logits, Tensor) else logits
    total = torch.stack([scale.mean() for scale in scales]).sum()
    assert all(len(scale) == 2 and scale.isfinite().all() for scale in scales)
    total.backward()
    assert chroma.grad is not None
    assert chroma.grad.abs().sum() > 0
    assert all(p.grad is not None for p in critic.parameters())
    # No sigmoid inside: shifting the last bias shifts the logits without bound.
    with torch.no_grad():
        for parameter in list(critic.parameters())[-1:]:
            parameter.add_(50)
    shifted = critic(lightness, chroma)
    assert (shifted if isinstance(shifted, Tensor) else shifted[0]).max() > 2


@of_kind("loss")
def test_loss(component: Component) -> None:
    loss = build(component)
    if component.adversarial:
        logits = torch.zeros(2, 1, 4, 4, requires_grad=True)
        side = loss.generator(logits)
        side.backward()
        assert side.shape == ()
        assert logits.grad is not None
        # The generator wants larger logits, and the critic smaller ones, for its pictures.
        assert (logits.grad < 0).all()
        fake, real = (torch.full((2, 1, 4, 4), 0.5, requires_grad=True) for _ in range(2))
        loss.critic(real, fake).backward()
        assert real.grad is not None
        assert fake.grad is not None
        assert real.grad.sum() < 0 < fake.grad.sum()
        return
    lightness, chroma = pictures()
    wanted = chroma.clone()
    chroma = (chroma + 0.1).requires_grad_(True)
    value = loss(LabPicture(lightness, chroma), LabPicture(lightness, wanted))
    value.backward()
    assert value.shape == ()
    assert value.item() > 0
    assert chroma.grad is not None
    assert chroma.grad.isfinite().all()
    assert chroma.grad.abs().sum() > 0
    assert loss(LabPicture(lightness, wanted), LabPicture(lightness, wanted)).item() == pytest.approx(0, abs=1e-6)


@of_kind("dataset")
def test_dataset(component: Component, photos: Path) -> None:
    assert photos.is_dir()
    train, val = (build(component, split=split) for split in ("train", "val"))
    assert len(train) > 0
    assert len(val) > 0
    photo = train[0]
    assert photo.dtype == torch.uint8
    assert photo.ndim == 3
    assert photo.shape[0] == 3
    assert min(photo.shape[1:]) >= 16
    assert torch.equal(photo, train[0])
    assert torch.equal(photo, build(component, split="train")[0])
    assert not any(torch.equal(photo, val[index]) for index in range(min(len(val), 20)))
    assert train.fingerprint == build(component, split="train").fingerprint
    assert train.fingerprint != val.fingerprint


def combinations() -> list[tuple[Component, Component | None, Component, Component]]:
    """Choose combinations so that every pair of components of two kinds is in one of them."""
    generators, losses, datasets = (registry.components(kind=k) for k in ("generator", "loss", "dataset"))
    critics = [*registry.components(kind="critic"), None]
    wanted = {
        pair
        for first, second in itertools.combinations((generators, critics, losses, datasets), 2)
        for pair in itertools.product(first, second)
        if not any(
            critic is None and loss is not None and loss.kind == "loss" and loss.adversarial
            for critic, loss in (pair, pair[::-1])
        )
    }
    chosen = []
    for generator, loss in itertools.product(generators, losses):
        fitting = [c for c in critics if c is not None or not loss.adversarial]
        best = max(
            itertools.product([generator], fitting, [loss], datasets),
            key=lambda four: len(wanted & set(itertools.combinations(four, 2))),
        )
        wanted -= set(itertools.combinations(best, 2))
        chosen.append(best)
    assert not wanted, wanted
    return chosen


@pytest.mark.parametrize("parts", combinations(), ids=lambda four: "-".join(c.name if c else "none" for c in four))
def test_every_pair_of_components_trains_together(
    parts: tuple[Component, Component | None, Component, Component], photos: Path
) -> None:
    generator, critic, loss, data = parts
    assert photos.is_dir()
    assembled = assemble(
        Recipe(
            generator=spec_of(generator),
            critic=spec_of(critic) if critic else "none",
            loss=spec_of(loss) + ("+adv" if critic and not loss.adversarial else ""),
            data=spec_of(data),
            size=32 if generator.name != "smp-dpt" else 64,
            batch=2,
            steps=2,
            precision="float32",
            device="cpu",
        )
    )
    before = {name: value.clone() for name, value in assembled.generator.named_parameters()}
    trainer = Trainer(assembled)
    stream = Stream(assembled.photos, size=assembled.recipe.size, smallest=0.6, flip=True, seed=0)
    feed = batches(stream, batch=2, start=0, workers=0, device=assembled.device)
    for batch in itertools.islice(feed, 2):
        assert not batch.problems
        losses = trainer.step(batch.photos)
        assert losses
        assert all(torch.isfinite(value) for value in losses.values())
    moved = [name for name, value in assembled.generator.named_parameters() if not torch.equal(value, before[name])]
    assert moved
