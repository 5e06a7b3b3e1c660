"""Validation: what the generator makes of photographs that it never learns from, in pictures and in numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from zoo.conditioning import NOISE, Conditions, names_taken, noise_of
from zoo.critics import each_of
from zoo.data.batch import Batch
from zoo.data.crops import Crop, collated, middle
from zoo.data.picture import LabPicture
from zoo.data.stream import Endless
from zoo.errors import UsageError, ZooError
from zoo.memory import memory_for
from zoo.networks import predict_chroma
from zoo.recipe import Recipe
from zoo.registry.contracts import PhotoDataset
from zoo.training.assembly import Assembly
from zoo.training.distributed import Distributed

ROWS = 8
"""Photographs in a sample picture."""
_GAP = 4
REAL, FAKE, MARGIN = "critic.real", "critic.fake", "critic.margin"
"""What validation measures of the critic: its accuracy on originals, on coloured pictures, and between their logits."""


def validation_images(assembly: Assembly) -> Batch:
    """Return central crops of the validation photographs, spread over all of them, with their extras.

    Of a stream they are its first ones. Of clips, `val_images` are clips.

    Raises:
        ZooError: none of them can be read.
        UsageError: there are too few for the metric that chooses the best model.
    """
    problems: list[Exception] = []
    crops = list(_crops(assembly.val_photos, assembly.recipe, problems))
    if not crops and not problems:
        # A stream of none.
        crops = list(_crops(assembly.photos, assembly.recipe, problems))
    if not crops:
        last = f"; the last error: {problems[-1]}" if problems else ""
        raise ZooError(f"no validation photograph can be read{last}")
    images = collated(crops).batch(torch.device("cpu"))
    count = len(images.photos)
    for name, metric in list(assembly.metrics.items())[:1]:
        if metric.asks_for_critic:
            raise UsageError(
                f"metric {name} measures by the critic, which changes as it learns, and cannot choose the best model: "
                "write another metric first"
            )
        if count < metric.smallest:
            raise UsageError(
                f"metric {name} needs {metric.smallest} validation photographs to choose the best model by; there "
                f"{'is' if count == 1 else 'are'} {count}: write another metric first, or a larger val_images"
            )
    return images


def _crops(photos: PhotoDataset | Endless, recipe: Recipe, problems: list[Exception]) -> Iterator[Crop]:
    """Yield as many as are to be validated with; those that cannot be read are left out."""
    if isinstance(photos, Endless):
        yield from (middle(item, recipe.size) for item in photos.first(recipe.val_images))
        return
    count = min(len(photos), recipe.val_images)
    for index in torch.linspace(0, len(photos) - 1, count).round().long().tolist():
        try:
            yield middle(photos[index], recipe.size)
        except (ZooError, OSError) as error:
            problems.append(error)


def memory_to_validate(assembly: Assembly) -> AbstractContextManager[None]:
    """Return a context in which an error says, where memory runs out, that it was validation's."""
    size, images = assembly.recipe.size, assembly.recipe.val_images
    return memory_for(
        f"to validate with up to {images} photographs of {size}×{size} pixels",
        f"use a smaller --size or a smaller --batch, or fewer of them: --set val_images={max(1, images // 2)}",
    )


@torch.inference_mode()
def validate(
    generator: nn.Module,
    assembly: Assembly,
    images: Batch,
    distributed: Distributed | None = None,
    critic: nn.Module | None = None,
) -> tuple[dict[str, float], Tensor]:
    """Colour validation images; measure, and draw the first few of them. Several processes share the colouring.

    Nothing that training depends on changes: no weight, no statistic of batch norm, no random generator's state. A
    generator that takes noise is given each picture's own, the same at every validation; one that takes hints, none.

    Args:
        generator: in whatever mode; it is left in it.
        assembly: of the run.
        images: from `validation_images`.
        distributed: this process's place among several; they all must validate at once.
        critic: whose judgement to measure, too; it is left in its mode.

    Returns:
        The run's metrics, over all images, with what the critic makes of them; and a picture grey | coloured |
        original, uint8 (3, H, W).
    """
    distributed = distributed or Distributed()
    real = _originals(assembly, images)
    chroma: list[Tensor] = []
    # Whole clips at a time.
    taken, batch = names_taken(generator), assembly.recipe.batch
    with _evaluated(generator, assembly.device):
        parts = zip(torch.split(real.lightness, batch * images.frames), images.split(batch), strict=True)
        for number, (lightness, part) in enumerate(parts):
            if number % distributed.world_size == distributed.rank:
                extras = {name: extra.to(assembly.device) for name, extra in part.extras.items()}
                noise = noise_of(lightness) if NOISE in taken else None
                conditions = Conditions(noise=noise, extras=extras, frames=images.frames)
                chroma.append(predict_chroma(generator, lightness, assembly.dtype, conditions))
            else:
                chroma.append(torch.zeros_like(lightness).expand(-1, 2, -1, -1))
    fake = LabPicture(real.lightness, distributed.sum(torch.cat(chroma)))
    picture = _grid([pictures.rgb[:ROWS].cpu() for pictures in (_greys(real), fake, real)])
    judged = {} if critic is None else _judged(critic, assembly, fake, real)
    with nullcontext() if critic is None else _evaluated(critic, assembly.device):
        measured = _measured(assembly, fake, real, critics=() if critic is None else each_of(critic))
    return measured | judged, picture


