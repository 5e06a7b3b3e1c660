"""From a recipe to its parts, made and on the device."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import nn

from zoo.conditioning import has_learn
from zoo.critics import make_critic
from zoo.data.augmentation import Augmentations
from zoo.data.batch import Batch
from zoo.data.cache import cached
from zoo.data.crops import PhotosAlone, collated
from zoo.data.feed import IndexedCrops, batches
from zoo.data.stream import Endless, StreamedCrops
from zoo.device import describe_device, keep_freed_memory, pick_device, pick_dtype, pick_memory_format
from zoo.errors import UsageError, ZooError
from zoo.model import load_critic, load_model
from zoo.networks import count_parameters
from zoo.recipe import NONE, Recipe
from zoo.registry import ModelSource, Part, Plan, get, resolve
from zoo.registry.contracts import LeftOut, Metric, PhotoDataset, PhotoStream, Progress
from zoo.registry.made import is_stream
from zoo.registry.part import names_of
from zoo.registry.spec import names_in
from zoo.training.distributed import Distributed
from zoo.training.guards import CheckedMetric, CheckedPhotos, CheckedStream, Form
from zoo.training.objective import Objective


@dataclass
class Assembly:
    """The parts of a run."""

    plan: Plan
    generator: nn.Module
    critic: nn.Module | None
    objective: Objective
    photos: PhotoDataset | Endless
    """What it trains on."""
    val_photos: PhotoDataset | Endless
    """What it is validated on, and never trains on; the training photographs where there are no others."""
    metrics: dict[str, CheckedMetric]
    """What validation measures, by name. The first one says which model is the best."""
    augment: Augmentations
    device: torch.device
    dtype: torch.dtype
    init: dict[str, Any] | None = None
    """Which model the weights began with, and whose: see `ModelSource.provenance`."""
    init_note: str = ""
    """The same in words, with what became of the critic."""

    @property
    def recipe(self) -> Recipe:
        """Resolved: all weights written out, all paths absolute."""
        return self.plan.recipe

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return what the best model has least of: the first metric, or its opposite; infinite where it is unknown."""
        if not self.plan.metrics:
            return math.inf
        first = self.plan.metrics[0]
        if not math.isfinite(value := metrics.get(names_of(self.plan.metrics)[0], math.inf)):
            return math.inf
        return value if first.component.best == "lowest" else -value

    @property
    def length(self) -> int | None:
        """How many photographs make an epoch; None where that is unknown."""
        return length_of(self.photos)

    def crops(self, size: int, state: Any = None) -> IndexedCrops | StreamedCrops:
        """Return the training photographs' crops: each photograph read once as far as memory holds them.

        Args:
            size: side of the crops in pixels.
            state: of a stream, after which to go on.
        """
        how: dict[str, Any] = {"size": size, "augment": self.augment, "seed": self.recipe.seed}
        if isinstance(self.photos, Endless):
            return StreamedCrops(self.photos, **how, state=state)
        return IndexedCrops(self._cached_photos, **how)

    def made_up(self, count: int, size: int) -> Batch:
        """Return a batch of noise on the device, of the form that batches of the data set have.

        Raises:
            ZooError: no photograph can be read, to see what it comes with.
        """
        crops = self.crops(size)
        crop = crops[0] if isinstance(crops, IndexedCrops) else crops.first()
        batch = collated([crop] * count).batch(self.device)
        noise = torch.Generator().manual_seed(0)
        photos = torch.randint(0, 256, batch.photos.shape, dtype=torch.uint8, generator=noise)
        return replace(batch, photos=photos.to(self.device), drawn=None)

    @functools.cached_property
    def _cached_photos(self) -> PhotoDataset:
        assert not isinstance(self.photos, Endless)
        return cached(self.photos)

    @property
    def left_out(self) -> list[LeftOut]:
        """Files that the data set found and does not use."""
        return list(getattr(self.photos, "left_out", []))

    @property
    def fingerprint(self) -> str:
        """The same for the same photographs."""
        return str(getattr(self.photos, "fingerprint", ""))


