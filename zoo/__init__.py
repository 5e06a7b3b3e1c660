"""A plugin-based model zoo for colorization GANs.

    from zoo import find_recipe, load_model, registry, train

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import sys

if sys.argv[:1] == ["-m"] and "zoo" in sys.orig_argv and not sys.flags.safe_path:
    # `python -m zoo` puts the working folder first: a module that lies there must not take the place of a library.
    del sys.path[0]

import importlib
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError, ZooError
from zoo.events import Alarm, RunInfo, Status
from zoo.registry.contracts import Judgement, Step
from zoo.registry.hookspecs import Commands, Register, hookimpl

if TYPE_CHECKING:
    from zoo import registry
    from zoo.model import Model, load_model
    from zoo.recipe import Recipe
    from zoo.registry import find_recipe
    from zoo.run import Run
    from zoo.training import train

__all__ = [
    "Alarm",
    "Commands",
    "Judgement",
    "Model",
    "Recipe",
    "Register",
    "Run",
    "RunInfo",
    "Status",
    "Step",
    "UsageError",
    "ZooError",
    "find_recipe",
    "hookimpl",
    "load_model",
    "registry",
    "train",
]

_HOMES = {
    "Model": "zoo.model",
    "Recipe": "zoo.recipe",
    "Run": "zoo.run",
    "find_recipe": "zoo.registry",
    "load_model": "zoo.model",
    "train": "zoo.training",
}


def __getattr__(name: str) -> Any:
    if name == "registry":
        return importlib.import_module("zoo.registry")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")
