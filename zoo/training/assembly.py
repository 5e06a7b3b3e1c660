"""From a recipe to its parts, made and on the device."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo import registry
from zoo.contracts import LeftOut, Metric, PhotoDataset
from zoo.data.memory import remember
from zoo.data.stream import Batch, Stream, batches
from zoo.device import keep_freed_memory, pick_device, pick_dtype, pick_memory_format
from zoo.errors import UsageError, ZooError
from zoo.model import load_model
from zoo.recipe import Recipe
from zoo.spec import parse, parse_list
from zoo.training.objective import Objective
from zoo.training.ranks import Ranks


@dataclass
class Assembly:
    """The parts of a run."""

    recipe: Recipe
    """Resolved: all weights written out, all paths absolute."""
    generator: nn.Module
    critic: nn.Module | None
    objective: Objective
    photos: PhotoDataset
    """What it trains on."""
    held_out: PhotoDataset
    """What it never trains on; the training photographs where there are no others."""
    metrics: dict[str, Metric]
    """What is measured on held-out photographs, by name. The first one says which model is the best."""
    device: torch.device
    dtype: torch.dtype

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return what the best model has least of: the first metric, or its opposite; infinite where it is unknown."""
        name = next(iter(self.metrics), "")
        if not math.isfinite(value := metrics.get(name, math.inf)):
            return math.inf
        return value if registry.get().find("metric", name).best == "lowest" else -value

    @functools.cached_property
    def remembered(self) -> PhotoDataset:
        """The training photographs, each read once as far as memory holds them."""
        return remember(self.photos)

    @property
    def left_out(self) -> list[LeftOut]:
        """Files that the data set found and does not use."""
        return list(getattr(self.photos, "left_out", []))

    @property
    def fingerprint(self) -> str:
        """The same for the same photographs."""
        return str(getattr(self.photos, "fingerprint", ""))


def assemble(recipe: Recipe, *, restoring: bool = False, device: str | None = None) -> Assembly:
    """Make the parts that a recipe names. Seeds torch's global random state.

    Args:
        recipe: what to make.
        restoring: saved weights will be loaded next, so that pretrained ones need not be fetched.
        device: another one than the recipe's.

    Raises:
        UsageError: a part or an option is unknown, or the parts do not fit together.
        ZooError: a part cannot be made.
    """
    place = pick_device(device or recipe.device)
    keep_freed_memory(place)
    recipe = recipe.resolved()
    known = registry.get()
    data = parse(recipe.data)
    photos = known.build("dataset", data, split="train")
    held_out = known.build("dataset", data, split="val")
    if len(photos) == 0:
        raise ZooError(f"{recipe.data} holds no photograph to train on")
    torch.manual_seed(recipe.seed)
    generator = known.build("generator", parse(recipe.generator), size=recipe.size, restoring=restoring)
    critic = None if recipe.critic == registry.NONE else known.build("critic", parse(recipe.critic))
    for kind, network in (("generator", generator), ("critic", critic)):
        if network is not None and not isinstance(network, nn.Module):
            raise ZooError(f"the {kind} {getattr(recipe, kind)} is a {type(network).__name__}, not a torch.nn.Module")
    dtype = pick_dtype(recipe.precision, place)
    layout = {"device": place, "memory_format": pick_memory_format(dtype)}
    return Assembly(
        recipe=recipe,
        generator=generator.to(**layout),
        critic=None if critic is None else critic.to(**layout),
        objective=Objective(recipe).to(place),
        photos=photos,
        held_out=held_out if len(held_out) else photos,
        metrics={spec.name: known.build("metric", spec) for spec in parse_list(recipe.metrics)},
        device=place,
        dtype=dtype,
    )


def begin_with(parts: Assembly, source: Path) -> None:
    """Give the networks the weights of a trained model instead of fresh ones.

    Args:
        parts: with a generator like the model's.
        source: a model's file, or a run's folder. A run's critic comes along, if it is like the one of `parts`.

    Raises:
        UsageError: there is no such model, or it is of another generator.
        ZooError: it is damaged.
    """
    from zoo.training.checkpoint import load_checkpoint

    model = load_model(source, "cpu")
    try:
        parts.generator.load_state_dict(model.generator.state_dict())
    except RuntimeError:
        raise UsageError(
            f"{source} is a model of {model.recipe.generator}, and cannot begin one of {parts.recipe.generator}"
        ) from None
    if parts.critic is not None and source.is_dir() and model.recipe.critic == parts.recipe.critic:
        tensors = load_checkpoint(source / "checkpoints")[0]
        parts.critic.load_state_dict(
            {name.removeprefix("critic/"): value for name, value in tensors.items() if name.startswith("critic/")}
        )


def make_feed(
    parts: Assembly, start: int, workers: int, ranks: Ranks | None = None, size: int | None = None
) -> Iterator[Batch]:
    """Yield a recipe's batches, or a process's share of them, from a position on, without end."""
    ranks = ranks or Ranks()
    recipe = parts.recipe
    size = size or recipe.size
    stream = Stream(parts.remembered, size=size, smallest=recipe.crop, flip=recipe.flip, seed=recipe.seed)
    return batches(
        stream,
        batch=ranks.share_of(recipe.batch),
        start=start,
        workers=workers,
        device=parts.device,
        rank=ranks.rank,
        world=ranks.world,
    )


def count_parameters(network: nn.Module | None) -> int:
    """Return how many numbers a network is made of."""
    return 0 if network is None else sum(parameter.numel() for parameter in network.parameters())


def describe(parts: Assembly) -> list[tuple[str, str]]:
    """Say what was assembled: what, and how it is."""
    from zoo.device import describe_device

    recipe = parts.recipe
    photos: Any = len(parts.photos)
    sizes = (*recipe.first_sizes, recipe.size)
    rows = [
        ("generator", f"{recipe.generator}  ({count_parameters(parts.generator) / 1e6:.1f} M parameters)"),
        ("critic", recipe.critic + (f"  ({count_parameters(parts.critic) / 1e6:.1f} M)" if parts.critic else "")),
        ("loss", recipe.loss),
        ("data", recipe.data),
        ("photographs", f"{photos:,} to train on, {len(parts.held_out):,} held out"),
        ("crops", f"{', then '.join(f'{size}×{size}' for size in sizes)}, {recipe.batch} per step"),
        ("device", f"{describe_device(parts.device)}, {str(parts.dtype).removeprefix('torch.')}"),
    ]
    if parts.left_out:
        rows.insert(5, ("left out", f"{len(parts.left_out):,} files: {summarize_left_out(parts.left_out)}"))
    multiple = getattr(parts.generator, "multiple", 1)
    if padded := ", ".join(f"{size} to {size + -size % multiple}" for size in sizes if size % multiple):
        rows.append(("note", f"this generator needs multiples of {multiple} pixels: crops are padded from {padded}"))
    return rows


def summarize_left_out(left_out: list[LeftOut], names: int = 3) -> str:
    """Count reasons, and name the first few files of each: "5 already grey (a.jpg, b.jpg, c.jpg, …)"."""
    by_reason: dict[str, list[str]] = {}
    for file in left_out:
        by_reason.setdefault(file.reason, []).append(file.path)
    return "; ".join(
        f"{len(paths)} {reason} ({', '.join(paths[:names])}{', …' * (len(paths) > names)})"
        for reason, paths in sorted(by_reason.items(), key=lambda item: -len(item[1]))
    )
