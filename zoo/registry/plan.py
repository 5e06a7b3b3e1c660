"""Recipes by name, and what becomes of one: each of its parts found and checked, once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.recipe import NONE, PARTS, Recipe
from zoo.registry.contracts import Kind
from zoo.registry.part import Part
from zoo.registry.registry import Registry, get
from zoo.registry.spec import parse_list, parse_sum, write_list

KIND_OF: dict[str, Kind] = {"generator": "generator", "critic": "critic", "loss": "loss", "data": "dataset"}
"""What kind of component a field of a recipe names."""


def find_recipe(source: str | None = None, /, **changes: Any) -> Recipe:
    """Take a recipe by name, from its .toml file or from the folder of a run, with some fields changed.

    A duration or a schedule among the changes replaces the recipe's own end, whatever its unit. Where a name is given,
    the default fields and the default options of registry.toml are filled in; a file says all that there is to say, so
    that of registry.toml only the default options of changed parts count.

    Args:
        source: the name, the file or the folder; without one, the default recipe of registry.toml.
        changes: fields to change; those that are None stay as they are.

    Raises:
        UsageError: there is none, it is malformed, an unknown field, or a value that it cannot have.
    """
    known = get()
    if source is not None:
        file = Path(source) if source.endswith(".toml") else Path(source) / "recipe.toml"
        if source.endswith(".toml") or file.is_file():
            changed = [part for part in PARTS if changes.get(part) is not None]
            return _with_default_options(known, Recipe.load(file, changes), changed)
    catalogue = known.catalogue
    name = catalogue.default if source is None else source
    recipe = Recipe.from_table(
        catalogue.recipe(name), lambda field: f"recipe {name} ({catalogue.place_of_field(name, field)})", changes
    )
    return _with_default_options(known, recipe, PARTS)


@dataclass(frozen=True)
class Plan:
    """A recipe with the components that it names: what training is made from."""

    asked: Recipe
    """As it was found."""
    generator: Part
    critic: Part | None
    losses: tuple[Part, ...]
    """Each with its weight."""
    data: Part
    metrics: tuple[Part, ...]
    trackers: tuple[Part, ...]

    @functools.cached_property
    def recipe(self) -> Recipe:
        """The recipe in full, so that it means the same from any folder: all weights, all paths absolute.

        Raises:
            UsageError: an option is unknown, missing or of another type.
        """
        return self.asked.model_copy(
            update={
                "generator": str(self.generator.spec),
                "critic": str(self.critic.spec) if self.critic else NONE,
                "loss": "+".join(str(loss.spec) for loss in self.losses),
                "data": str(self.data.spec),
                "metrics": write_list(metric.spec for metric in self.metrics),
                "track": write_list(tracker.spec for tracker in self.trackers),
            }
        )

    def with_batch(self, batch: int) -> Plan:
        """Return the plan with another batch size."""
        return dataclasses.replace(self, asked=self.asked.model_copy(update={"batch": batch}))


def resolve(recipe: Recipe | Plan) -> Plan:
    """Find the components that a recipe names, and check that they belong together. Nothing heavy is imported.

    What is resolved already is returned as it is.

    Raises:
        UsageError: a part is unknown or malformed, a loss is there twice, or critic and losses do not fit.
    """
    if isinstance(recipe, Plan):
        return recipe
    known = get()
    plan = Plan(
        recipe,
        generator=known.part("generator", recipe.generator),
        data=known.part("dataset", recipe.data),
        critic=None if recipe.critic == NONE else known.part("critic", recipe.critic),
        metrics=_listed(known, "metric", recipe.metrics or known.catalogue.fields.get("metrics", "")),
        trackers=_listed(known, "tracker", recipe.track),
        losses=tuple(map(_weighted, (known.part("loss", term) for term in parse_sum(recipe.loss)))),
    )
    _check_together(known, plan)
    return plan


def _listed(known: Registry, kind: Kind, text: str) -> tuple[Part, ...]:
    return tuple(known.part(kind, spec) for spec in parse_list(text))


def _weighted(loss: Part) -> Part:
    return loss if loss.weight is not None else dataclasses.replace(loss, weight=loss.component.weight)


def _check_together(known: Registry, plan: Plan) -> None:
    recipe = plan.asked
    names = [loss.component.qualified for loss in plan.losses]
    for loss in plan.losses:
        if names.count(loss.component.qualified) > 1:
            raise UsageError(f"--loss {recipe.loss}: {loss.name} is there twice; write it once, with one weight")
    adversarial = [loss.component.name for loss in plan.losses if loss.component.adversarial]
    if recipe.schedule and not plan.critic:
        raise UsageError(f"--schedule {recipe.schedule!r} needs a critic: write --critic NAME, or leave it out")
    if "generator:" in recipe.schedule and len(adversarial) == len(plan.losses):
        raise UsageError(f"--schedule {recipe.schedule!r}: without a critic, --loss {recipe.loss} teaches nothing")
    if plan.critic and not adversarial:
        offered = [c.name for c in known.components if c.kind == "loss" and c.adversarial]
        raise UsageError(
            f"the critic {recipe.critic} has no part in --loss {recipe.loss}: add an adversarial loss "
            f"({', '.join(offered)}), or write --critic none"
        )
    if adversarial and not plan.critic:
        raise UsageError(
            f"--loss {recipe.loss}: {adversarial[0]} needs a critic: write --critic NAME "
            f"({', '.join(c.name for c in known.components if c.kind == 'critic')}), or leave it out"
        )


def _with_default_options(known: Registry, recipe: Recipe, fields: Collection[str]) -> Recipe:
    """Write the default options of registry.toml into these parts, so that the recipe does not depend on them."""
    if not known.catalogue.options:
        return recipe
    return recipe.model_copy(
        update={field: known.with_defaults(KIND_OF[field], getattr(recipe, field)) for field in fields}
    )
