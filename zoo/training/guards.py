"""Components as a run calls them: what they return is held against their contract, in the words of `zoo check`.

That costs no more than a look at a type and a shape, and never waits for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import BrokenContractError
from zoo.registry.contracts import Judgement, Metric, PhotoDataset, Picture
from zoo.registry.made import numbers_of
from zoo.registry.offers import Component

_SMALLEST_PHOTO = 16


class CheckedPhotos:
    """A data set whose photographs are looked at on their way."""

    def __init__(self, photos: PhotoDataset, component: Component) -> None:
        self._photos = photos
        self._component = component
        self.fingerprint = str(getattr(photos, "fingerprint", ""))
        self.left_out = list(getattr(photos, "left_out", []))

    def __len__(self) -> int:
        """As many as there are."""
        return len(self._photos)

    def __getitem__(self, index: int) -> Tensor:
        """Return a photograph, uint8 (3, H, W).

        Raises:
            ZooError: it is something else.
        """
        photo = self._photos[index]
        if problem := _what_is_wrong(photo):
            raise self._component.broken(f"photograph {index} {problem}")
        return photo


class CheckedMetric:
    """A metric whose numbers are looked at, and given their full names."""

    def __init__(self, metric: Metric, component: Component, name: str) -> None:
        self._metric = metric
        self._component = component
        self._name = name
        self.smallest: int = getattr(metric, "smallest", 1)
        """How many pictures it needs."""

    def __call__(self, fake: Picture, real: Picture) -> dict[str, float]:
        """Return its number by its name, or several as `name.key`.

        Raises:
            ZooError: it returns something else.
        """
        try:
            return numbers_of(self._metric(fake, real), self._name)
        except BrokenContractError as error:
            raise self._component.broken(str(error)) from None


def checked_scalar(value: Tensor, component: Component, what: str = "it") -> Tensor:
    """Return what a loss returned, if it is one number that something can learn from.

    Raises:
        ZooError: it is something else.
    """
    if not isinstance(value, Tensor):
        raise component.broken(f"{what} returns no tensor: {type(value).__name__}")
    if value.shape != ():
        raise component.broken(f"{what} returns a tensor of shape {tuple(value.shape)}, expected a scalar, of shape ()")
    if torch.is_grad_enabled() and not value.requires_grad:
        raise component.broken(f"{what} returns what is cut off from its input: no gradient can reach it")
    return value


@dataclass(frozen=True)
class Judged:
    """What a critic made of pictures."""

    logits: list[Tensor]
    """One per scale."""
    features: list[Tensor] | None
    """Of inner layers; None of a critic that offers none."""


def checked_judgement(returned: Tensor | Sequence[Tensor] | Judgement, critic: Component | None) -> Judged:
    """Return what a critic returned, as lists.

    Raises:
        ZooError: it is something else.
    """
    logits, features = returned if isinstance(returned, Judgement) else (returned, None)
    if problem := _what_is_wrong_with(logits) or _what_is_wrong_with_features(features):
        raise critic.broken(problem) if critic else BrokenContractError(f"the critic: {problem}")
    scales = [logits] if isinstance(logits, Tensor) else list(logits)
    return Judged(scales, None if features is None else list(features))


def _what_is_wrong_with(logits: object) -> str:
    if isinstance(logits, Tensor):
        return ""
    expected = "logits must be a tensor, or a list of them, one per scale; found"
    if not isinstance(logits, Sequence):
        return f"{expected} {type(logits).__name__}"
    if not logits:
        return "it returns an empty list"
    strange = [type(scale).__name__ for scale in logits if not isinstance(scale, Tensor)]
    return f"{expected} {', '.join(strange)}" if strange else ""


def _what_is_wrong_with_features(features: object) -> str:
    if features is None or (isinstance(features, (list, tuple)) and all(isinstance(one, Tensor) for one in features)):
        return "" if features is None or features else "its judgement has an empty list of features"
    return f"the features of its judgement must be a list of tensors; found {type(features).__name__}"


def _what_is_wrong(photo: object) -> str:
    if not isinstance(photo, Tensor):
        return f"is no tensor: {type(photo).__name__}"
    if photo.dtype != torch.uint8:
        return f"is {photo.dtype}, expected torch.uint8, 0 to 255"
    if photo.ndim != 3 or len(photo) != 3:
        return f"has the shape {tuple(photo.shape)}, expected (3, H, W)"
    if min(photo.shape[1:]) < _SMALLEST_PHOTO:
        width, height = photo.shape[2], photo.shape[1]
        return f"is {width} × {height} pixels: no side may be below {_SMALLEST_PHOTO}"
    return ""
