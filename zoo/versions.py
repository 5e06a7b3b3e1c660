"""Which zoo this is, and with which libraries."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "gan-zoo"
_LIBRARIES = (DISTRIBUTION, "torch", "timm", "segmentation-models-pytorch", "numpy", "safetensors")


def zoo_version() -> str:
    """Return the version of the installed zoo."""
    return version(DISTRIBUTION)


def library_versions() -> dict[str, str]:
    """Return the versions of zoo and of what it computes with, by distribution."""
    return dict(_versions())


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    # Reading them takes some milliseconds each, and what is imported does not change any more.
    return tuple(_installed())


def _installed() -> Iterator[tuple[str, str]]:
    for name in _LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
