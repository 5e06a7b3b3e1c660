"""The walk over photographs: each is made grey, coloured by every method, and compared with itself, one at a time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from zoo.critics import measured
from zoo.data.picture import LabPicture
from zoo.errors import BrokenContractError, UsageError, ZooError
from zoo.evaluation.given import Given, draw_hints, shown
from zoo.evaluation.photographs import SMALLEST, Photographs
from zoo.files import explain_os_error
from zoo.memory import memory_for
from zoo.photo import Photo, color
from zoo.photo.colourless import colourless
from zoo.photo.finding import spread
from zoo.registry import Part
from zoo.registry.contracts import LeftOut, Metric, Progress
from zoo.registry.made import asks_for_critic, is_set_metric, numbers_of
from zoo.registry.part import names_of

Method = Callable[[Given], Tensor]
"""From a photograph without its colours, and what there is beside it, to uint8 (3, H, W)."""


class NothingMeasuredError(ZooError):
    """There was no photograph that could be measured."""


@dataclass(frozen=True)
class Original:
    """A photograph that was measured."""

    index: int
    """Among all photographs."""
    place: int
    """Among those that were to be measured."""
    name: str
    pixels: str
    """A hash of what was measured: BLAKE2b of height, width and the bytes of sRGB."""
    height: int
    width: int


@dataclass
class Measurements:
    """What came out of the walk."""

    originals: list[Original] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    numbers: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """By the numbers' full names, of each photograph: (photographs, methods)."""
    features: dict[str, list[Tensor]] = field(default_factory=dict)
    """By metrics, of the originals and then of each method: (photographs, F)."""


def without_colours(photo: Tensor) -> Photo:
    """Take a photograph's colours away: what `read_photo` would say of it if it were grey."""
    return Photo(color.rgb_to_lab(photo)[:1])