def assemble(
    recipe: Recipe | Plan,
    *,
    restoring: bool = False,
    resuming: bool = False,
    device: str | None = None,
    progress: Progress | None = None,
) -> Assembly:
    """Make the parts that a recipe names. Seeds torch's global random state.

    Args:
        recipe: what to make.
        restoring: saved weights will be loaded next, so that pretrained ones need not be fetched.
        resuming: a checkpoint will be, which holds what losses found out, too.
        device: another one than the recipe's.
        progress: is told how many files the data set has looked through.

    Raises:
        UsageError: a part or an option is unknown, or the parts do not fit together.
        ZooError: a part cannot be made.
    """
    plan = resolve(recipe)
    place = pick_device(device or plan.asked.device)
    keep_freed_memory(place)
    recipe = plan.recipe
    form = Form(plan.data.component)
    photos = _checked(plan.data.make(split="train", progress=progress), form)
    val_photos = _checked(plan.data.make(split="val", progress=progress), form)
    if length_of(photos) == 0:
        raise ZooError(f"{plan.data.brief} holds no photograph to train on")
    if length_of(photos) is None:
        _check_counts_no_epochs(recipe, plan.data)
    torch.manual_seed(recipe.seed)
    generator = plan.generator.make(size=recipe.size, restoring=restoring or resuming)
    if not plan.losses and not has_learn(generator):
        raise UsageError(
            f"--loss {NONE} is for generators that bring losses of their own, in a method learn(…); "
            f"{plan.generator.name} has none: write a sum of losses, such as --loss l1"
        )
    critic = make_critic(plan.critics)
    layout: Any = {"device": place, "memory_format": pick_memory_format(place)}
    return Assembly(
        plan=plan,
        generator=generator.to(**layout),
        critic=None if critic is None else critic.to(**layout),
        objective=Objective(plan.losses, plan.critics, photos=_alone(photos), restoring=resuming).to(place),
        photos=photos,
        val_photos=photos if length_of(val_photos) == 0 else val_photos,
        metrics={
            name: CheckedMetric(_on(place, metric.make()), metric.component, name)
            for name, metric in zip(names_of(plan.metrics), plan.metrics, strict=True)
        },
        augment=Augmentations(plan.augmentations),
        device=place,
        dtype=pick_dtype(recipe.precision, place, generator),
    )


def length_of(photos: PhotoDataset | Endless) -> int | None:
    """Return how many photographs there are; None where that is unknown."""
    return photos.length if isinstance(photos, Endless) else len(photos)


def _checked(made: PhotoDataset | PhotoStream, form: Form) -> PhotoDataset | Endless:
    return Endless(CheckedStream(made, form)) if is_stream(made) else CheckedPhotos(cast(PhotoDataset, made), form)


def _check_counts_no_epochs(recipe: Recipe, data: Part) -> None:
    """Make sure that nothing is to happen at epochs that nobody can count."""
    for field in ("epochs", "schedule", "keep_epochs"):
        if getattr(recipe, field):
            raise UsageError(
                f"{data.brief} does not say how many photographs make an epoch, so {field} means nothing: "
                + ("leave it out" if field == "keep_epochs" else "say --steps or --minutes instead")
            )


def _alone(photos: PhotoDataset | Endless) -> PhotoDataset | None:
    return None if isinstance(photos, Endless) else PhotosAlone(photos)


def _on(device: torch.device, made: Metric) -> Metric:
    return made.to(device) if isinstance(made, nn.Module) else made


def init_from(assembly: Assembly, source: ModelSource) -> None:
    """Give the networks the weights of a trained model instead of fresh ones.

    Args:
        assembly: with a generator like the model's.
        source: the model. Its critic comes along, if it has one that is like that of the assembly.

    Raises:
        UsageError: it is no model, or one of another generator.
        ZooError: it is damaged.
    """
    model = load_model(source.file, "cpu")
    try:
        assembly.generator.load_state_dict(model.generator.state_dict())
    except RuntimeError:
        raise UsageError(
            f"{source.text} is a model of {model.recipe.generator}, and cannot begin one of "
            f"{assembly.plan.generator.brief}"
        ) from None
    assembly.init = dict(source.provenance)
    assembly.init_note = f"{source}{_init_critic(assembly, source, model.recipe)}"


