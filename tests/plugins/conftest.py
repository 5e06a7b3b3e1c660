"""Fixtures for the tests of zoo's own plugins."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import Sepia, make_album, make_study
from zoo_turing.study import Study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    """A study of two models and 26 photographs. Nobody writes to it."""
    folder = tmp_path_factory.mktemp("turing")
    album = make_album(folder / "album", 26)
    return folder / "study", make_study(folder / "study", album, {"warm": Sepia(), "cold": Sepia(-5.0, -30.0)})


@pytest.fixture
def study(made: tuple[Path, Study]) -> Study:
    return made[1]
