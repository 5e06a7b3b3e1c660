"""From photographs and models to a study: the pairs of pictures that raters will see."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from zoo.errors import PhotoError, UsageError, ZooError
from zoo.files import explain_os_error, sha256_of
from zoo.photo import find_photos, read_photo, read_rgb
from zoo.registry import ModelSource, find_model
from zoo.versions import zoo_version
from zoo_turing.study import (
    FORMAT,
    PICTURES,
    STUDY,
    Examined,
    LeftOutPhoto,
    Pair,
    Role,
    Study,
    picture_path,
    write_study,
)
from zoo_turing.trials import CATCH_EVERY, number_of_catches

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.given import Extra
    from zoo.model import Model

SMALLEST = 64
"""Pixels of the short side of a photograph that can be judged."""
PRACTICE = 3
_ENOUGH = 6
"""Photographs of which some can be spared for practice and catch trials."""
GREY, OPPOSITE = "grey", "opposite hues"
"""What originals are compared with where everybody should see which one is the original."""
_COLOURFUL = 20.0
"""In the units of `zoo.photo.color.colourfulness`: with less, it might not be obvious that colours are missing."""


@dataclass(frozen=True)
class Source:
    """A photograph that can be used."""

    path: Path
    name: str
    is_colourful: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one photograph."""

    name: str
    done: int
    total: int
    error: str | None = None


def find_models(texts: Sequence[str]) -> tuple[list[ModelSource], list[Examined]]:
    """Find models, and say what they are.

    Raises:
        UsageError: there is none of that name, or one is named twice.
        ZooError: a model's file cannot be read.
    """
    if twice := [text for number, text in enumerate(texts) if text in texts[:number]]:
        raise UsageError(f"the model {twice[0]} is named twice")
    found = [find_model(text) for text in texts]
    return found, [Examined(name=source.text, sha256=_digest(source.file)) for source in found]


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ZooError(f"cannot read {path}: {explain_os_error(error)}") from error


def check_extras(models: Sequence[Model], extras: Mapping[str, Extra]) -> None:
    """See that models have the extras that they need, and that some model takes each.

    Raises:
        UsageError: otherwise.
    """
    taken = {name for model in models for name in model.takes}
    if unknown := [name for name in extras if name not in taken]:
        raise UsageError(f"--extra {unknown[0]}: none of the models takes it")
    for model in models:
        model.check_beside(hints=False, extras=[name for name in extras if name in model.takes])


def look_through(
    photos: Sequence[Path], progress: Callable[[int, int | None], None]
) -> tuple[list[Source], list[LeftOutPhoto]]:
    """Sort photographs into those that can be used, and those that cannot: damaged, tiny, without colours.

    Args:
        photos: files, and folders of them.
        progress: is told how many were looked at, of how many.

    Raises:
        UsageError: there is no such file or folder, or not one photograph that can be used.
    """
    if missing := [path for path in photos if not path.exists()]:
        raise UsageError(f"there is no file or folder {missing[0]}")
    found = find_photos(photos)
    usable, left_out = [], []
    for number, (path, relative) in enumerate(found, 1):
        try:
            usable.append(_judged(path, relative.as_posix()))
        except PhotoError as error:
            left_out.append(LeftOutPhoto(path=relative.as_posix(), reason=str(error)))
        progress(number, len(found))
    if not usable:
        first = f": {left_out[0].path} is left out ({left_out[0].reason})" if left_out else ""
        raise UsageError(f"no photographs to compare with in {', '.join(map(str, photos))}{first}")
    return usable, left_out


def _judged(path: Path, name: str) -> Source:
    """See whether a photograph can be used. Raises `PhotoError`, with the reason alone, where it cannot."""
    from PIL import Image

    from zoo.photo.color import colourfulness
    from zoo.photo.colourless import colourless

    small = read_rgb(path, min_side=SMALLEST)
    if min(small.shape[1:]) < SMALLEST:
        raise PhotoError(f"smaller than {SMALLEST} pixels")
    if reason := colourless(Image.fromarray(small.permute(1, 2, 0).numpy())):
        raise PhotoError(reason)
    return Source(path, name, float(colourfulness(small)) >= _COLOURFUL)


