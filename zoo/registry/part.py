"""A component as somebody asked for it: what a spec comes to."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError, ZooError, one_line
from zoo.registry.offers import Component
from zoo.registry.options import absolute_paths, check_options, filled_in
from zoo.registry.spec import Spec


@dataclass(frozen=True)
class Part:
    """A component as somebody asked for it: found once, its options checked once, to be made as often as needed."""

    component: Component
    name: str
    """Its own name, not an alias: `plugin/name` where two plugins offer one of that name."""
    options: Mapping[str, str]
    """As they were typed."""
    weight: float | None
    """In a sum; None where none was written."""
    default_places: Mapping[str, str]
    """Of the options that registry.toml gave: where they stand there."""

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
        """What to write into a file: its own name, every path absolute.

        Raises:
            UsageError: as `values`.
        """
        # Not the alias: a model must load where the registry.toml that defines it is missing.
        return Spec(self.name, absolute_paths(self.options, self.values), self.weight)

    def make(self, **offered: Any) -> Any:
        """Make the component.

        Args:
            offered: what zoo fills in if the factory asks for it: see `zoo.registry.contracts`.

        Raises:
            UsageError: as `values`, or the factory says so.
            ZooError: the factory failed.
        """
        factory = self.component.factory()
        try:
            return factory(**self.values, **filled_in(factory, self.component.kind, offered))
        except ZooError as error:
            raise type(error)(f"{self.component}: {error}") from error
        except Exception as error:
            failure = UsageError if isinstance(error, ValueError) else ZooError
            asked = Spec(self.component.name, self.options)
            raise failure(f"{self.component} cannot be made as {asked}: {one_line(error)}") from error