@torch.inference_mode()
def measure(
    photographs: Photographs,
    indices: Sequence[int],
    methods: Mapping[str, Method],
    metrics: Mapping[str, tuple[Part, Metric]],
    *,
    crop: int | None = None,
    hints: int = 0,
    seed: int = 0,
    greys: bool = False,
    critics: Mapping[str, Sequence[nn.Module]] | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> Measurements:
    """Measure what methods make of photographs. One that cannot be measured is left out, for all of them, and listed.

    Args:
        photographs: which.
        indices: of those that are to be measured.
        methods: what colours them, by name.
        metrics: what compares them, by name.
        crop: see `shown`.
        hints: how many are drawn from each original, for methods that take some.
        seed: of these.
        greys: measure photographs without colours, too.
        critics: of the methods that have some, for metrics that ask for one; the others' numbers are NaN.
        device: where the metrics compute.
        progress: is told after each photograph.

    Raises:
        NothingMeasuredError: no photograph was left.
        ZooError: a metric or a model does not do what its contract says.
    """
    found = Measurements()
    rows: dict[str, list[list[float]]] = {}
    features: dict[str, list[list[Tensor]]] = {}
    for place, index in enumerate(indices):
        name = photographs.names[index]
        try:
            rgb, extras = shown(*photographs.item(index), crop)
            if why := _unfit(rgb, greys):
                raise _UnfitError(why)
            given = Given(without_colours(rgb), place, extras, draw_hints(rgb, hints, seed))
            coloured = _coloured(given, methods)
        except BrokenContractError:
            raise
        except (ZooError, OSError) as error:
            reason = explain_os_error(error) if isinstance(error, OSError) else str(error)
            found.left_out.append(LeftOut(name, reason))
        else:
            by = [(critics or {}).get(method, ()) for method in methods]
            numbers, kept = _compared(rgb, coloured, by, metrics, device)
            height, width = rgb.shape[1:]
            found.originals.append(Original(index, place, name, _hash(rgb), height, width))
            for number, values in numbers.items():
                rows.setdefault(number, []).append(values)
            for metric, tensors in kept.items():
                features.setdefault(metric, []).append(tensors)
        if progress is not None:
            progress(place + 1, len(indices))
    if not found.originals:
        last = f"; the last one, {found.left_out[-1].path}: {found.left_out[-1].reason}" if found.left_out else ""
        raise NothingMeasuredError(f"no photograph of {photographs.data} can be measured{last}")
    for number, table in rows.items():
        if {len(row) for row in table} != {len(methods)} or len(table) != len(found.originals):
            raise ZooError(f"the metric of {number} returns it for some photographs and not for others")
        found.numbers[number] = np.array(table, np.float64)
    found.features = {
        metric: [torch.cat(column) for column in zip(*tensors, strict=True)] for metric, tensors in features.items()
    }
    return found


class _UnfitError(ZooError):
    """There is nothing to measure in a photograph."""


def _unfit(rgb: Tensor, greys: bool) -> str:
    height, width = rgb.shape[1:]
    if min(height, width) < SMALLEST:
        return f"smaller than {SMALLEST} pixels: {width}×{height}"
    return "" if greys else colourless(Image.fromarray(rgb.permute(1, 2, 0).numpy()))


def _coloured(given: Given, methods: Mapping[str, Method]) -> list[Tensor]:
    coloured = []
    size = f"{given.photo.width}×{given.photo.height}"
    for name, colorize in methods.items():
        try:
            with memory_for(f"for its {size} pixels", "use a smaller --size"):
                coloured.append(colorize(given))
        except ZooError as error:
            raise type(error)(f"{name}: {error}") from error
    return coloured


def _compared(
    rgb: Tensor,
    coloured: Sequence[Tensor],
    critics: Sequence[Sequence[nn.Module]],
    metrics: Mapping[str, tuple[Part, Metric]],
    device: torch.device | None,
) -> tuple[dict[str, list[float]], dict[str, list[Tensor]]]:
    real, *fakes = (_picture(one, device) for one in (rgb, *coloured))
    numbers: dict[str, list[float]] = {}
    features: dict[str, list[Tensor]] = {}
    height, width = rgb.shape[1:]
    for name, (part, metric) in metrics.items():
        enough = memory_for(f"to measure {name} of {width}×{height} pixels", "leave it out of --metrics")
        if is_set_metric(metric):
            with enough:
                features[name] = [_features(part, metric, picture) for picture in (real, *fakes)]
            continue
        with enough, _broken(part):
            each = [measured(metric, fake, real, name, by) for fake, by in zip(fakes, critics, strict=True)]
        if asks_for_critic(metric):
            # Whoever has none would have the same numbers.
            each = [found or dict.fromkeys(next(filter(None, each), ()), math.nan) for found in each]
        for found in each:
            for number, value in found.items():
                numbers.setdefault(number, []).append(value)
    return numbers, features


def compared(part: Part, metric: Any, name: str, fake: Tensor, real: Tensor) -> dict[str, float]:
    """Return the numbers of a metric of whole sets, by their full names.

    Args:
        part: whose metric it is.
        metric: has features and compares them.
        name: what to call it.
        fake: (photographs, F).
        real: likewise.

    Raises:
        ZooError: it returns something else.
    """
    with _broken(part):
        return numbers_of(metric.compare(fake, real), name)


def make_metrics(parts: Sequence[Part], device: torch.device | None) -> dict[str, tuple[Part, Metric]]:
    """Make metrics, by the names that tell them apart.

    Raises:
        UsageError: one is there twice, with the same options.
        ZooError: one cannot be made.
    """
    names = names_of(parts)
    names = [part.brief if names.count(name) > 1 else name for name, part in zip(names, parts, strict=True)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"the metric {twice[0]} is given twice")
    made = {name: (part, part.make()) for name, part in zip(names, parts, strict=True)}
    for _, metric in made.values():
        if isinstance(metric, nn.Module):
            metric.to(device or "cpu").eval()
    return made


def _picture(rgb: Tensor, device: torch.device | None) -> LabPicture:
    rgb = rgb[None] if device is None else rgb[None].to(device)
    picture = LabPicture.of_photos(rgb)
    # The eight bits that somebody sees, rather than what L*a*b* and back makes of them.
    picture.cached("rgb", lambda: rgb.float() / 255)
    return picture


def _features(part: Part, metric: Any, picture: LabPicture) -> Tensor:
    kept: Tensor = metric.features(picture)
    if not isinstance(kept, Tensor) or kept.ndim != 2 or len(kept) != 1:
        shape = tuple(kept.shape) if isinstance(kept, Tensor) else type(kept).__name__
        raise part.component.broken(f"of a single picture, its features are {shape}, expected (1, F)")
    return kept.detach().cpu()


@contextmanager
def _broken(part: Part) -> Iterator[None]:
    """Say whose contract was broken."""
    try:
        yield
    except BrokenContractError as error:
        raise part.component.broken(str(error)) from None


def _hash(rgb: Tensor) -> str:
    height, width = rgb.shape[1:]
    pixels = rgb.permute(1, 2, 0).contiguous().numpy().tobytes()
    return hashlib.blake2b(f"{height} {width} ".encode() + pixels, digest_size=16).hexdigest()


def training_photos(photographs: Photographs, limit: int, indices: Sequence[int] | None = None) -> Iterator[Tensor]:
    """Yield photographs with colours to learn from, uint8 (3, H, W), spread over all; what cannot be read is left out.

    Args:
        photographs: of which.
        limit: how many, at most.
        indices: of those that may be learned from; by default all.
    """
    allowed = range(len(photographs)) if indices is None else indices
    for place in spread(len(allowed), limit):
        try:
            photo = photographs.read(allowed[place])
        except (ZooError, OSError):
            continue
        if not _unfit(photo, greys=False):
            yield photo