def _init_critic(assembly: Assembly, source: ModelSource, recipe: Recipe) -> str:
    """Give the critic the weights of the one that a model brings, if they are alike; say whether that was so."""
    critic = assembly.critic
    if critic is None:
        return ""
    file = source.critic()
    if file is not None:
        recipe, weights = load_critic(file)
    if not _are_like(assembly.plan.critics, recipe.critic):
        theirs = "without one" if recipe.critic == NONE else f"with another {names_in(recipe.critic)}"
        return f"; the critic begins anew, for the model was trained {theirs}"
    if file is None:
        return "; the critic begins anew, for the model brings none"
    try:
        critic.load_state_dict(weights)
    except RuntimeError:
        raise UsageError(
            f"the critic that {source.text} brings does not fit {recipe.critic}: its plugin has changed since"
        ) from None
    return "; its critic comes along"


def _are_like(critics: Sequence[Part], text: str) -> bool:
    """Whether a recipe's text means these critics, with the same options; their weights are no matter."""
    known = get()
    try:
        theirs = [known.part("critic", term).spec for term in known.terms("critic", text)]
        return [replace(spec, weight=None) for spec in theirs] == [replace(c.spec, weight=None) for c in critics]
    except UsageError:
        # None, or one that is not installed.
        return False


def make_feed(
    assembly: Assembly,
    start: int,
    workers: int,
    distributed: Distributed | None = None,
    size: int | None = None,
    state: Any = None,
) -> Iterator[Batch]:
    """Yield a recipe's batches, or this process's part of them, from a position on, without end.

    Of a stream, `state` is that after the photograph before the position.
    """
    distributed = distributed or Distributed()
    recipe = assembly.recipe
    return batches(
        assembly.crops(size or recipe.size, state),
        batch=distributed.batch_per_process(recipe.batch),
        start=start,
        workers=workers,
        device=assembly.device,
        rank=distributed.rank,
        world_size=distributed.world_size,
    )


def describe(assembly: Assembly) -> list[tuple[str, str]]:
    """Say what was assembled: what, and how it is."""
    recipe, plan, critic = assembly.recipe, assembly.plan, assembly.critic
    train, val = ("a stream" if n is None else f"{n:,}" for n in (assembly.length, length_of(assembly.val_photos)))
    sizes, critics = recipe.sizes, "+".join(critic.brief for critic in plan.critics)
    rows = [
        ("generator", f"{plan.generator.brief}  ({count_parameters(assembly.generator) / 1e6:.1f} M parameters)"),
        ("critic", f"{critics}  ({count_parameters(critic) / 1e6:.1f} M)" if critic else NONE),
        ("loss", _losses(assembly)),
        ("data", plan.data.brief),
        ("photographs", f"{train} for training, {val} for validation"),
        ("crops", f"{', then '.join(f'{size}×{size}' for size in sizes)}, {recipe.batch} per step"),
        ("augment", "+".join(augmentation.brief for augmentation in plan.augmentations) or NONE),
        ("optimizer", plan.optimizer.brief),
        ("device", f"{describe_device(assembly.device)}, {str(assembly.dtype).removeprefix('torch.')}"),
    ]
    if assembly.init_note:
        rows.append(("begins with", assembly.init_note))
    if left_out := assembly.left_out:
        rows.insert(5, ("left out", f"{len(left_out):,} files: {summarize_left_out(left_out)}"))
    multiple = getattr(assembly.generator, "multiple", 1)
    if padded := ", ".join(f"{size} to {size + -size % multiple}" for size in sizes if size % multiple):
        rows.append(("note", f"this generator needs multiples of {multiple} pixels: crops are padded from {padded}"))
    return rows


def _losses(assembly: Assembly) -> str:
    losses = "+".join(loss.brief for loss in assembly.plan.losses)
    if not has_learn(assembly.generator):
        return losses
    return f"{losses}, and the generator's own" if losses else "the generator's own"


def summarize_left_out(left_out: list[LeftOut], names: int = 3) -> str:
    """Count reasons, and name the first few files of each: "5 already grey (a.jpg, b.jpg, c.jpg, …)"."""
    by_reason: dict[str, list[str]] = {}
    for file in left_out:
        by_reason.setdefault(file.reason, []).append(file.path)
    return "; ".join(
        f"{len(paths)} {reason} ({', '.join(paths[:names])}{', …' * (len(paths) > names)})"
        for reason, paths in sorted(by_reason.items(), key=lambda item: -len(item[1]))
    )
