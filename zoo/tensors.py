"""Tensors as safetensors files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE

import torch
from torch import Tensor

from zoo.errors import UsageError, ZooError


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors into a file, contiguous and apart: the format knows no other layout, and no shared memory.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    stored: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        stored[name] = tensor.clone(memory_format=torch.contiguous_format) if place in places else tensor
        places.add(place)
    path.touch()
    permissions = S_IMODE(path.stat().st_mode)
    try:
        save_file(stored, path, metadata=dict(metadata or {}) or None)
    except SafetensorError as error:
        # The library says in its own words what is the system's error.
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]) if number else 0, str(error), str(path)) from error
    # From 0.8 on the library renames a file of its own into place, which only its owner may read.
    with suppress(OSError):  # some file systems have no permissions
        path.chmod(permissions)


def load_matching(path: Path, wanted: Mapping[str, Tensor], network: str) -> dict[str, Tensor]:
    """Read a network's weights from a safetensors file; what it holds beyond them, such as a classifier, is left alone.

    Args:
        path: the file.
        wanted: the network's state dict; only names and shapes count.
        network: what an error message calls it, such as "timm's vgg16".

    Raises:
        UsageError: there is no such file, or it holds other weights.
        ZooError: it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            found = set(file.keys())
            missing = [name for name in wanted if name not in found]
            tensors = {name: file.get_tensor(name) for name in wanted if name in found}
    except (FileNotFoundError, IsADirectoryError):
        raise UsageError(f"there is no file {path}") from None
    except (SafetensorError, OSError) as error:
        raise ZooError(f"{path} cannot be read as a safetensors file: {error}") from error
    misshapen = [name for name, tensor in tensors.items() if tensor.shape != wanted[name].shape]
    if missing or misshapen:
        trouble = f"it lacks {missing[0]}" if missing else f"{misshapen[0]} has another shape"
        raise UsageError(
            f"{path} does not hold the weights of {network}: {trouble} "
            f"({len(missing) + len(misshapen)} of {len(wanted)} tensors don't fit)"
        )
    return tensors


def read_pickled(path: Path) -> Mapping[str, Tensor]:
    """Read a state dict that others have pickled: tensors alone, so that nothing in it runs.

    The one place where a pickle is opened. zoo itself writes none.

    Raises:
        OSError: it cannot be read.
        pickle.UnpicklingError: it holds something else.
    """
    state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state
