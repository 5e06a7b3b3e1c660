"""Versions of a model that are to stand side by side: models, and epochs of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import UsageError
from zoo.evaluation.photographs import as_text
from zoo.files import EPOCH_MODEL, LAST_MODEL, MODEL
from zoo.registry import ModelSource, find_model
from zoo.run import INFO

_EPOCH = re.compile(re.escape(EPOCH_MODEL).replace(r"\{\}", "([0-9]+)"))


@dataclass(frozen=True)
class Version:
    """A column of a comparison."""

    label: str
    source: ModelSource


def parse_epochs(text: str | None) -> list[int]:
    """Read a list of epochs, as in `50,200,290`, each once.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return []
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,9}", word) for word in words):
        raise UsageError(f"--epochs {text!r}: write whole numbers, as in 50,200,290")
    return list(dict.fromkeys(map(int, words)))


def find_versions(models: Sequence[ModelSource | Path | str], epochs: Sequence[int] = ()) -> list[Version]:
    """Find what is to be compared.

    Args:
        models: each as `find_model` takes it.
        epochs: of every run among them, compare the models of these epochs instead of its best one.

    Raises:
        UsageError: there is no such model, a run has not kept an epoch, or a model is there twice.
        ZooError: one cannot be fetched.
    """
    found = [version for model in models for version in _versions(model, epochs, only=len(models) == 1)]
    if not found:
        raise UsageError("there is no model to compare")
    if epochs and not any(_is_run(model) for model in models):
        raise UsageError("--epochs are those of a run: give the folder of one")
    labels = [version.label for version in found]
    # What two of them would be called, tells neither: then all of what was written does.
    found = [Version(v.source.text, v.source) if labels.count(v.label) > 1 else v for v in found]
    texts = [version.source.text for version in found]
    if twice := [text for text in texts if texts.count(text) > 1]:
        raise UsageError(f"the model {twice[0]} is given twice")
    return [Version(as_text(version.label), version.source) for version in found]


def _versions(model: ModelSource | Path | str, epochs: Sequence[int], only: bool) -> list[Version]:
    if not epochs or not _is_run(model):
        source = find_model(model)
        return [Version(_label(source), source)]
    folder = Path(str(model))
    kept = sorted(int(name[1]) for path in folder.iterdir() if (name := _EPOCH.fullmatch(path.name)))
    if missing := [epoch for epoch in epochs if epoch not in kept]:
        there = f"it kept those of {', '.join(map(str, kept))}" if kept else "`zoo run --keep-epochs` keeps them"
        raise UsageError(f"{folder} has no model of epoch {', '.join(map(str, missing))}: {there}")
    run = "" if only else f"{folder.resolve().name}: "
    return [Version(f"{run}epoch {epoch}", find_model(folder / EPOCH_MODEL.format(epoch))) for epoch in epochs]


def _is_run(model: ModelSource | Path | str) -> bool:
    return not isinstance(model, ModelSource) and (Path(model) / INFO).is_file()


def _label(source: ModelSource) -> str:
    if source.folder is not None:
        return source.folder.resolve().name
    if source.component is not None or not source.file.samefile(source.text):
        return source.text
    file = source.file
    if file.name in (MODEL, LAST_MODEL) or _EPOCH.fullmatch(file.name):
        # Every run has one of that name.
        return f"{file.resolve().parent.name}: {file.stem}"
    return file.stem
