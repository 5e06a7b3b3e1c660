"""Any of torchvision's image sets, by the name of its class."""

from __future__ import annotations

import hashlib
import inspect
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import platformdirs
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error
from zoo.hub import check_consent
from zoo.photo.colourless import GREY, colourless
from zoo.registry.contracts import Split
from zoo.suggest import did_you_mean
from zoo_datasets.splitting import members

# What the sets call their splits, the best first. Where there is no set for validation, the one for testing serves.
NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "trainval", "train-standard"),
    "val": ("val", "valid", "test"),
}
FILLED_IN = {"root", "split", "image_set", "train", "download"}


class TorchvisionDataset:
    """The pictures of one split of one of torchvision's sets.

    Attributes:
        fingerprint: The same for the same set and split.
    """

    def __init__(self, name: str, pictures: Any, indices: Sequence[int], split: str) -> None:
        self._name = name
        self._pictures = pictures
        self._indices = indices
        which = f"{name}, {split}, {len(indices)} of {len(pictures)}"
        self.fingerprint = hashlib.blake2b(which.encode(), digest_size=16).hexdigest()

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Tensor:
        """Read one picture -> uint8 (3, H, W), sRGB.

        Raises:
            ZooError: The file cannot be read, or is no picture.
            IndexError: There are fewer pictures.
        """
        number = self._indices[index]
        try:
            item = self._pictures[number]
        except (OSError, RuntimeError, ValueError) as error:
            raise ZooError(
                f"cannot read picture {number} of torchvision's {self._name}: {_first_line(error)}"
            ) from error
        picture = _as_photo(item[0] if isinstance(item, (tuple, list)) else item)
        if picture is None:
            raise ZooError(f"torchvision's {self._name} is not a set of pictures")
        return picture


def image_set(
    *,
    split: Split,
    name: str,
    root: Path | None = None,
    download: bool = False,
    val: Annotated[float, Field(gt=0, lt=1)] = 0.05,
) -> TorchvisionDataset:
    """One of torchvision's image sets, by name: Flowers102, Places365, STL10, CIFAR10, …

    Nothing is downloaded without `download=true`; some sets are very large.

    Args:
        name: The name of the set, as torchvision calls it.
        root: Folder for the data. By default it is among zoo's data in your home folder.
        download: Fetch the data where they are missing.
        val: Share of the pictures that is kept for validation, where the set has no splits of its own.

    Raises:
        UsageError: There is no such set, zoo cannot use it, or its pictures are grey.
        ZooError: The data are missing, or cannot be downloaded.
    """
    made_by = _find(name)
    name = made_by.__name__
    root = (root or Path(platformdirs.user_data_dir("zoo"), "datasets")).expanduser()
    pictures, own_split = _open(made_by, root, split, download)
    if not len(pictures):
        raise ZooError(f"torchvision's {name} in {root} holds no pictures")
    if own_split:
        indices: Sequence[int] = range(len(pictures))
    else:
        ours = members([str(number) for number in range(len(pictures))], split, val)
        indices = sorted(int(number) for number in ours)
        if not indices:
            raise UsageError(f"torchvision's {name} in {root} holds a single picture: two at least are needed")
    dataset = TorchvisionDataset(name, pictures, indices, own_split or f"{split} {val}")
    _check(dataset, name)
    return dataset


def _check(dataset: TorchvisionDataset, name: str) -> None:
    """Look at a few pictures: are they coloured, and large enough?"""
    verdicts = []
    for index in sorted({round(i * (len(dataset) - 1) / 7) for i in range(8)}):
        picture = dataset[index]
        if min(picture.shape[1:]) < 16:
            raise UsageError(f"the pictures of torchvision's {name} are smaller than 16×16 pixels")
        verdicts.append(colourless(Image.fromarray(picture.permute(1, 2, 0).numpy())))
    if all(verdict == GREY for verdict in verdicts):
        raise UsageError(f"the pictures of torchvision's {name} are already grey: there is no colour to learn from")


