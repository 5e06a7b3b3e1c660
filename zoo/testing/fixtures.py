"""Fixtures for the tests of plugins. pytest loads this module wherever zoo is installed: it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zoo.data.picture import LabPicture
    from zoo.registry import Registry
    from zoo.testing.temporary import Add


@pytest.fixture
def zoo_registry() -> Iterator[Registry]:
    """The registry of what is installed, read anew, as seen from the working folder."""
    from zoo import registry

    registry.get.cache_clear()
    yield registry.get()
    registry.get.cache_clear()


@pytest.fixture
def zoo_batch() -> LabPicture:
    """Two colourful pictures of 32×32 pixels as losses see them: `.lightness`, `.chroma` and `.rgb`."""
    from zoo.testing.subject import pictures

    return pictures(size=32)


@pytest.fixture
def zoo_register() -> Iterator[Add]:
    """Registers a component for one test, as in `zoo_register("loss", "mine", MyLoss, weight=50)`.

    See `zoo.testing.registered`.
    """
    from zoo.testing.temporary import registered

    with registered() as add:
        yield add
