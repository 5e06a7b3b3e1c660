"""From models and photographs to an evaluation."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError
from zoo.evaluation.evaluation import Evaluation, Number, Row
from zoo.evaluation.protocol import Protocol, find_protocol
from zoo.files import sha256_of
from zoo.registry import ModelSource, Part, find_model
from zoo.registry.contracts import Metric, Progress, Split
from zoo.registry.made import asks_for_critic
from zoo.versions import library_versions

if TYPE_CHECKING:
    from torch import Tensor
    from torch import device as Device

    from zoo.evaluation.baselines import Sepia
    from zoo.evaluation.critics import Found as Critics
    from zoo.evaluation.measure import Measurements, Method
    from zoo.evaluation.photographs import Photographs
    from zoo.given import Extra
    from zoo.model import Model

FEW = 30
"""With fewer photographs, intervals are narrower than they should be."""


def evaluate(
    models: Sequence[ModelSource | Path | str],
    data: str | Path,
    *,
    split: Split | None = None,
    train: str | Path | None = None,
    extras: Mapping[str, Extra] | None = None,
    protocol: Protocol | None = None,
    device: str = "auto",
    scanned: Progress | None = None,
    measured: Progress | None = None,
) -> Evaluation:
    """Measure models on the same photographs, beside leaving them grey and giving each lightness its usual colour.

    Each photograph is shown to a model as `zoo colorize` shows it, without its colours, and what comes out is compared
    with the original at its own size.

    Args:
        models: each as `zoo.registry.find_model` takes it.
        data: a folder of photographs, or a data set as `zoo run --data` takes it.
        split: train or val; by default, val, or all of a folder that has no such sub-folders.
        train: a folder or a data set that the baseline `sepia` learns from, if not the data's own training photographs.
        extras: what the models take beside the photographs of a folder, by name; a data set brings its own.
        protocol: from `find_protocol`; by default, the standard one.
        device: where the models run: auto, cuda, cuda:1, mps or cpu.
        scanned: is told how many files a data set has looked through, and how many photographs `sepia` learned from.
        measured: is told how many photographs have been measured.

    Raises:
        UsageError: there is no such model or data, the same model is there twice, or one needs an extra that there is
            not.
        ZooError: a model cannot be loaded, or no photograph can be measured.
    """
    from zoo.evaluation.photographs import LARGEST, find_photographs

    start = time.monotonic()
    protocol = protocol or find_protocol()
    contenders = load(models, device)
    found = find_photographs(
        data,
        split,
        train=train,
        learned=[(one.name, one.model.recipe) for one in contenders],
        whole=protocol.crop is not None,
        extras=extras,
        progress=scanned,
    )
    import torch

    from zoo.evaluation.given import check_given
    from zoo.evaluation.measure import make_metrics, measure
    from zoo.photo.finding import spread

    photographs, notes = found.photographs, list(found.notes)
    known = None if photographs.brings_extras else extras or {}
    notes += check_given({one.name: one.model for one in contenders}, known, protocol.hints)
    place = contenders[0].model.device
    at = place if place.type == "cuda" else None
    made_metrics = make_metrics(protocol.metrics, at)
    critics = _critics(made_metrics, contenders, at or torch.device("cpu"))
    metrics = _usable(made_metrics, critics, notes)
    count = len(photographs) if protocol.first is None else min(protocol.first, len(photographs))
    if protocol.first is not None and count < protocol.first:
        notes.append(f"the preset {protocol.preset} takes {protocol.first:,} photographs, and there are {count:,}")
    indices = spread(count, protocol.limit)
    sepia, learned_from = _learn_sepia(photographs, indices, found.training, scanned)
    methods = _methods(contenders, sepia, protocol)
    made = measure(
        photographs,
        indices,
        methods,
        metrics,
        crop=protocol.crop,
        hints=protocol.hints,
        seed=protocol.seed,
        greys=protocol.greys,
        critics=critics.critics,
        device=at,
        progress=measured,
    )
    numbers = tuple(_numbers(made, tuple(methods), metrics, protocol.seed, critics.lacking, notes))
    if len(made.originals) < FEW:
        notes.append(f"with {len(made.originals)} photographs, intervals are narrower than they should be")
    from zoo.evaluation.pictures import choose, draw

    return Evaluation(
        protocol={
            **protocol.to_json(),
            "photographs": {
                "data": photographs.data,
                "split": photographs.split,
                "measured": len(made.originals),
                "fingerprint": _fingerprint(one.pixels for one in made.originals),
                "largest": None if protocol.crop else LARGEST,
                "extras": {name: str(extra.folder) for name, extra in (extras or {}).items()},
            },
            "shown": "as zoo colorize shows them",
            "models": [one.to_json(protocol.size, critics.files.get(one.name)) for one in contenders],
            "sepia": learned_from,
            "statistics": _statistics(),
            "versions": {**library_versions(), "python": platform.python_version()},
            "device": str(place),
            "seconds": round(time.monotonic() - start, 1),
        },
        methods=tuple(methods),
        numbers=numbers,
        rows=tuple(_rows(made, tuple(methods))),
        left_out=(*photographs.left_out, *made.left_out),
        notes=tuple(notes),
        cards=tuple(draw(photographs, made, methods, choose(made, tuple(methods), numbers, protocol.seed), protocol)),
    )


@dataclass(frozen=True)
class Contender:
    """A model that is judged."""

    name: str
    source: ModelSource
    model: Model
    sha256: str

    def to_json(self, size: int | None, critic: Path | None) -> dict[str, Any]:
        """Say which one it is, and how it is used; and which critic judged it, if one did."""
        return {
            "name": self.name,
            **self.source.provenance,
            "file": str(self.source.file),
            "sha256": self.sha256,
            "generator": self.model.recipe.generator,
            "size": size or self.model.recipe.size,
            "takes": list(self.model.takes),
            **({} if critic is None else {"critic": {"file": str(critic), "sha256": sha256_of(critic)}}),
        }


def load(models: Sequence[ModelSource | Path | str], device: str) -> list[Contender]:
    """Find and load the models that are to be judged.

    Raises:
        UsageError: there is no such model, or one is there twice.
        ZooError: one cannot be loaded.
    """
    sources = [find_model(model) for model in models]
    if not sources:
        raise UsageError("there is no model to judge")
    names = [source.text for source in sources]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"the model {twice[0]} is given twice")
    from zoo.evaluation.baselines import GREY, SEPIA
    from zoo.evaluation.photographs import as_text
    from zoo.model import load_model

    # A model may be called as a baseline is.
    names = [f"model {name}" if name in (GREY, SEPIA) else as_text(name) for name in names]
    return [
        Contender(name, source, load_model(source.file, device), sha256_of(source.file))
        for name, source in zip(names, sources, strict=True)
    ]


def _critics(metrics: Mapping[str, tuple[Part, Metric]], contenders: Sequence[Contender], device: Device) -> Critics:
    """Find the models' critics, if a metric asks for them."""
    from zoo.evaluation.baselines import GREY, SEPIA
    from zoo.evaluation.critics import find_critics

    asked = any(asks_for_critic(metric) for _, metric in metrics.values())
    return find_critics({one.name: one.source for one in contenders if asked}, (GREY, SEPIA), device)


