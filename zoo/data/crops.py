"""From what a data set hands out to crops, and from crops to a batch: photographs, clips, and what comes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from zoo.data.augmentation import Augmentations
from zoo.data.batch import Batch
from zoo.photo.scaling import central_square, resize, resize_labels
from zoo.registry.contracts import Item, PhotoDataset

_Array: TypeAlias = "Tensor | NDArray[Any]"


class Crop(NamedTuple):
    """What is learned from of a photograph or clip, with what comes with it."""

    photo: Tensor
    """uint8 (3, size, size), or (T, 3, size, size) of a clip."""
    problems: list[str]
    """What went wrong on the way to it."""
    drawn: list[float]
    """What augmentations drew for it."""
    extras: dict[str, Tensor]
    aligned: frozenset[str]
    """Extras that have its pixels, and were cropped with it."""


class Loaded(NamedTuple):
    """A batch as it travels from a process that loads; see `Batch`."""

    photos: _Array
    problems: list[str]
    drawn: NDArray[np.float32]
    extras: dict[str, _Array]
    aligned: frozenset[str]
    frames: int
    state: Any

    def batch(self, device: torch.device, non_blocking: bool = False) -> Batch:
        """Return it on the device."""

        def there(array: _Array) -> Tensor:
            return torch.as_tensor(array).to(device, non_blocking=non_blocking)

        return Batch(
            photos=there(self.photos),
            drawn=there(self.drawn),
            extras={name: there(extra) for name, extra in self.extras.items()},
            problems=tuple(self.problems),
            frames=self.frames,
            aligned=self.aligned,
            state=self.state,
        )


def taken_apart(item: Item) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Return the photograph or clip, and its extras."""
    return item if isinstance(item, tuple) else (item, {})


class PhotosAlone:
    """A data set without its extras; of clips, the first frame of each."""

    def __init__(self, photos: PhotoDataset) -> None:
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> Tensor:
        photo, _ = taken_apart(self._photos[index])
        return photo if photo.ndim == 3 else photo[0]


def is_aligned(extra: Tensor, photo: Tensor) -> bool:
    """Whether an extra has the pixels of a photograph: (C, H, W), or (T, C, H, W) beside the frames of a clip."""
    return extra.shape[-2:] == photo.shape[-2:] and (
        extra.ndim == 3 or (extra.ndim == photo.ndim == 4 and len(extra) == len(photo))
    )


def cropped(
    item: Item, size: int, augment: Augmentations, rng: np.random.Generator, problems: Sequence[str] = ()
) -> Crop:
    """Cut a square out of a photograph, and out of what has its pixels, and resize it.

    Args:
        item: uint8 (3, H, W), or a clip, whose frames are cut alike. Smaller ones than `size` are enlarged.
        size: side of the result in pixels.
        augment: chooses the square, and draws what is random about it.
        rng: decides.
        problems: what went wrong on the way to it.

    Raises:
        ZooError: an augmentation breaks its contract.
    """
    photo, extras = taken_apart(item)
    height, width = photo.shape[-2:]
    square, drawn = augment.frame(height, width, rng)
    return _cut(photo, extras, square, size, drawn, list(problems))


def middle(item: Item, size: int) -> Crop:
    """Cut the largest square out of the middle, and resize it: nothing about it is random."""
    photo, extras = taken_apart(item)
    return _cut(photo, extras, central_square(photo), size, [], [])


def _cut(
    photo: Tensor,
    extras: Mapping[str, Tensor],
    square: tuple[int, int, int],
    size: int,
    drawn: list[float],
    problems: list[str],
) -> Crop:
    top, left, side = square
    aligned = frozenset(name for name, extra in extras.items() if is_aligned(extra, photo))

    def cut(tensor: Tensor) -> Tensor:
        return _resized(tensor[..., top : top + side, left : left + side], size, size)

    return Crop(
        cut(photo),
        problems,
        drawn,
        {name: cut(extra) if name in aligned else extra for name, extra in extras.items()},
        aligned,
    )


def resized_with(extra: Tensor, photo: Tensor, height: int, width: int) -> Tensor:
    """Resize an extra as training does where it has the pixels of a photograph, (C, H, W); otherwise return it."""
    return _resized(extra, height, width) if is_aligned(extra, photo) else extra


def _resized(tensor: Tensor, height: int, width: int) -> Tensor:
    return resize(tensor, height, width) if _is_picture(tensor) else resize_labels(tensor, height, width)


def _is_picture(tensor: Tensor) -> bool:
    """Whether values between two pixels mean something: not so for masks, labels and numbers of any other kind."""
    return tensor.is_floating_point() or (tensor.dtype == torch.uint8 and tensor.shape[-3] == 3)


def collated(crops: Sequence[Crop], state: Any = None) -> Loaded:
    """Make a batch of crops, ready to leave this process if it is one that loads.

    Of clips, all frames come one after another, each with what belongs to its clip.
    """
    photos = torch.stack([crop.photo for crop in crops])
    frames = photos.shape[1] if photos.ndim == 5 else 1
    extras = {}
    for name in crops[0].extras:
        extra = torch.stack([crop.extras[name] for crop in crops])
        if photos.ndim == 5:
            of_frames = name in crops[0].aligned and extra.ndim == 5
            extra = extra.flatten(0, 1) if of_frames else extra.repeat_interleave(frames, dim=0)
        extras[name] = extra
    # A few numbers go by the pipe.
    drawn = np.array([crop.drawn for crop in crops], dtype=np.float32).repeat(frames, axis=0)
    is_here = get_worker_info() is None
    tensors = {"": photos.flatten(0, 1) if photos.ndim == 5 else photos, **extras}
    sent = {name: tensor if is_here else _ready_to_travel(tensor) for name, tensor in tensors.items()}
    return Loaded(
        photos=sent.pop(""),
        problems=[problem for crop in crops for problem in crop.problems],
        drawn=drawn,
        extras=sent,
        aligned=crops[0].aligned,
        frames=frames,
        state=state,
    )


def _ready_to_travel(tensor: Tensor) -> _Array:
    """Move a tensor to shared memory, through which it reaches the trainer; where that is full, it goes by a pipe.

    Containers have little of it. Moved later, by the thread that sends, the batch would be lost without a word.
    """
    try:
        tensor.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError:
        array: NDArray[Any] = tensor.numpy()
        return array
    return tensor
