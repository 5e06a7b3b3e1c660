"""Checks of data sets."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from pkgutil import resolve_name
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from zoo.errors import ZooError, one_line
from zoo.photo.colourless import GREY, TONED, colourless
from zoo.registry.options import as_text, check_options
from zoo.registry.plugins import ADDED
from zoo.testing.subject import ContractError, Note, Subject, expect, short
from zoo.testing.temporary import import_string

SECONDS = 15.0
"""How long the photographs of a split are looked at."""
_SMALLEST_PHOTO = 16
_PATIENCE = 250.0
"""Seconds that another process may take to make a data set."""


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
    """A photograph is uint8 (3, H, W), 16 pixels at least, and has colours: all, or as many as there is time for."""
    said = []
    notes = []
    for split in ("train", "val"):
        dataset = subject.made if split == "train" else subject.make(split="val")
        looked_at, unread, grey, toned, start = 0, 0, 0, 0, time.perf_counter()
        for index in _spread(len(dataset)):
            if (seconds := time.perf_counter() - start) > SECONDS:
                break
            try:
                photo = dataset[index]
            except ZooError:  # another one stands in for it
                unread += 1
                continue
            _check_photograph(photo, f"photograph {index}{' of val' * (split == 'val')}")
            looked_at += 1
            why = colourless(Image.fromarray(photo.permute(1, 2, 0).cpu().numpy()))
            grey += why == GREY
            toned += why == TONED
        if not len(dataset):
            continue
        expect(looked_at, f"none of {unread} photographs of {split} could be read")
        which = "all" if looked_at == len(dataset) else f"{looked_at:,} of {len(dataset):,}"
        expect(
            grey < looked_at,
            f"{looked_at:,} photographs of {split} were looked at, and none has colours: there is nothing to learn",
        )
        said.append(f"{which} of {split}, {1000 * seconds / (looked_at + unread):.1f} ms each")
        if unread:
            notes.append(f"{unread:,} of {split} cannot be read")
        if grey + toned > looked_at / 2:
            notes.append(f"of {split}, {grey:,} have no colours and {toned:,} those that follow from their lightness")
    text = f"uint8 (3, H, W): {'; '.join(said)}"
    return Note("; ".join([text, *notes])) if notes else text


def _check_photograph(photo: object, name: str) -> None:
    expect(isinstance(photo, Tensor), f"{name} is no tensor: {type(photo).__name__}")
    assert isinstance(photo, Tensor)
    expect(photo.dtype == torch.uint8, f"{name} is {photo.dtype}, expected torch.uint8, 0 to 255")
    expect(photo.ndim == 3 and len(photo) == 3, f"{name} has the shape {tuple(photo.shape)}, expected (3, H, W)")
    expect(
        min(photo.shape[1:]) >= _SMALLEST_PHOTO,
        f"{name} is {photo.shape[2]} × {photo.shape[1]} pixels: no side may be below {_SMALLEST_PHOTO}",
    )


def _spread(count: int) -> Iterator[int]:
    """Yield all indices, each of the first few far from the others: nobody knows for how many there is time."""
    step = next((step for step in range(round(0.618 * count), count) if math.gcd(step, count) == 1), 1)
    yield from (place * step % count for place in range(count))


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


def fingerprint_elsewhere(subject: Subject) -> str:
    """The fingerprint is the same in another process."""
    mark = getattr(subject.make(), "fingerprint", None)
    component = subject.component
    is_installed = component is not None and component.plugin not in ADDED
    target = component.target if component is not None and is_installed else import_string(subject.factory)
    if mark is None or not target:
        return "it has none" if mark is None else "another process cannot import it"
    texts = {name: as_text(value) for name, value in subject.options.items()}
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1",
    }
    script = f"from {__name__} import tell_fingerprint; tell_fingerprint()"
    words = [sys.executable, "-c", script, target, json.dumps(texts)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False, timeout=_PATIENCE)
    last = (done.stdout if done.returncode == 0 else done.stderr).strip().rpartition("\n")[2]
    expect(done.returncode == 0, f"it cannot be made in another process: {last}")
    elsewhere = json.loads(last)
    expect(
        elsewhere == mark,
        f"the fingerprint is {mark} in this process and {elsewhere} in another one, for the same photographs: hash() "
        "of text and id() are others in each",
    )
    return "the same in another process"


def tell_fingerprint() -> None:
    """Make the data set that the command line names, with its options; print its fingerprint."""
    target, texts = sys.argv[1:]
    factory = resolve_name(target)
    subject = Subject("dataset", factory, check_options(factory, "dataset", json.loads(texts), target))
    print(json.dumps(str(getattr(subject.made, "fingerprint", None))))


def _sample(dataset: Any) -> dict[bytes, int]:
    """Return the bytes of some photographs, with their indices."""
    return {dataset[index].numpy().tobytes(): index for index in _indices(dataset, 20)}


def _indices(dataset: Any, most: int = 3) -> list[int]:
    """Return some indices from the first to the last."""
    last = len(dataset) - 1
    return sorted({round(last * part / (most - 1)) for part in range(most)}) if last >= 0 else []
