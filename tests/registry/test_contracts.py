"""Every registered component, taken from the registry itself, through its contract."""

from __future__ import annotations

import functools
import itertools
import tarfile
from pathlib import Path

import pytest
import torch
import zoo_smp.model
from torch import nn

from zoo import registry
from zoo.data.feed import IndexedCrops, batches
from zoo.recipe import Recipe
from zoo.registry.options import options_of
from zoo.registry.plugins import Component
from zoo.registry.spec import parse
from zoo.testing import checks, datasets, networks
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
    "fd": {"net": "test_resnet", "weights": "random"},
    "kid": {"net": "test_resnet", "weights": "random"},
    "lpips": {"weights": "random"},
    "fid": {"weights": "random"},
    "patch": {"features": "true"},
    "folder": {"path": "photos"},
    "shards": {"path": "photos.tar"},
    "torchvision": {"name": "FakeData"},
    "wandb": {"mode": "offline"},
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


_find_multiple = zoo_smp.model.find_multiple
_found: dict[tuple[str, int], tuple[int, list[bool]]] = {}


def _find_multiple_once(model: nn.Module, *, channels: int) -> int:
    """Find out once for each of smp's generators what it takes a second for: each is made some ten times here."""
    key = str(model), channels
    if key not in _found:
        multiple = _find_multiple(model, channels=channels)
        _found[key] = multiple, [parameter.requires_grad for parameter in model.parameters()]
    for parameter, used in zip(model.parameters(), _found[key][1], strict=True):
        parameter.requires_grad_(used)
    return _found[key][0]


@pytest.fixture(autouse=True)
def _faster_smp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo_smp.model, "find_multiple", _find_multiple_once)


# What may be noted of a component of zoo's own.
# A ReLU that noise does not wake leaves gradients of zero behind.
NOTES = {"cost", "batch of one", "gradients"}


@pytest.mark.parametrize("component", [c for c in registry.components() if c.kind != "model"], ids=str)
def test_component_keeps_its_contract(component: Component, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert photos.is_dir()
    monkeypatch.setattr(datasets, "SECONDS", 0.5)  # some hundreds of scenes are enough
    monkeypatch.setattr("zoo_metrics.inception.SIDE", 75)  # the smallest that it can take
    subject = checks.subject_of(component, parse(spec_of(component)).options, torch.device("cpu"), SIZE)
    # Compiling takes seconds, and is done once, in tests/testing.
    results = checks.run(subject, leave_out=[networks.compiled])
    assert [result for result in results if result.verdict == "failed"] == []
    assert [result for result in results if result.verdict == "noted" and result.check not in NOTES] == []


@pytest.fixture(autouse=True)
def shard(photos: Path) -> None:
    """The same photographs in a tar file."""
    with tarfile.open("photos.tar", "w") as archive:
        archive.add(photos, ".")


Parts = tuple[Component, Component | None, Component]

LOSSES = registry.components(kind="loss")


def suits(loss: Component, critic: Component | None) -> bool:
    """Whether a loss has what it needs of a critic."""
    if loss.name == "feature-matching":
        return critic is not None and "features" in {option.name for option in options_of(critic.factory(), "critic")}
    return critic is not None or not loss.adversarial


def combinations() -> list[Parts]:
    """Choose combinations so that every pair of components of two kinds is in one of them, with every loss in each."""
    generators, datasets = (registry.components(kind=kind) for kind in ("generator", "dataset"))
    critics = [*registry.components(kind="critic"), None]
    chosen = [
        (generator, critics[turn % len(critics)], datasets[(number + turn) % len(datasets)])
        for number, generator in enumerate(generators)
        for turn in range(max(len(critics), len(datasets)))
    ]
    for kinds in itertools.combinations(range(3), 2):
        pairs = {tuple(three[kind] for kind in kinds) for three in chosen}
        assert pairs == set(itertools.product(*([generators, critics, datasets][kind] for kind in kinds)))
    return chosen


@pytest.mark.parametrize("parts", combinations(), ids=lambda three: "-".join(c.name if c else "none" for c in three))
def test_every_pair_of_components_trains_together(parts: Parts, photos: Path) -> None:
    generator, critic, data = parts
    assert photos.is_dir()
    assembled = assemble(
        Recipe(
            generator=spec_of(generator),
            critic=spec_of(critic) if critic else "none",
            loss="+".join(spec_of(loss) for loss in LOSSES if suits(loss, critic)),
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
    stream = IndexedCrops(assembled.photos, size=assembled.recipe.size, augment=assembled.augment, seed=0)
    feed = batches(stream, batch=2, start=0, workers=0, device=assembled.device)
    for batch in itertools.islice(feed, 2):
        assert not batch.problems
        losses = trainer.step(batch)
        assert losses.keys() >= {loss.name for loss in LOSSES if suits(loss, critic)}
        assert all(torch.isfinite(value) for value in losses.values())
    moved = [name for name, value in assembled.generator.named_parameters() if not torch.equal(value, before[name])]
    assert moved
