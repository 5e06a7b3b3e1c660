"""From a name to an object: plugins, the catalogue, the little language of specs, and the components behind them."""

from zoo.registry.models import ModelSource, find_model
from zoo.registry.part import Part
from zoo.registry.plan import Plan, find_recipe, resolve
from zoo.registry.registry import Registry, add_folders, components, get, recipes

__all__ = [
    "ModelSource",
    "Part",
    "Plan",
    "Registry",
    "add_folders",
    "components",
    "find_model",
    "find_recipe",
    "get",
    "recipes",
    "resolve",
]
