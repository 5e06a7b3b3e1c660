"""Which photographs a model is judged by, and which ones the baseline that learned may see."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo import registry
from zoo.errors import UsageError, ZooError
from zoo.files import printable
from zoo.photo import find_photos, read_rgb
from zoo.recipe import Recipe
from zoo.registry import Part
from zoo.registry.contracts import LeftOut, Progress, Split
from zoo.registry.made import is_stream

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.given import Extra

LARGEST = 512
"""Photographs with a longer short side are scaled down to this many pixels: nothing that is measured needs more."""
SMALLEST = 16
"""Sides below that are no photograph."""


@dataclass(frozen=True)
class Photographs:
    """Photographs by index, with names to tell them apart."""

    data: str
    """What they are, as somebody would write it: a folder, or a data set."""
    split: str
    """Which of them: train, val, or all."""
    names: Sequence[str]
    item: Callable[[int], tuple[Tensor, Mapping[str, Tensor]]]
    """From an index to uint8 (3, H, W), sRGB, and what there is beside it, by name. Raises `ZooError` or `OSError` for
    one that cannot be read."""
    left_out: Sequence[LeftOut] = ()
    """What was found and is not among them."""
    brings_extras: bool = False
    """Whether it is a data set, which may bring extras that are not known yet."""

    def read(self, index: int) -> Tensor:
        """Return a photograph alone. Errors are those of `item`."""
        return self.item(index)[0]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.names)


@dataclass(frozen=True)
class Found:
    """What `find_photographs` found."""

    photographs: Photographs
    training: Photographs | None
    """Others, to learn from."""
    notes: tuple[str, ...] = ()


def find_photographs(
    data: str | Path,
    split: Split | None = None,
    *,
    train: str | Path | None = None,
    learned: Sequence[tuple[str, Recipe]] = (),
    whole: bool = False,
    extras: Mapping[str, Extra] | None = None,
    progress: Progress | None = None,
) -> Found:
    """Find photographs to judge by.

    A folder with sub-folders `train` and `val` has these splits. A folder without is taken as it is, all of it, unless
    one of the models learned from it: then only those photographs count that were kept for validation.

    Args:
        data: a folder, or a data set as `zoo run --data` takes it.
        split: which of its photographs; by default `val`, see above.
        train: where the training photographs are, if not in its split `train`: a folder, or a data set.
        learned: the models, each with its name and the recipe that it was trained by.
        whole: of files, take their full size, however large they are.
        extras: what belongs to the photographs of a folder, by name. A data set brings its own.
        progress: is told how many files the data set has looked through.

    Raises:
        UsageError: there is no such folder or data set, or there are no photographs in it.
    """
    found = _found(str(data), split, learned, whole, progress, extras or {})
    if train is None:
        return found
    others = _found(str(train), None, (), False, progress)
    return Found(found.photographs, others.training or others.photographs, found.notes)


def _found(
    data: str,
    split: Split | None,
    learned: Sequence[tuple[str, Recipe]],
    whole: bool,
    progress: Progress | None,
    extras: Mapping[str, Extra] = MappingProxyType({}),
) -> Found:
    known = registry.get()
    path = Path(data).expanduser()
    if not path.is_dir() or known.named(data.partition(":")[0], "dataset"):
        _refuse(extras, data)
        return _in_data_set(known.part("dataset", data), split or "val", progress)
    notes = []
    if (path / "train").is_dir() and (path / "val").is_dir():
        if split == "train":
            notes = [f"{name} learned from these photographs" for name, _ in _learned_from(path, learned)]
            return Found(_in_folder(path / "train", split, whole, extras), None, tuple(notes))
        return Found(_in_folder(path / "val", "val", whole, extras), _in_folder(path / "train", "train", whole=False))
    pupils = _learned_from(path, learned)
    if split is None and not pupils:
        if path.name == "train":
            notes = [f"{name} learned from these photographs" for name, _ in _learned_from(path.parent, learned)]
        return Found(_in_folder(path, "all", whole, extras), None, tuple(notes))
    _refuse(extras, f"the data set {pupils[0][1].brief if pupils else data}")
    found = _in_data_set(pupils[0][1] if pupils else known.part("dataset", str(path)), split or "val", progress)
    names = " and ".join(name for name, _ in pupils)
    if pupils and split == "train":
        notes = [f"{names} learned from these photographs"]
    elif pupils:
        count = len(found.photographs)
        notes = [
            f"{names} learned from {path}: measured are the {count} photographs of it that were kept for validation"
        ]
    return Found(found.photographs, found.training, tuple(notes))


def _learned_from(folder: Path, learned: Sequence[tuple[str, Recipe]]) -> list[tuple[str, Part]]:
    """List the models that were trained with this folder, each with its data set."""
    return [
        (name, part)
        for name, recipe in learned
        if (part := _data_of(recipe))
        and any(isinstance(value, Path) and _same(value, folder) for value in part.values.values())
    ]


def _data_of(recipe: Recipe) -> Part | None:
    try:
        part = registry.get().part("dataset", recipe.data)
        _ = part.values
    except ZooError:
        # Its plugin is not here: neither can be whatever it reads.
        return None
    return part


def _same(one: Path, other: Path) -> bool:
    try:
        return one.expanduser().samefile(other)
    except OSError:
        return False


def _refuse(extras: Mapping[str, Extra], data: str) -> None:
    if extras:
        raise UsageError(
            f"--extra is for a folder of photographs, all of which are measured, and {data} brings its own extras"
        )


def _in_folder(
    folder: Path, split: str, whole: bool, extras: Mapping[str, Extra] = MappingProxyType({})
) -> Photographs:
    # By the names of files, whatever folders they are in: so the first of ImageNet's are the same in any layout.
    files = sorted(find_photos([folder]), key=lambda pair: (pair[1].name, str(pair[1])))
    if not files:
        raise UsageError(f"there are no photographs in {folder}")
    names = [as_text(relative.as_posix()) for _, relative in files]

    def item(index: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        path = files[index][0]
        photo = read_rgb(path, min_side=None if whole else LARGEST)
        if not extras:
            return photo, {}
        from zoo.photo.scaling import resize

        # As large as the photograph: then what becomes of it becomes of them.
        return photo, {name: resize(extra.read(path), *photo.shape[1:]) for name, extra in extras.items()}

    return Photographs(as_text(str(folder)), split, names, item)


def _in_data_set(part: Part, split: Split, progress: Progress | None) -> Found:
    photographs = _of_split(part, split, progress)
    if split == "train":
        return Found(photographs, None)
    try:
        training = _of_split(part, "train", progress)
    except UsageError:
        # It has none.
        return Found(photographs, None)
    return Found(photographs, training if len(training) else None)


def _of_split(part: Part, split: Split, progress: Progress | None) -> Photographs:
    made: Any = part.make(split=split, progress=progress)
    if is_stream(made):
        raise UsageError(f"{part.brief} is a stream: what is measured needs photographs that have a number")
    names = [as_text(str(name)) for name in itertools.islice(_names(made), len(made))]

    def item(index: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        from zoo.data.crops import taken_apart

        photo, extras = taken_apart(made[index])
        shape, kind = tuple(getattr(photo, "shape", ())), str(getattr(photo, "dtype", type(photo).__name__))
        if kind != "torch.uint8" or len(shape) != 3 or shape[0] != 3:
            raise part.component.broken(f"photograph {index} is {kind} {shape}, expected torch.uint8 (3, H, W)")
        return photo, extras

    return Photographs(as_text(part.brief), split, names, item, tuple(getattr(made, "left_out", ())), True)


def _names(made: Any) -> Iterator[str]:
    yield from getattr(made, "names", ()) or (f"photograph {index}" for index in itertools.count())


def as_text(name: str) -> str:
    """Write a name so that any file can keep it, whatever bytes it is made of."""
    return printable(name.encode("utf-8", "backslashreplace").decode())