def _find(name: str) -> Callable[..., Any]:
    """Return the class of this name, in whatever case it is written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision announces what it will deprecate
        import torchvision.datasets as sets

    classes = {
        member: made_by
        for member in sets.__all__
        if inspect.isclass(made_by := getattr(sets, member))
        and made_by is not sets.VisionDataset
        and not made_by.__module__.endswith(("_optical_flow", "_stereo_matching"))
    }
    usable = sorted((known for known in classes if not _demands(classes[known])), key=str.lower)
    found = next((classes[known] for known in classes if known.lower() == name.lower()), None)
    if found is None:
        raise UsageError(
            f"torchvision has no image set {name!r}{did_you_mean(name, usable)} (there are: {', '.join(usable)})"
        )
    if demanded := _demands(found):
        raise UsageError(
            f"torchvision's {found.__name__} needs {' and '.join(demanded)}, which zoo cannot fill in: "
            "use the data set folder on its pictures"
        )
    return found


def _demands(made_by: Callable[..., Any]) -> list[str]:
    """Name the parameters without a default that zoo has nothing to fill in for."""
    return [
        parameter.name
        for parameter in inspect.signature(made_by).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is not parameter.VAR_KEYWORD
        and parameter.name not in FILLED_IN
    ]


def _open(made_by: Callable[..., Any], root: Path, split: Split, download: bool) -> tuple[Any, str]:
    """Open a set, fetch it if need be -> the set, and how it calls the split: "" where it has none."""
    name = made_by.__name__
    asked = inspect.signature(made_by).parameters
    try:
        return _in_split(made_by, root, split, fetch=False)
    except (RuntimeError, OSError) as error:
        if "download" not in asked:
            raise ZooError(
                f"torchvision's {name} is not in {root}, and torchvision does not fetch it: {_first_line(error)}"
            ) from error
        if not download:
            raise ZooError(
                f"torchvision's {name} is not, or not whole, in {root}; say download=true to fetch it"
            ) from error
    check_consent(f"torchvision's {name} would be downloaded to {root}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        return _in_split(made_by, root, split, fetch=True)
    except ZooError:
        raise
    except Exception as error:  # whatever the network, the disk or an archive comes up with
        raise ZooError(f"cannot download torchvision's {name}: {_first_line(error)}") from error


def _in_split(made_by: Callable[..., Any], root: Path, split: Split, fetch: bool) -> tuple[Any, str]:
    """Try the names that sets give to their splits."""
    asked = inspect.signature(made_by).parameters
    given: dict[str, Any] = {}
    if "root" in asked:
        given["root"] = str(root)
    if "download" in asked:
        given["download"] = fetch
    if "train" in asked:
        given["train"] = split == "train"
        return _make(made_by, given), f"train={split == 'train'}"
    option = next((option for option in ("split", "image_set") if option in asked), None)
    if option is None:
        return _make(made_by, given), ""
    for value in NAMES[split]:
        try:
            return _make(made_by, given | {option: value}), f"{option}={value}"
        except ValueError as error:
            if "Unknown value" not in str(error):
                raise ZooError(f"cannot use torchvision's {made_by.__name__}: {_first_line(error)}") from error
    raise UsageError(f"torchvision's {made_by.__name__} is not divided into pictures for training and for validation")


def _make(made_by: Callable[..., Any], given: dict[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return made_by(**given)
    except ImportError as error:
        missing = getattr(error, "name", None) or _first_line(error)
        raise ZooError(
            f"torchvision's {made_by.__name__} needs the package {missing}: pip install {missing}"
        ) from error


def _as_photo(item: Any) -> Tensor | None:
    """A picture as sets hand it out -> uint8 (3, H, W); None where it is not a picture."""
    if isinstance(item, Image.Image):
        return torch.from_numpy(np.array(item.convert("RGB"))).permute(2, 0, 1).contiguous()
    if not isinstance(item, Tensor) or item.ndim != 3 or item.shape[0] not in (1, 3):
        return None
    if item.is_floating_point():
        item = (item.clamp(0, 1) * 255).round()
    photo: Tensor = item.to(torch.uint8).expand(3, -1, -1)
    return photo.contiguous()


def _first_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    reason = getattr(error, "reason", None)  # of a URLError
    if isinstance(reason, BaseException):
        error = reason
    text = (explain_os_error(error) if isinstance(error, OSError) else str(error)).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
