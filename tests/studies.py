"""Small studies of which picture is the original, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from conftest import colourful
from PIL import Image
from serving import in_thread
from torch import Tensor
from zoo_turing.preparing import look_through, prepare
from zoo_turing.server import make_app
from zoo_turing.study import Examined, Study, read_study

from zoo.model import Model
from zoo.photo import Photo
from zoo.photo.color import join

HEIGHT, WIDTH = 72, 96


class Sepia:
    """What a study needs of a model. Gives every photograph the same hue."""

    def __init__(self, a: float = 20.0, b: float = 40.0) -> None:
        self.ab = a, b

    takes: tuple[str, ...] = ()

    def colorize(self, photo: Photo, **_: object) -> Tensor:
        ab = torch.tensor(self.ab).view(2, 1, 1).expand(2, *photo.lightness.shape[1:])
        return join(photo.lightness, ab)


def make_album(folder: Path, number: int) -> Path:
    folder.mkdir()
    for seed in range(number):
        colourful(HEIGHT, WIDTH, seed=seed).save(folder / f"{seed:02}.png")
    return folder


def make_study(
    folder: Path, album: Path, models: dict[str, Sepia] | None = None, *, seconds: float = 1.0, trials: int = 60
) -> Study:
    sources, left_out = look_through([album], lambda *_: None)
    named = [
        (Examined(name=name, sha256=""), cast(Model, model)) for name, model in (models or {"sepia": Sepia()}).items()
    ]
    outcomes = list(prepare(folder, named, sources, left_out, seconds=seconds, trials=trials))
    assert len(outcomes) == len(sources)
    return read_study(folder)


@contextmanager
def served(folder: Path, study: Study, **settings: Any) -> Iterator[str]:
    """Serve a study in a thread; yield its address."""
    with in_thread(make_app(folder, study, **{"max_failed": 0.25, "precision": 0.05, **settings})) as address:
        yield address


def halves(picture: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """The left and the right picture of a pair."""
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    width = pixels.shape[1] // 2
    return pixels[:, :width], pixels[:, width:]


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())
