"""Tensors as safetensors files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE

import torch
from torch import Tensor


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
