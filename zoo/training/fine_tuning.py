"""Training on from a model: with its own recipe, more gently."""

from __future__ import annotations

from zoo.model import read_recipe
from zoo.recipe import Recipe
from zoo.registry import ModelSource

GENTLER = 0.1
"""By what learning rates are multiplied where training goes on from a model."""
_OF_ITS_RUN = {
    "progressive_sizes",
    "val_every",
    "val_images",
    "workers",
    "threads",
    "device",
    "keep_epochs",
    "track",
    "summary",
}
"""Fields that belong to the run that made a model, or to the number of its photographs."""


def fine_tuning(source: ModelSource) -> Recipe:
    """Return the recipe with which to train on from a model: its own, with gentler learning rates.

    What belongs to the run that made it stays behind: its trackers, its devices, the sizes that it grew through, and
    how often it was validated, which is a matter of how many photographs it had.

    Raises:
        UsageError: it is not one of zoo's models.
        ZooError: it is damaged, or newer than this zoo.
    """
    table = read_recipe(source.file).to_table()
    table = {name: value for name, value in table.items() if name not in _OF_ITS_RUN}
    for rate in {"lr", "lr_critic"} & table.keys():
        table[rate] *= GENTLER
    return Recipe.from_table(table, f"the recipe of {source.text}")
