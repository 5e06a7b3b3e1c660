"""A component as somebody asked for it: what a spec comes to."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError, ZooError, one_line
from zoo.memory import out_of_memory
from zoo.registry.made import what_is_wrong
from zoo.registry.offers import Component
from zoo.registry.options import check_options, filled_in, unlike_defaults, written_out
from zoo.registry.spec import Spec

PROVENANCE = ("kind", "name", "plugin", "distribution", "version")
"""What says where a component comes from."""


@dataclass(frozen=True)
class Part:
    """A component as somebody asked for it: found once, its options checked once, to be made as often as needed."""

    component: Component
    name: str
    """What to call it: its own name, not an alias; `plugin/name` where two plugins offer one of that name."""
    options: Mapping[str, str]
    """As they were typed."""
    weight: float | None
    """In a sum; None where none was written."""
    default_places: Mapping[str, str]
    """Of the options that registry.toml gave: where they stand there."""
    unasked: str = ""
    """The place in a registry.toml that asks for it, where whoever started the run does not: see `Plan.asked_for`."""

    @functools.cached_property
    def values(self) -> dict[str, Any]:
        """The options as its factory takes them. This imports the factory.

        Raises:
            UsageError: an option is unknown, missing or of another type.
            ZooError: the factory cannot be imported.
        """
        component = self.component
        try:
            return check_options(component.factory(), component.kind, self.options, str(component))
        except UsageError as error:
            if self.default_places:
                raise UsageError(
                    f"{error} (default options are in {'; '.join(self.default_places.values())})"
                ) from None
            raise

    @functools.cached_property
    def spec(self) -> Spec:
        """What to write into a file: its plugin and its own name, every option, every path absolute.

        So it means the same where a registry.toml has other aliases, where another plugin offers one of that name, and
        when its author has changed a default.

        Raises:
            UsageError: as `values`, or a path has a name that no file can hold.
        """
        component = self.component
        spec = Spec(
            component.qualified,
            written_out(component.factory(), component.kind, self.options, self.values),
            self.weight,
        )
        if not str(spec).isascii():
            _check_text(component, spec)
        return spec

    @property
    def brief(self) -> str:
        """What to show to people: its name, and the options that are other than by default.

        Raises:
            UsageError: as `spec`.
        """
        component = self.component
        options = unlike_defaults(component.factory(), component.kind, self.spec.options)
        return str(Spec(self.name, options, self.weight))

    @property
    def provenance(self) -> dict[str, str]:
        """Where it comes from: kind, name, plugin, distribution and its version."""
        return {key: getattr(self.component, key) for key in PROVENANCE}

    def make(self, **offered: Any) -> Any:
        """Make the component.

        Args:
            offered: what zoo fills in if the factory asks for it: see `zoo.registry.contracts`.

        Raises:
            UsageError: as `values`, or the factory says so.
            ZooError: the factory failed, or what it returned is no such component.
        """
        factory = self.component.factory()
        try:
            with _only_if_asked(self.unasked):
                made = factory(**self.values, **filled_in(factory, self.component.kind, offered))
        except ZooError as error:
            raise type(error)(f"{self.component}: {error}") from error
        except Exception as error:
            failure = UsageError if isinstance(error, ValueError) else ZooError
            asked = Spec(self.component.name, self.options)
            if out_of_memory(error):
                raise ZooError(
                    f"not enough memory for the {self.component.kind} {asked}: choose options that make it smaller; "
                    f"`zoo show {self.component.name}` lists them"
                ) from error
            raise failure(f"{self.component} cannot be made as {asked}: {one_line(error)}") from error
        if problem := what_is_wrong(made, self.component):
            raise self.component.broken(problem)
        return made


def _only_if_asked(place: str) -> AbstractContextManager[None]:
    if not place:
        return nullcontext()
    from zoo.hub import only_if_asked

    return only_if_asked(place)


def names_of(parts: Sequence[Part]) -> list[str]:
    """Tell parts of one kind apart: by their names, and by `plugin/name` those that share one.

    This does not depend on what else is installed, so a run calls them the same when it is resumed.
    """
    names = [part.component.name for part in parts]
    return [part.component.qualified if names.count(part.component.name) > 1 else part.component.name for part in parts]


def _check_text(component: Component, spec: Spec) -> None:
    for option, text in spec.options.items():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"{component}: {option}={text} is a name that is not text in UTF-8, and no recipe can keep "
                "it: give the file or folder another name"
            ) from None
