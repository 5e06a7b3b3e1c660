"""A plugin-based model zoo for colorization GANs.

    from zoo import Recipe, load_model, registry, train

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo.hookspecs import Commands, Register, hookimpl

if TYPE_CHECKING:
    from zoo import registry
    from zoo.errors import UsageError, ZooError
    from zoo.model import Model, load_model
    from zoo.recipe import Recipe
    from zoo.run import Run
    from zoo.training import train

__all__ = [
    "Commands",
    "Model",
    "Recipe",
    "Register",
    "Run",
    "UsageError",
    "ZooError",
    "hookimpl",
    "load_model",
    "registry",
    "train",
]

_HOMES = {
    "Model": "zoo.model",
    "Recipe": "zoo.recipe",
    "Run": "zoo.run",
    "UsageError": "zoo.errors",
    "ZooError": "zoo.errors",
    "load_model": "zoo.model",
    "train": "zoo.training",
}


def __getattr__(name: str) -> Any:
    if name == "registry":
        return importlib.import_module("zoo.registry")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")
