"""Components as a run calls them: what they return is held against their contract, in the words of `zoo check`.

That costs no more than a look at a type and a shape, and never waits for the device.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.critics import measured
from zoo.data.crops import is_aligned
from zoo.errors import BrokenContractError, ZooError, one_line
from zoo.registry.contracts import Item, Judgement, Metric, PhotoDataset, PhotoStream, Picture
from zoo.registry.made import asks_for_critic
from zoo.registry.offers import Component

_SMALLEST_PHOTO = 16


class Form:
    """What all items of a data set, of both its splits, have in common: as it was found at the first one."""

    def __init__(self, component: Component) -> None:
        self.component = component
        self._known: dict[str, str] | None = None

    def checked(self, item: object, name: str) -> Item:
        """Return what a data set handed out, if it is a photograph or a clip, of the same form as those before.

        Raises:
            ZooError: it is something else.
        """
        photo: Any
        extras: Any
        photo, extras = item if isinstance(item, tuple) and len(item) == 2 else (item, {})
        if isinstance(item, tuple) and (len(item) != 2 or not isinstance(extras, Mapping)):
            kinds = ", ".join(type(each).__name__ for each in item)
            raise self.component.broken(f"{name} is a tuple of {kinds or 'nothing'}: expected (photograph, extras)")
        if problem := _what_is_wrong(photo):
            raise self.component.broken(f"{name} {problem}")
        form = {"": f"a clip of {len(photo)} frames" if photo.ndim == 4 else "a single photograph"}
        for extra, value in extras.items():
            if not isinstance(extra, str) or not extra.isidentifier():
                raise self.component.broken(f"{name} has an extra named {extra!r}: expected a name such as mask")
            if not isinstance(value, Tensor):
                raise self.component.broken(f"the extra {extra} of {name} is no tensor: {type(value).__name__}")
            form[extra] = _form_of(value, photo)
        if self._known is None:
            self._known = form
        elif form != self._known:
            raise self.component.broken(f"{name} {_difference(form, self._known)}")
        return photo if not extras else (photo, extras)


def _form_of(extra: Tensor, photo: Tensor) -> str:
    """Say what is always the same about an extra."""
    kind, shape = str(extra.dtype).removeprefix("torch."), tuple(extra.shape)
    if is_aligned(extra, photo):
        return f"{kind} ({', '.join(map(str, shape[:-2]))}, H, W)"
    return f"{kind} {shape}"


def _difference(form: dict[str, str], known: dict[str, str]) -> str:
    if form[""] != known[""]:
        return f"is {form['']}, and the first one was {known['']}: always the same"
    if form.keys() != known.keys():
        here, there = (", ".join(sorted(names - {""})) or "none" for names in (form.keys(), known.keys()))
        return f"has the extras {here}, and the first one had {there}: always the same names"
    name = next(name for name in form if form[name] != known[name])
    return (
        f"has the extra {name} as {form[name]}, and the first one as {known[name]}: always the same shape, or "
        "(C, H, W) with the photograph's own H and W"
    )


class CheckedPhotos:
    """A data set whose photographs are looked at on their way."""

    def __init__(self, photos: PhotoDataset, form: Form) -> None:
        self._photos = photos
        self._form = form
        self.fingerprint = str(getattr(photos, "fingerprint", ""))
        self.left_out = list(getattr(photos, "left_out", []))

    def __len__(self) -> int:
        """As many as there are."""
        return len(self._photos)

    def __getitem__(self, index: int) -> Item:
        """Return a photograph, uint8 (3, H, W), or a clip, with its extras if it has any.

        Raises:
            ZooError: it is something else.
        """
        return self._form.checked(self._photos[index], f"photograph {index}")


class CheckedStream:
    """A stream whose photographs are looked at on their way, and its state, which JSON must be able to say."""

    def __init__(self, photos: PhotoStream, form: Form) -> None:
        self._photos = photos
        self._component = form.component
        self._form = form
        self.fingerprint = str(getattr(photos, "fingerprint", ""))
        self.left_out = list(getattr(photos, "left_out", []))
        # Only where it knows how long it is.
        if hasattr(photos, "__len__"):
            self.__len__ = photos.__len__

    def __iter__(self) -> Iterator[Item]:
        """Yield photographs or clips, with their extras if they have any.

        Raises:
            ZooError: it is something else.
        """
        for item in self._photos:
            yield self._form.checked(item, "a photograph of the stream")

    def state_dict(self) -> Any:
        """Return the state, as it will be read back.

        Raises:
            ZooError: it cannot be written as JSON.
        """
        state = self._photos.state_dict()
        try:
            return json.loads(json.dumps(state, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise self._component.broken(f"state_dict() returns what JSON cannot say: {one_line(error)}") from None

    def load_state_dict(self, state: Any) -> None:
        """Take up a state.

        Raises:
            ZooError: it is of another data set.
        """
        try:
            self._photos.load_state_dict(state)
        except ZooError:
            raise
        except Exception as error:
            raise ZooError(f"{self._component} cannot go on from the state it had: {one_line(error)}") from error


class CheckedMetric:
    """A metric whose numbers are looked at, and given their full names."""

    def __init__(self, metric: Metric, component: Component, name: str) -> None:
        self._metric = metric
        self._component = component
        self._name = name
        self.smallest: int = getattr(metric, "smallest", 1)
        """How many pictures it needs."""

    @property
    def asks_for_critic(self) -> bool:
        """Whether it measures by a critic."""
        return asks_for_critic(self._metric)

    def __call__(self, fake: Picture, real: Picture, critics: Sequence[nn.Module] = ()) -> dict[str, float]:
        """Return its number by its name, or several as `name.key`; none where it asks for a critic and there is none.

        Raises:
            ZooError: it returns something else.
        """
        try:
            return measured(self._metric, fake, real, self._name, critics)
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
    if photo.ndim not in (3, 4) or photo.shape[-3] != 3 or len(photo) == 0:
        return f"has the shape {tuple(photo.shape)}, expected (3, H, W), or (T, 3, H, W) of a clip"
    if min(photo.shape[-2:]) < _SMALLEST_PHOTO:
        height, width = photo.shape[-2:]
        return f"is {width} × {height} pixels: no side may be below {_SMALLEST_PHOTO}"
    return ""
