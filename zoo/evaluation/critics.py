"""The critics that models were trained against, for metrics that ask for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.critics import each_of
from zoo.errors import ZooError
from zoo.model import open_critic
from zoo.photo.scaling import central_crop
from zoo.registry import ModelSource


@dataclass(frozen=True)
class Found:
    """The critics of models."""

    critics: Mapping[str, Sequence[nn.Module]]
    """By methods: one, or several that judge side by side."""
    files: Mapping[str, Path]
    """By models."""
    lacking: Mapping[str, str]
    """Why a method has none, by methods."""


def find_critics(models: Mapping[str, ModelSource], baselines: Sequence[str], device: torch.device) -> Found:
    """Load the critics that models bring. One that cannot be had is a reason why there is no number, and no error.

    Args:
        models: by name.
        baselines: methods that are no models. Where a single model brings a critic, it judges them, too.
        device: where the critics run.
    """
    critics: dict[str, Sequence[nn.Module]] = {}
    files: dict[str, Path] = {}
    lacking: dict[str, str] = {}
    for name, source in models.items():
        try:
            file = source.critic()
            if file is None:
                lacking[name] = "it brings no critic"
                continue
            recipe, critic = open_critic(file, device)
        except ZooError as error:
            lacking[name] = str(error)
            continue
        files[name] = file
        critics[name] = [_AsTrained(one, recipe.size) for one in each_of(critic)]
    if len(critics) == 1:
        critics |= dict.fromkeys(baselines, *critics.values())
    elif critics:
        lacking |= dict.fromkeys(baselines, "of several critics, each judges its own model")
    return Found(critics, files, lacking)


class _AsTrained(nn.Module):
    """A critic that is shown what it is shown at validations: the middle square, at the size that it learned at."""

    def __init__(self, critic: nn.Module, size: int) -> None:
        super().__init__()
        self.critic = critic
        self.size = size

    def forward(self, lightness: Tensor, chroma: Tensor) -> object:
        """Judge pictures of any size."""
        return self.critic(central_crop(lightness, self.size), central_crop(chroma, self.size))
