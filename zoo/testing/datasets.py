"""Checks of data sets."""

from __future__ import annotations

import copy
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

from PIL import Image
from torch.utils.data import DataLoader

from zoo.data.crops import taken_apart
from zoo.errors import ZooError, one_line
from zoo.photo.colourless import GREY, TONED, colourless
from zoo.registry.made import is_stream, what_is_wrong
from zoo.registry.offers import Component
from zoo.registry.options import as_text, check_options
from zoo.registry.plugins import ADDED
from zoo.testing.streams import First, equal, first_items, form, length_in_words, picture_of, some, state_restored
from zoo.testing.subject import ContractError, Note, Subject, expect, short
from zoo.testing.temporary import import_string

SECONDS = 15.0
"""How long the photographs of a split are looked at."""
_PATIENCE = 250.0
"""Seconds that another process may take to make a data set."""


def dataset_made(subject: Subject) -> str:
    """Both splits can be made, and there is something to train on."""
    problem = what_is_wrong(subject.made, subject.component or Component("it", "", "", "", "", "", "dataset"))
    expect(not problem, problem)
    val = subject.make(split="val")
    text = f"{length_in_words(subject.made)} for training, {length_in_words(val)} for validation"
    expect(_any(subject.made), "it holds no photograph to train on")
    return text if _any(val) else Note(f"{text}: validation images will be ones that it trained on")


def photographs(subject: Subject) -> str:
    """A photograph is uint8 (3, H, W), 16 pixels at least, and has colours: all, or as many as there is time for."""
    said = []
    notes = []
    alike, frames, extras = form(), 0, dict[str, None]()
    for split in ("train", "val"):
        dataset = subject.made if split == "train" else subject.make(split="val")
        looked_at, unread, grey, toned, start = 0, 0, 0, 0, time.perf_counter()
        seconds = 0.0
        for name, item in _items(dataset):
            if (seconds := time.perf_counter() - start) > SECONDS:
                break
            if item is None:
                unread += 1
                continue
            item = alike.checked(item, f"{name}{' of val' * (split == 'val')}")
            extras |= dict.fromkeys(taken_apart(item)[1])
            frames = len(taken_apart(item)[0]) if taken_apart(item)[0].ndim == 4 else 0
            looked_at += 1
            why = colourless(Image.fromarray(picture_of(item).permute(1, 2, 0).cpu().numpy()))
            grey += why == GREY
            toned += why == TONED
        if not looked_at + unread:
            continue
        expect(looked_at, f"none of {unread} photographs of {split} could be read")
        if is_stream(dataset):
            which = f"the first {looked_at:,}"
        else:
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
    shape = f"({frames}, 3, H, W)" if frames else "(3, H, W)"
    beside = f", with {', '.join(extras)}" if extras else ""
    text = f"uint8 {shape}{beside}: {'; '.join(said)}"
    return Note("; ".join([text, *notes])) if notes else text


def _spread(count: int) -> Iterator[int]:
    """Yield all indices, each of the first few far from the others: nobody knows for how many there is time."""
    step = next((step for step in range(round(0.618 * count), count) if math.gcd(step, count) == 1), 1)
    yield from (place * step % count for place in range(count))


def same_photograph(subject: Subject) -> str:
    """The same index, or the same state, gives the same photograph, from another data set of the same options, too."""
    if is_stream(subject.made):
        return state_restored(subject)
    other = subject.make(seed=1)
    for index in _indices(subject.made):
        photo = copy.deepcopy(subject.made[index])
        expect(equal(photo, subject.made[index]), f"photograph {index} is another one the second time")
        expect(equal(photo, other[index]), f"photograph {index} of the same options, made anew, is another one")
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
    stream = is_stream(subject.made)
    expected = first_items(subject.make(), 2) if stream else [subject.made[at] for at in _indices(subject.made, 2)]
    source: dict[str, Any] = {"dataset": subject.made, "sampler": None if stream else _indices(subject.made, 2)}
    if stream:
        source["dataset"] = First(subject.make(), 2)
    loader = DataLoader(**source, batch_size=None, num_workers=1, timeout=60, collate_fn=_as_it_is)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's threads and fork: the worker reads, and starts none
        found = list(loader)
    for index, (here, there) in enumerate(zip(expected, found, strict=True)):
        expect(equal(here, there), f"photograph {index} is another one in a loader's process")
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
    if is_stream(dataset):
        return {picture_of(item).numpy().tobytes(): index for index, item in enumerate(first_items(dataset, 20))}
    return {picture_of(dataset[index]).numpy().tobytes(): index for index in _indices(dataset, 20)}


def _any(dataset: Any) -> bool:
    return bool(first_items(dataset, 1)) if is_stream(dataset) else len(dataset) > 0


def _items(dataset: Any) -> Iterator[tuple[str, Any]]:
    """Yield photographs with their names, each of the first few far from the others; None for one that is not read."""
    if is_stream(dataset):
        yield from ((f"photograph {number} of the stream", item) for number, item in enumerate(some(dataset, SECONDS)))
        return
    for index in _spread(len(dataset)):
        try:
            yield f"photograph {index}", dataset[index]
        except ZooError:  # another one stands in for it
            yield f"photograph {index}", None


def _as_it_is(item: Any) -> Any:
    return item


def _indices(dataset: Any, most: int = 3) -> list[int]:
    """Return some indices from the first to the last."""
    last = len(dataset) - 1
    return sorted({round(last * part / (most - 1)) for part in range(most)}) if last >= 0 else []
