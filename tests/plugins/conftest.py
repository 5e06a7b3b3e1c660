"""Fixtures for the tests of zoo's own plugins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from studies import Sepia, make_album, make_study
from zoo_turing.study import Study

if TYPE_CHECKING:
    from webs import Web


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    """A study of two models and 26 photographs. Nobody writes to it."""
    folder = tmp_path_factory.mktemp("turing")
    album = make_album(folder / "album", 26)
    return folder / "study", make_study(folder / "study", album, {"warm": Sepia(), "cold": Sepia(-5.0, -30.0)})


@pytest.fixture
def study(made: tuple[Path, Study]) -> Study:
    return made[1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    """zoo's page."""
    from webs import web  # it takes an extra

    with web(tmp_path / "web") as server:
        yield server