def _usable(
    metrics: Mapping[str, tuple[Part, Metric]], critics: Critics, notes: list[str]
) -> dict[str, tuple[Part, Metric]]:
    """Leave out what can't be measured of photographs of different sizes, one by one, or by anybody's critic."""
    from zoo.registry.made import is_set_metric

    usable = {}
    for name, (part, metric) in metrics.items():
        smallest = getattr(metric, "smallest", 1)
        if not is_set_metric(metric) and smallest > 1:
            notes.append(f"{name} is left out: it needs {smallest} pictures at once, and has no features of each")
        elif asks_for_critic(metric) and not critics.critics:
            why = "; ".join(f"{model}: {reason}" for model, reason in critics.lacking.items())
            notes.append(f"{name} is left out: it asks for the critic that a model was trained against ({why})")
        else:
            usable[name] = (part, metric)
    if not usable:
        raise UsageError(f"nothing is left to measure by: {notes[-1]}")
    return usable


def _learn_sepia(
    photographs: Photographs, indices: Sequence[int], training: Photographs | None, scanned: Progress | None
) -> tuple[Sequence[Sepia], dict[str, Any]]:
    from zoo.evaluation.baselines import LEARNED_FROM, Sepia, sepia_of_halves
    from zoo.evaluation.measure import training_photos

    seen = 0
    total = min(LEARNED_FROM, len(indices if training is None else training))

    def counted(photos: Iterator[Tensor]) -> Iterator[Tensor]:
        nonlocal seen
        for photo in photos:
            seen += 1
            if scanned is not None and seen < total:
                scanned(seen, total)
            yield photo
        if scanned is not None:
            scanned(total, total)

    if training is not None:
        sepia: Sequence[Sepia] = [Sepia.learned(counted(training_photos(training, LEARNED_FROM)))]
        if seen:
            return sepia, {"learned from": training.data, "split": training.split, "photographs": seen}
    halves = [indices[0::2], indices[1::2]]
    sepia = sepia_of_halves(lambda half: counted(training_photos(photographs, LEARNED_FROM // 2, halves[half])))
    about = {
        "learned from": photographs.data,
        "split": "those that are measured, each half from the other half",
        "photographs": seen,
    }
    return sepia, about


def _methods(contenders: Sequence[Contender], sepia: Sequence[Sepia], protocol: Protocol) -> dict[str, Method]:
    from zoo.evaluation.baselines import GREY, SEPIA, grey
    from zoo.evaluation.given import colorize

    def by(model: Model) -> Method:
        return lambda given: colorize(model, given, size=protocol.size, seed=protocol.seed)

    return {
        GREY: lambda given: grey(given.photo),
        SEPIA: lambda given: sepia[given.place % len(sepia)].colorize(given.photo),
        **{one.name: by(one.model) for one in contenders},
    }


def _numbers(
    made: Measurements,
    methods: tuple[str, ...],
    metrics: Mapping[str, tuple[Part, Metric]],
    seed: int,
    lacking: Mapping[str, str],
    notes: list[str],
) -> Iterator[Number]:
    """Yield every number with its intervals, in the order of the metrics."""
    import numpy as np

    from zoo.evaluation import statistics
    from zoo.evaluation.measure import compared

    count = len(made.originals)
    drawn = statistics.draws(count, statistics.RESAMPLES, seed) if count >= statistics.FEWEST else None

    def number(
        name: str, part: Part, values: Any, resampled: Any, is_mean: bool, without: Mapping[str, str] | None = None
    ) -> Number:
        strange = [method for method, value in zip(methods, values, strict=True) if not np.isfinite(value)]
        by_reason: dict[str, list[str]] = {}
        for method in strange:
            by_reason.setdefault((without or {}).get(method, ""), []).append(method)
        for reason, whose in by_reason.items():
            if reason:
                notes.append(f"{name} has no number for {' and '.join(whose)}: {reason}")
            else:
                notes.append(f"{name} is not a number for {whose[0]}")
        pairs = [(later, earlier) for later in range(len(methods)) for earlier in range(later)]
        return Number(
            name,
            part.component.summary,
            part.component.best,
            is_mean,
            dict(zip(methods, statistics.estimates(values, resampled), strict=True)),
            {
                (methods[later], methods[earlier]): statistics.difference(values, resampled, later, earlier)
                for later, earlier in pairs
            },
        )

    for metric, (part, made_metric) in metrics.items():
        if metric not in made.features:
            for name, values in made.numbers.items():
                if name == metric or name.startswith(f"{metric}."):
                    resampled = None if drawn is None else statistics.means(values, drawn)
                    without = lacking if asks_for_critic(made_metric) else None
                    yield number(name, part, values.mean(0), resampled, True, without)
            continue
        smallest = getattr(made_metric, "smallest", 1)
        if count < smallest:
            notes.append(f"{metric} needs {smallest} photographs at least, and there are {count}")
            continue
        real, *fakes = made.features[metric]
        every = [compared(part, made_metric, metric, fake, real) for fake in fakes]
        names = list(every[0])

        def again(
            chosen: Any,
            part: Part = part,
            made_metric: Metric = made_metric,
            metric: str = metric,
            names: list[str] = names,
            real: Tensor = real,
            fakes: list[Tensor] = fakes,
        ) -> list[float]:
            drawn_real = real[chosen]
            found = [compared(part, made_metric, metric, fake[chosen], drawn_real) for fake in fakes]
            return [numbers[name] for name in names for numbers in found]

        resampled = None
        if drawn is not None and getattr(made_metric, "resampled", True):
            resampled = statistics.of_sets(again, drawn[: statistics.SET_RESAMPLES])
        for place, name in enumerate(names):
            columns = slice(place * len(methods), (place + 1) * len(methods))
            values = np.array([numbers[name] for numbers in every], np.float64)
            yield number(name, part, values, None if resampled is None else resampled[:, columns], False)


def _rows(made: Measurements, methods: tuple[str, ...]) -> Iterator[Row]:
    for place, one in enumerate(made.originals):
        numbers = {
            name: dict(zip(methods, map(float, values[place]), strict=True)) for name, values in made.numbers.items()
        }
        yield Row(one.name, one.pixels, one.width, one.height, numbers)


def _statistics() -> dict[str, Any]:
    from zoo.evaluation import statistics

    return {
        "intervals": "percentile bootstrap over photographs, the same draws for all that is compared",
        "level": statistics.LEVEL,
        "resamples": statistics.RESAMPLES,
        "resamples of numbers of the whole set": statistics.SET_RESAMPLES,
    }


def _fingerprint(hashes: Iterator[str]) -> str:
    return hashlib.blake2b("\n".join(hashes).encode(), digest_size=16).hexdigest()
