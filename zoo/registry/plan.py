"""Recipes by name, and what becomes of one: each of its parts found and checked, once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import UsageError, ZooError
from zoo.files import quoted
from zoo.recipe import NONE, PARTS, Recipe
from zoo.registry.contracts import Kind
from zoo.registry.part import PROVENANCE, Part
from zoo.registry.registry import Registry, get
from zoo.registry.requirements import how_to_install
from zoo.registry.spec import Spec, SpecError, parse_list, parse_sum, write_list

KIND_OF: dict[str, Kind] = {
    "generator": "generator",
    "critic": "critic",
    "loss": "loss",
    "data": "dataset",
    "augment": "augmentation",
    "optimizer": "optimizer",
}
"""What kind of component a field of a recipe names."""


def find_recipe(source: str | None = None, /, **changes: Any) -> Recipe:
    """Take a recipe by name, from its .toml file or from the folder of a run, with some fields changed.

    A duration or a schedule among the changes replaces the recipe's own end, whatever its unit. Where a name is given,
    the default fields and the default options of registry.toml are filled in; a file says all that there is to say, so
    that of registry.toml only the default options of changed parts count.

    Args:
        source: the name, the file or the folder; without one, the recipe that registry.toml has for such changes.
        changes: fields to change; those that are None stay as they are.

    Raises:
        UsageError: there is none, it is malformed, an unknown field, or a value that it cannot have.
    """
    known = get()
    if file := _file_of(source):
        changed = [part for part in PARTS if changes.get(part) is not None]
        return _with_default_options(known, Recipe.load(file, changes), changed)
    catalogue = known.catalogue
    name = catalogue.recipe_for(changes) if source is None else source
    recipe = Recipe.from_table(
        catalogue.recipe(name), lambda field: f"recipe {name} ({catalogue.place_of_field(name, field)})", changes
    )
    return _with_default_options(known, recipe, PARTS)


def _file_of(source: str | None) -> Path | None:
    """Return the file of a recipe that is not in a registry.toml."""
    if source is None or source.endswith(".toml"):
        return Path(source) if source else None
    file = Path(source) / "recipe.toml"
    return file if file.is_file() else None


_PARTS_ASKED = (*PARTS, "metrics", "track")


def _given(changes: Mapping[str, Any]) -> set[str]:
    return {field for field, value in changes.items() if value is not None}


def _unasked(source: str | None, changes: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields that only a registry.toml asks for, with where it does."""
    if _file_of(source):
        return {}
    catalogue = get().catalogue
    name = catalogue.recipe_for(changes) if source is None else source
    return {
        field: catalogue.place_of_field(name, field)
        for field in _PARTS_ASKED
        if field not in _given(changes) and (source is None or not catalogue.says(name, field))
    }


