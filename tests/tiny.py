"""The smallest runs there are, for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zoo_datasets.scenes
from torch import Tensor

from zoo import Recipe, load_model
from zoo.data.augmentation import Augmentations
from zoo.registry import resolve
from zoo.run import Run
from zoo.training import Callback, Status
from zoo.training.assembly import Assembly

TINY: dict[str, Any] = {
    "generator": "unet-shallow:base=4,norm=none,dropout=false",
    "critic": "patch:base=4,layers=1,norm=none",
    "loss": "l1+adv",
    "data": "scenes:side=48,length=10,val=4",
    "size": 32,
    "batch": 4,
    "steps": 4,
    "val_every": 5,
    "workers": 0,
    "device": "cpu",
    "precision": "float32",
}


def _remembering(draw: Callable[[int, np.random.Generator], np.ndarray]) -> Callable[..., np.ndarray]:
    """Draw the scenes of these runs once: hundreds of runs have the same ones, and learn from them in less time."""
    drawn: dict[int, np.ndarray] = {}

    def remembered(side: int, random: np.random.Generator) -> np.ndarray:
        if side != 48:
            return draw(side, random)
        seed = random.bit_generator.state["state"]["state"]
        if seed not in drawn:
            drawn[seed] = draw(side, random)
        return drawn[seed]

    return remembered


zoo_datasets.scenes.draw = _remembering(zoo_datasets.scenes.draw)


def tiny(**changes: Any) -> Recipe:
    """Return a recipe of a few steps, whose networks treat every picture of a batch alike."""
    return Recipe(**{**TINY, **changes})


def augmentations(text: str = "crop+flip") -> Augmentations:
    """Return what a recipe's `augment` asks for."""
    return Augmentations(resolve(tiny(augment=text)).augmentations)


def weights(run: Run) -> dict[str, Tensor]:
    """Return what a run's model has learned."""
    return load_model(run.path, "cpu").generator.state_dict()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two state dicts are equal, bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Notes(Callback):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.notes: list[str] = []
        self.losses: dict[int, dict[str, float]] = {}

    def on_start(self, run: Run, assembly: Assembly, step: int) -> None:
        self.heard.append("started")

    def on_step(self, status: Status) -> None:
        self.heard.append("stepped")
        self.losses[status.step] = status.losses

    def on_validation(self, step: int, metrics: dict[str, float], grey: dict[str, float], picture: Path) -> None:
        self.heard.append(f"validated at {step}")

    def on_message(self, message: str) -> None:
        self.heard.append(message)
        self.notes.append(message)

    def on_end(self, run: Run, state: str) -> None:
        self.heard.append(state)
