"""Checks of metrics."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.data.picture import LabPicture
from zoo.testing.subject import Note, Subject, expect, pictures


def metric_made(subject: Subject) -> str:
    """The factory makes something that can be called."""
    expect(callable(subject.made), f"what the factory returns ({type(subject.made).__name__}) cannot be called")
    return f"the {subject.component.best} value is the best" if subject.component else "can be called"


def number(subject: Subject) -> str:
    """A finite number comes back, of few pictures and of many."""
    values = [_measure(subject, 0.5, batch) for batch in (1, 2, 5)]
    return f"{values[-1]:.4g} for half the colour"


def originals(subject: Subject) -> str:
    """The originals themselves are no worse than pictures with half their colour, or with none."""
    own, half, none = (_measure(subject, share, 5) for share in (1.0, 0.5, 0.0))
    text = f"{own:.4g} for the originals themselves, {half:.4g} for half their colour, {none:.4g} for none"
    lowest = subject.component is None or subject.component.best == "lowest"
    worse = own > min(half, none) if lowest else own < max(half, none)
    return Note(f"{text}: is best={'lowest' if lowest else 'highest'} right?") if worse and subject.component else text


def same_number(subject: Subject) -> str:
    """The same pictures give the same number, and stay as they are."""
    real = pictures(batch=3, size=subject.size, device=subject.device)
    before = real.chroma.clone()
    with torch.inference_mode():
        first, second = (float(subject.made(real, real)) for _ in range(2))
    expect(first == second, f"the same pictures give {first:.6g} and {second:.6g}")
    expect(torch.equal(before, real.chroma), "it changes the pictures that it measures")
    return "the same pictures give the same number, bit for bit"


def _measure(subject: Subject, share: float, batch: int) -> float:
    """Measure pictures with so much of their colour."""
    real = pictures(batch=batch, size=subject.size, device=subject.device)
    with torch.inference_mode():
        value = subject.made(LabPicture(real.lightness, share * real.chroma), real)
    single = isinstance(value, (int, float)) or (isinstance(value, Tensor) and value.numel() == 1)
    what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    expect(single, f"it returns {what}, expected one number")
    found = float(value)
    expect(math.isfinite(found), f"it returns {found} for {batch} pictures with {share:.0%} of their colour")
    return found