@dataclass(frozen=True)
class Plan:
    """A recipe with the components that it names: what training is made from."""

    asked: Recipe
    """As it was found."""
    generator: Part
    critics: tuple[Part, ...]
    """None, one, or several, each with its weight."""
    losses: tuple[Part, ...]
    """Each with its weight."""
    data: Part
    augmentations: tuple[Part, ...]
    """In the order in which they are applied."""
    optimizer: Part
    metrics: tuple[Part, ...]
    trackers: tuple[Part, ...]

    @functools.cached_property
    def recipe(self) -> Recipe:
        """The recipe in full, so that it means the same anywhere and later on.

        Every component has its plugin, every option and, in the sum of losses, its weight; all paths are absolute.

        Raises:
            UsageError: an option is unknown, missing or of another type.
        """
        return self.asked.model_copy(
            update={
                "generator": str(self.generator.spec),
                "critic": "+".join(str(critic.spec) for critic in self.critics) or NONE,
                "loss": "+".join(str(loss.spec) for loss in self.losses) or NONE,
                "data": str(self.data.spec),
                "augment": "+".join(str(augmentation.spec) for augmentation in self.augmentations) or NONE,
                "optimizer": str(self.optimizer.spec),
                "metrics": write_list(metric.spec for metric in self.metrics),
                "track": write_list(tracker.spec for tracker in self.trackers),
            }
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, the generator first."""
        training = (*self.losses, self.data, *self.augmentations, self.optimizer)
        return (self.generator, *self.critics, *training, *self.metrics, *self.trackers)

    def provenance(self) -> list[dict[str, str]]:
        """List whose components take part: kind, name, plugin, distribution and version of each.

        A run and a model keep it, for `resolve` to ask the same plugins again.
        """
        return [part.provenance for part in self.parts]

    def asked_for(self, source: str | None, changes: Mapping[str, Any], place: str = "") -> Plan:
        """Return the plan with what somebody asked for told from what only a registry.toml says.

        What nobody asked for neither downloads nor sends anything: that is for those to decide who start a run, and a
        registry.toml comes with a folder, wherever that comes from. A recipe that is named is asked for, and so is a
        part that is; the default recipe, default fields and default options are not.

        Args:
            source: the recipe's name, file or run, if one was named.
            changes: fields that were given.
            place: where everything else comes from, if neither a recipe nor a registry.toml says it.
        """
        places = dict.fromkeys({*_PARTS_ASKED} - _given(changes), place) if place else _unasked(source, changes)

        def marked(field: str, part: Part) -> Part:
            place = places.get(field, "") or next(iter(part.default_places.values()), "")
            return dataclasses.replace(part, unasked=place)

        return dataclasses.replace(
            self,
            generator=marked("generator", self.generator),
            critics=tuple(marked("critic", critic) for critic in self.critics),
            losses=tuple(marked("loss", loss) for loss in self.losses),
            data=marked("data", self.data),
            augmentations=tuple(marked("augment", augmentation) for augmentation in self.augmentations),
            optimizer=marked("optimizer", self.optimizer),
            metrics=tuple(marked("metrics", metric) for metric in self.metrics),
            trackers=tuple(marked("track", tracker) for tracker in self.trackers),
        )

    def with_batch(self, batch: int) -> Plan:
        """Return the plan with another batch size."""
        return dataclasses.replace(self, asked=self.asked.model_copy(update={"batch": batch}))


def resolve(recipe: Recipe | Plan, made_with: Iterable[Mapping[str, str]] = ()) -> Plan:
    """Find the components that a recipe names, and check that they belong together. Nothing heavy is imported.

    What is resolved already is returned as it is.

    Args:
        recipe: the recipe.
        made_with: whose components it was made with, as `Plan.provenance` lists them. A name that stands alone means
            that plugin's; of one that is missing, the error says what to install.

    Raises:
        UsageError: a part is unknown or malformed, a loss is there twice, or critic and losses do not fit.
        ZooError: a part of `made_with` is missing.
    """
    if isinstance(recipe, Plan):
        return recipe
    known = _Known(get(), tuple(filter(_is_provenance, made_with)))
    plan = Plan(
        recipe,
        generator=known.part("generator", recipe.generator),
        data=known.part("dataset", recipe.data),
        critics=() if recipe.critic == NONE else known.critics(recipe.critic),
        augmentations=tuple(known.part("augmentation", term) for term in _augmentations(recipe.augment)),
        optimizer=known.part("optimizer", recipe.optimizer),
        metrics=known.parts("metric", recipe.metrics or known.registry.catalogue.fields.get("metrics", "")),
        trackers=known.parts("tracker", recipe.track),
        losses=tuple(map(_weighted, (known.part("loss", term) for term in _losses(recipe.loss)))),
    )
    _check_together(known.registry, plan)
    return plan


def _is_provenance(made: Any) -> bool:
    """Whether it says what `Part.provenance` does: a file that somebody has touched may say anything."""
    return isinstance(made, Mapping) and all(isinstance(made.get(key), str) for key in PROVENANCE)


@dataclass(frozen=True)
class _Known:
    """The registry, and what is known of the components that a recipe was made with."""

    registry: Registry
    made_with: tuple[Mapping[str, str], ...]

    def parts(self, kind: Kind, text: str) -> tuple[Part, ...]:
        return tuple(self.part(kind, spec) for spec in parse_list(text))

    def critics(self, text: str) -> tuple[Part, ...]:
        critics = tuple(self.part("critic", spec) for spec in self.registry.terms("critic", text))
        return critics if len(critics) == 1 else tuple(map(_weighted, critics))

    def part(self, kind: Kind, asked: Spec | str) -> Part:
        name = asked.partition(":")[0] if isinstance(asked, str) else asked.name
        for made in self.made_with:
            if made["kind"] == kind and name in (made["name"], f"{made['plugin']}/{made['name']}"):
                try:
                    return self.registry.part(kind, asked, made["plugin"])
                except SpecError:
                    raise
                except UsageError as error:
                    raise ZooError(
                        f"the {kind} {quoted(made['name'])} of the plugin {quoted(made['plugin'])} is not there: "
                        f"{how_to_install(made['distribution'], made['version'])} ({error})"
                    ) from None
        return self.registry.part(kind, asked)


def _augmentations(text: str) -> tuple[Spec, ...]:
    terms = () if text in ("", NONE) else parse_sum(text)
    for term in terms:
        if term.weight is not None:
            raise UsageError(f"--augment {text}: {term.name} has no weight; it is applied, or left out")
    return terms


def _losses(text: str) -> tuple[Spec, ...]:
    return () if text == NONE else parse_sum(text)


def _weighted(part: Part) -> Part:
    return part if part.weight is not None else dataclasses.replace(part, weight=part.component.weight)


def _check_together(known: Registry, plan: Plan) -> None:
    recipe = plan.asked
    names = [loss.component.qualified for loss in plan.losses]
    for loss in plan.losses:
        if names.count(loss.component.qualified) > 1:
            raise UsageError(f"--loss {recipe.loss}: {loss.name} is there twice; write it once, with one weight")
    adversarial = [loss.component.name for loss in plan.losses if loss.component.adversarial]
    if recipe.critic_steps > 1 and not plan.critics:
        raise UsageError(f"critic_steps = {recipe.critic_steps} needs a critic: write --critic NAME, or leave it out")
    if recipe.schedule and not plan.critics:
        raise UsageError(f"--schedule {recipe.schedule!r} needs a critic: write --critic NAME, or leave it out")
    if "generator:" in recipe.schedule and len(adversarial) == len(plan.losses):
        raise UsageError(f"--schedule {recipe.schedule!r}: without a critic, --loss {recipe.loss} teaches nothing")
    if plan.critics and not adversarial:
        offered = [c.name for c in known.components if c.kind == "loss" and c.adversarial]
        raise UsageError(
            f"the critic {recipe.critic} has no part in --loss {recipe.loss}: add an adversarial loss "
            f"({', '.join(offered)}), or write --critic none"
        )
    if adversarial and not plan.critics:
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
