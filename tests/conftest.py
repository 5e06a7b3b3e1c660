"""What all tests share: a clean surrounding, and small photographs."""

from __future__ import annotations

import email
import functools
import gc
import importlib.metadata
import os
from pathlib import Path
from types import SimpleNamespace

# Before anything imports a library that reads them.
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest
import torch
from PIL import Image

from zoo import registry

# The networks are tiny: more threads would only wait for one another.
torch.set_num_threads(1)

# No test survives a power cut: what is written need not be on the disk. A closed descriptor is still an error.
os.fsync = os.fstat
# What is installed is asked for its name and version hundreds of times a minute, and every time parsed as an e-mail.
importlib.metadata.email = SimpleNamespace(message_from_string=functools.cache(email.message_from_string))


TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Share the whole suite out among the cores that this process may use.

    Not a file or two, which would wait for workers to import torch; and nothing where pytest was told how (`-n`).
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # one of those workers, which shall not have workers themselves
    option = config.option
    whole = any((config.invocation_params.dir / argument).resolve() == TESTS for argument in config.args)
    if not whole or option.usepdb or option.collectonly or getattr(option, "numprocesses", 0) is not None:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores > 1:
        # Each takes half a gigabyte, and the longest test as long as a tenth of the suite.
        option.numprocesses = min(cores, 8)
        # The tests last unequally: who has none left takes over what another has not begun.
        option.dist = "worksteal"


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in a folder of its own, away from the user's configuration and caches."""
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / ".xdg" / name.lower()))
    for name in ("ZOO_PLUGINS", "ZOO_PLUGINS_DIR", "ZOO_STRICT", "ZOO_TRACE", "PYTHONSAFEPATH"):
        monkeypatch.delenv(name, raising=False)
    # Its curves take longer to draw than most runs of a test last; tests/plugins/test_report.py has it back.
    monkeypatch.setattr("zoo_report.plugin.follow", lambda run: None)
    monkeypatch.chdir(tmp_path)
    registry.get.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def _small_heap() -> None:
    """Let what collects garbage, as several checks of a component do, look through what a module's tests made alone."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let Python clean up as ever."""
    gc.unfreeze()


def colourful(height: int, width: int, seed: int = 0) -> Image.Image:
    """A smooth, colourful picture."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of twelve small colour photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        colourful(72, 96, seed=number).save(folder / f"{number:02}.png")
    return folder