@torch.inference_mode()
def grey_baseline(assembly: Assembly, images: Batch) -> dict[str, float]:
    """Return the run's metrics of leaving all images grey: what a generator has to be better than."""
    real = _originals(assembly, images)
    return _measured(assembly, _greys(real), real)


@torch.inference_mode()
def originals_baseline(assembly: Assembly, images: Batch) -> dict[str, float]:
    """Return what the metrics that have a healthy range, which is a share of this, say of the originals themselves."""
    real = _originals(assembly, images)
    ranged = [
        name for name, part in zip(assembly.metrics, assembly.plan.metrics, strict=True) if part.component.healthy
    ]
    return _measured(assembly, real, real, ranged)


@contextmanager
def _evaluated(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Put a network into evaluation mode, and let it draw random numbers as if it had not."""
    was_training = network.training
    network.eval()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
    network.train(was_training)


def _judged(critic: nn.Module, assembly: Assembly, fake: LabPicture, real: LabPicture) -> dict[str, float]:
    """Measure what critics make of pictures: means over critics, of those over scales, of those over all logits."""
    enabled = assembly.dtype == torch.bfloat16
    means: list[list[Tensor]] = []
    with _evaluated(critic, assembly.device), torch.autocast(assembly.device.type, torch.bfloat16, enabled=enabled):
        for pictures, sign in ((real, 1), (fake, -1)):
            parts = zip(
                *(torch.split(t, assembly.recipe.batch) for t in (pictures.lightness, pictures.chroma)), strict=True
            )
            # Without the features, which are many, of all pictures.
            judged = [[one.logits for one in assembly.objective.judged(critic(*part))] for part in parts]
            right, mean = [], []
            for of_critic in zip(*judged, strict=True):
                scales = [torch.cat([f.float().flatten() for f in scale]) for scale in zip(*of_critic, strict=True)]
                undecided = assembly.objective.undecided or 0.0
                right.append(torch.stack([(sign * s > sign * undecided).float().mean() for s in scales]).mean())
                mean.append(torch.stack([scale.mean() for scale in scales]).mean())
            means.append([torch.stack(right).mean(), torch.stack(mean).mean()])
    (real_right, real_mean), (fake_right, fake_mean) = means
    accuracy = {} if assembly.objective.undecided is None else {REAL: float(real_right), FAKE: float(fake_right)}
    return accuracy | {MARGIN: float(real_mean - fake_mean)}


def _originals(assembly: Assembly, images: Batch) -> LabPicture:
    parts = [
        LabPicture.of_photos(part.to(assembly.device)) for part in torch.split(images.photos, assembly.recipe.batch)
    ]
    return LabPicture(torch.cat([p.lightness for p in parts]), torch.cat([p.chroma for p in parts]))


def _greys(real: LabPicture) -> LabPicture:
    return LabPicture(real.lightness, torch.zeros_like(real.chroma))


def _measured(
    assembly: Assembly,
    fake: LabPicture,
    real: LabPicture,
    names: Collection[str] | None = None,
    critics: Sequence[nn.Module] = (),
) -> dict[str, float]:
    measured: dict[str, float] = {}
    for place, (name, metric) in enumerate(assembly.metrics.items()):
        if len(fake.chroma) < metric.smallest or (names is not None and name not in names):
            continue
        numbers = metric(fake, real, critics)
        if place == 0 and name not in numbers:
            raise UsageError(
                f"metric {name} returns several numbers ({', '.join(numbers)}), and the first metric chooses the best "
                "model by a single one: write a metric that returns one before it"
            )
        measured |= numbers
    return measured


def _grid(columns: list[Tensor]) -> Tensor:
    """Put pictures of [0, 1] in columns, a row each: uint8 (3, H, W)."""
    count, _, height, width = columns[0].shape
    grid = torch.full((3, count * (height + _GAP) - _GAP, len(columns) * (width + _GAP) - _GAP), 255, dtype=torch.uint8)
    for x, column in enumerate(columns):
        for y, picture in enumerate(column):
            top, left = y * (height + _GAP), x * (width + _GAP)
            grid[:, top : top + height, left : left + width] = (picture * 255).round().to(torch.uint8)
    return grid
