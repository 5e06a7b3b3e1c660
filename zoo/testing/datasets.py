"""Checks of data sets."""

from __future__ import annotations

import time
import warnings
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from zoo.errors import one_line
from zoo.testing.subject import ContractError, Note, Subject, expect, short

_SMALLEST_PHOTO = 16


def dataset_made(subject: Subject) -> str:
    """Both splits can be made, and there is something to train on."""
    for method in ("__len__", "__getitem__"):
        expect(
            hasattr(subject.made, method),
            f"what the factory returns ({type(subject.made).__name__}) is no data set: it lacks {method}",
        )
    train, val = len(subject.made), len(subject.make(split="val"))
    expect(train > 0, "it holds no photograph to train on")
    text = f"{train:,} photographs for training, {val:,} for validation"
    return text if val else Note(f"{text}: validation images will be ones that it trained on")


def photographs(subject: Subject) -> str:
    """A photograph is uint8 (3, H, W), 16 pixels at least."""
    indices = _indices(subject.made)
    start = time.perf_counter()
    for index in indices:
        photo = subject.made[index]
        expect(isinstance(photo, Tensor), f"photograph {index} is no tensor: {type(photo).__name__}")
        expect(photo.dtype == torch.uint8, f"photograph {index} is {photo.dtype}, expected torch.uint8, 0 to 255")
        expect(
            photo.ndim == 3 and len(photo) == 3,
            f"photograph {index} has the shape {tuple(photo.shape)}, expected (3, H, W)",
        )
        expect(
            min(photo.shape[1:]) >= _SMALLEST_PHOTO,
            f"photograph {index} is {photo.shape[2]} × {photo.shape[1]} pixels: no side may be below {_SMALLEST_PHOTO}",
        )
    milliseconds = (time.perf_counter() - start) * 1000 / len(indices)
    return f"uint8 {tuple(photo.shape)}, {milliseconds:.1f} ms each"


def same_photograph(subject: Subject) -> str:
    """The same index gives the same photograph, from another data set of the same options, too."""
    other = subject.make(seed=1)
    for index in _indices(subject.made):
        photo = subject.made[index].clone()
        expect(torch.equal(photo, subject.made[index]), f"photograph {index} is another one the second time")
        expect(torch.equal(photo, other[index]), f"photograph {index} of the same options, made anew, is another one")
    return "the same index gives the same photograph"


def splits(subject: Subject) -> str:
    """No photograph is for both training and validation, as far as a sample shows."""
    train, val = (_sample(subject.make(split=split)) for split in ("train", "val"))
    shared = sorted((train[photo], val[photo]) for photo in train.keys() & val.keys())
    if shared:
        raise ContractError(
            f"photograph {shared[0][0]} of the split train is photograph {shared[0][1]} of val: it would be measured "
            "on what it learned"
        )
    return f"{len(train)} photographs of train, {len(val)} of val: none in both"


def worker(subject: Subject) -> str:
    """Another process can read it."""
    indices = _indices(subject.made, 2)
    loader = DataLoader(subject.made, sampler=indices, batch_size=None, num_workers=1, timeout=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's threads and fork: the worker reads, and starts none
        found = list(loader)
    for index, photo in zip(indices, found, strict=True):
        expect(torch.equal(photo, subject.made[index]), f"photograph {index} is another one in a loader's process")
    try:
        # What starting such a loader does to it. Nothing is written to a file, and nothing read back.
        ForkingPickler.dumps(subject.made)
    except Exception as error:
        return Note(f"cannot be sent to loaders where they are started afresh, as on macOS: {short(one_line(error))}")
    return "a loader's process reads the same photographs"


def fingerprint(subject: Subject) -> str:
    """The fingerprint is the same for the same photographs."""
    marks = [getattr(subject.make(seed=seed), "fingerprint", None) for seed in (0, 1)]
    if marks[0] is None:
        return Note("it has no `fingerprint`: a model file will not say which photographs it learned from")
    expect(isinstance(marks[0], str), f"the fingerprint is a {type(marks[0]).__name__}, expected text")
    expect(marks[0] == marks[1], f"the fingerprint changes from {marks[0]} to {marks[1]} for the same photographs")
    if marks[0] == subject.make(split="val").fingerprint:
        return Note("train and val have the same fingerprint, although their photographs are others")
    return f"always {marks[0]}"


def _sample(dataset: Any) -> dict[bytes, int]:
    """Return the bytes of some photographs, with their indices."""
    return {dataset[index].numpy().tobytes(): index for index in _indices(dataset, 20)}


def _indices(dataset: Any, most: int = 3) -> list[int]:
    """Return some indices from the first to the last."""
    last = len(dataset) - 1
    return sorted({round(last * part / (most - 1)) for part in range(most)}) if last >= 0 else []