def prepare(
    folder: Path,
    models: Sequence[tuple[Examined, Model]],
    sources: Sequence[Source],
    left_out: Sequence[LeftOutPhoto],
    *,
    seconds: float,
    trials: int,
    seed: int = 0,
    extras: Mapping[str, Extra] | None = None,
) -> Iterator[Outcome]:
    """Make a study; yield what became of each photograph. It is there when all are through.

    By chance, some photographs are for practice, some for catch trials, and all others are compared, each with its
    colours of every model. A photograph that fails is left out.

    Args:
        folder: where it goes. What an interrupted preparation left there is replaced.
        models: at least one.
        sources: from `look_through`, as is `left_out`.
        seconds: how long raters shall see a pair.
        trials: photographs that a rater compares, at most.
        seed: of the noise of models that draw.
        extras: what models take beside photographs, by name.

    Raises:
        ZooError: the folder cannot be written, or no photograph was left.
    """
    random = Random(secrets.randbits(64))
    practice = min(PRACTICE, len(sources) // _ENOUGH)
    rest = len(sources) - practice
    catches = min(number_of_catches(trials), math.ceil(rest / (CATCH_EVERY + 1))) if practice else 0
    order = random.sample(range(len(sources)), len(sources))
    # The first practice trial and the catch trials are of photographs where it shows what was done to them.
    order.sort(key=lambda number: not sources[number].is_colourful)
    obvious, others = order[: catches + 1], order[catches + 1 :]
    random.shuffle(others)
    pairs: list[Pair] = []
    lost: list[LeftOutPhoto] = []
    try:
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        for done, number in enumerate([*obvious, *others], 1):
            source = sources[number]
            try:
                if done <= catches:
                    made = _spoilt(folder, source, number, "catch", (GREY, OPPOSITE)[done % 2])
                elif done == catches + 1 and practice:
                    made = _spoilt(folder, source, number, "practice", GREY)
                elif done <= catches + practice:
                    made = _coloured(
                        folder, source, number, "practice", [models[(done - catches) % len(models)]], seed, extras or {}
                    )
                else:
                    made = _coloured(folder, source, number, "compared", models, seed, extras or {})
            except ZooError as error:
                lost.append(LeftOutPhoto(path=source.name, reason=str(error)))
                yield Outcome(source.name, done, len(order), str(error))
            else:
                pairs += made
                yield Outcome(source.name, done, len(order))
        if not any(pair.role == "compared" for pair in pairs):
            raise ZooError(f"not one photograph could be coloured: {lost[-1].reason}")
        study = Study(
            format=FORMAT,
            zoo=zoo_version(),
            id=secrets.token_hex(8),
            results_key=secrets.token_urlsafe(12),
            seconds=seconds,
            trials=trials,
            seed=seed,
            models=tuple(examined for examined, _ in models),
            pairs=tuple(sorted(pairs, key=lambda pair: (pair.role != "practice", pair.against != GREY))),
            left_out=(*left_out, *lost),
        )
        write_study(folder, study)
    except OSError as error:
        raise ZooError(f"cannot write {folder / STUDY}: {explain_os_error(error)}") from error


def _coloured(
    folder: Path,
    source: Source,
    number: int,
    role: Role,
    models: Sequence[tuple[Examined, Model]],
    seed: int,
    extras: Mapping[str, Extra],
) -> list[Pair]:
    """Compare a photograph with its colours of each model."""
    from zoo.memory import memory_for

    original, photo = read_rgb(source.path), read_photo(source.path)
    pairs = []
    for place, (examined, model) in enumerate(models):
        with memory_for(f"to colour {source.path}", "make it smaller, or close other programs"):
            beside = {name: extra.read(source.path) for name, extra in extras.items() if name in model.takes}
            coloured = model.colorize(photo, seed=seed, extras=beside)
        pair = Pair(id=f"{number:04}-{place}", photo=number, name=source.name, against=examined.name, role=role)
        _write(folder, pair, original, coloured, photo.alpha)
        pairs.append(pair)
    return pairs


def _spoilt(folder: Path, source: Source, number: int, role: Role, how: str) -> list[Pair]:
    """Compare a photograph with what everybody should see is none: grey, or with each hue's opposite."""
    import torch

    from zoo.photo.color import join, rgb_to_lab

    original = read_rgb(source.path)
    if not source.is_colourful:
        how = GREY
    lab = rgb_to_lab(original)
    lightness, ab = lab[:1], lab[1:]
    coloured = join(lightness, torch.zeros_like(ab) if how == GREY else -1.5 * ab)
    pair = Pair(id=f"{number:04}-0", photo=number, name=source.name, against=how, role=role)
    _write(folder, pair, original, coloured, None)
    return [pair]


def _write(folder: Path, pair: Pair, original: Tensor, coloured: Tensor, alpha: Tensor | None) -> None:
    from zoo.files import write_bytes
    from zoo_turing.picture import side_by_side, to_image

    for side, data in enumerate(side_by_side(to_image(original), to_image(coloured, alpha))):
        write_bytes(picture_path(folder, pair.id, side), data)
