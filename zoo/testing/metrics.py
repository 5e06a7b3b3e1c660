"""Checks of metrics."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from zoo.data.picture import LabPicture
from zoo.registry.made import asked_for, is_set_metric, numbers_of
from zoo.testing.subject import Note, Subject, expect, names, pictures

# Batches of another size take other paths through a network's convolutions.
_TOLERANCE = 1e-3


def metric_made(subject: Subject) -> str:
    """The factory makes something that can be called."""
    expect(callable(subject.made), f"what the factory returns ({type(subject.made).__name__}) cannot be called")
    smallest = _smallest(subject)
    expect(
        isinstance(smallest, int) and smallest > 0,
        f"smallest is {smallest!r}: it must be a whole number of pictures above 0",
    )
    what = f"the {subject.component.best} value is the best" if subject.component else "can be called"
    return f"{what}; it needs {smallest} pictures" if smallest > 1 else what


def number(subject: Subject) -> str:
    """A finite number comes back, or several by name, of few pictures and of many."""
    smallest = _smallest(subject)
    found = [_measure(subject, 0.5, batch) for batch in (smallest, smallest + 1, smallest + 4)]
    expect(
        len({tuple(numbers) for numbers in found}) == 1,
        f"it returns {names(list(found[0]))} for {smallest} pictures, {names(list(found[-1]))} for {smallest + 4}",
    )
    return f"{_words(found[-1])} for half the colour"


def originals(subject: Subject) -> str:
    """The originals themselves are no worse than pictures with half their colour, or with none."""
    batch = _smallest(subject) + 4
    own, half, none = (_measure(subject, share, batch) for share in (1.0, 0.5, 0.0))
    text = f"{_words(own)} for the originals themselves, {_words(half)} for half their colour, {_words(none)} for none"
    lowest = subject.component is None or subject.component.best == "lowest"
    sign = 1 if lowest else -1
    worse = [name for name in own if sign * own[name] > min(sign * half[name], sign * none[name])]
    if not worse or subject.component is None:
        return text
    which = f" of {names(worse)}" if len(own) > 1 else ""
    return Note(f"{text}: is best={'lowest' if lowest else 'highest'} right{which}?")


def same_number(subject: Subject) -> str:
    """The same pictures give the same number, and stay as they are."""
    real = pictures(batch=_smallest(subject) + 2, size=subject.size, device=subject.device)
    before = real.chroma.clone()
    with torch.inference_mode():
        first, second = (_numbers(_call(subject.made, real, real)) for _ in range(2))
    expect(first == second, f"the same pictures give {_words(first)} and {_words(second)}")
    expect(torch.equal(before, real.chroma), "it changes the pictures that it measures")
    return "the same pictures give the same number, bit for bit"


def one_by_one(subject: Subject) -> str:
    """One picture after another comes to the same: as rows of features where it has them, otherwise as their mean."""
    return _features(subject) if is_set_metric(subject.made) else _mean(subject)


def _features(subject: Subject) -> str:
    metric = subject.made
    real = pictures(batch=_smallest(subject) + 2, size=subject.size, device=subject.device)
    fake = LabPicture(real.lightness, 0.5 * real.chroma)
    sets = []
    with torch.inference_mode():
        for picture in (fake, real):
            at_once = _rows(metric.features(picture), len(picture.chroma))
            rows = torch.cat([_rows(metric.features(one), 1) for one in _each(picture)])
            expect(
                rows.shape == at_once.shape,
                f"features of one picture have {rows.shape[1]} columns, those of {len(at_once)} have "
                f"{at_once.shape[1]}",
            )
            unlike = float((rows - at_once).norm() / at_once.norm().clamp_min(1e-9))
            expect(
                unlike <= _TOLERANCE, f"a picture has other features alone than among others: they are {unlike:.1%} off"
            )
            sets.append(at_once)
        called, compared = (_numbers(value) for value in (metric(fake, real), metric.compare(*sets)))
        odd = pictures(batch=1, size=subject.size + 11, device=subject.device)
        odd = LabPicture(odd.lightness[..., : subject.size], odd.chroma[..., : subject.size])
        count = _rows(metric.features(odd), 1).shape[1]
    expect(
        called.keys() == compared.keys() and all(_near(called[name], compared[name]) for name in called),
        f"compare(…) of the features returns {_words(compared)}, calling it {_words(called)}",
    )
    wanted = sets[0].shape[1]
    expect(count == wanted, f"a picture of another size has {count} features, where others have {wanted}")
    return f"a row of {wanted} per picture, alone and among others"


def _rows(features: object, count: int) -> Tensor:
    expect(isinstance(features, Tensor), f"features are no tensor: {type(features).__name__}")
    assert isinstance(features, Tensor)
    expect(
        features.ndim == 2 and len(features) == count,
        f"features of {count} pictures have the shape {tuple(features.shape)}, expected ({count}, F)",
    )
    expect(
        features.dtype in (torch.float32, torch.float64), f"features are {features.dtype}, expected float32 or float64"
    )
    expect(features.isfinite().all(), "features are not all numbers")
    return features


def _mean(subject: Subject) -> str:
    batch = _smallest(subject) + 2
    real = pictures(batch=batch, size=subject.size, device=subject.device)
    # Pictures that are unlike, and so are their values.
    share = torch.linspace(0.2, 1.5, batch, device=subject.device).view(-1, 1, 1, 1)
    fake = LabPicture(real.lightness, share * real.chroma)
    if _smallest(subject) > 1:
        return Note("needs several pictures, and has no features of each: it cannot measure one after another")
    with torch.inference_mode():
        whole = _numbers(_call(subject.made, fake, real))
        each = [_numbers(_call(subject.made, a, b)) for a, b in zip(_each(fake), _each(real), strict=True)]
    mean = {name: sum(one[name] for one in each) / batch for name in whole}
    if all(_near(whole[name], mean[name]) for name in whole):
        return "the mean over pictures"
    return Note(
        f"{_words(whole)} for {batch} pictures at once, and the mean over them is {_words(mean)}: what is no mean over "
        "pictures needs the methods features and compare"
    )


def _call(metric: Any, fake: LabPicture, real: LabPicture) -> Any:
    """Call a metric, with what it asks for."""
    return metric(fake, real, **asked_for(metric, {"critic": _colour_is_original}))


def _colour_is_original(lightness: Tensor, chroma: Tensor) -> Tensor:
    """Judge as the simplest of critics: more like an original is what has more colour."""
    logits: Tensor = chroma.norm(dim=1, keepdim=True) + 0 * lightness
    return logits


def _each(picture: LabPicture) -> list[LabPicture]:
    """Cut a batch into pictures."""
    parts = zip(torch.split(picture.lightness, 1), torch.split(picture.chroma, 1), strict=True)
    return [LabPicture(lightness, chroma) for lightness, chroma in parts]


def _smallest(subject: Subject) -> int:
    smallest: int = getattr(subject.made, "smallest", 1)
    return smallest


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=1e-6)


def _words(numbers: dict[str, float]) -> str:
    if list(numbers) == [""]:
        return f"{numbers['']:.4g}"
    return ", ".join(f"{name.removeprefix('.')} {value:.4g}" for name, value in numbers.items())


def _numbers(value: object) -> dict[str, float]:
    """By their keys, or a single one by an empty name."""
    return numbers_of(value, "")


def _measure(subject: Subject, share: float, batch: int) -> dict[str, float]:
    """Measure pictures with so much of their colour."""
    real = pictures(batch=batch, size=subject.size, device=subject.device)
    with torch.inference_mode():
        numbers = _numbers(_call(subject.made, LabPicture(real.lightness, share * real.chroma), real))
    for found in numbers.values():
        expect(math.isfinite(found), f"it returns {found} for {batch} pictures with {share:.0%} of their colour")
    return numbers
