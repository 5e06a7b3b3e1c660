"""The registry: name -> component -> object. It knows what plugins registered, and no component by name."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zoo.catalogue import Catalogue, load_catalogue
from zoo.contracts import KINDS, Kind
from zoo.errors import UsageError, ZooError
from zoo.options import absolute_paths, check_options, filled_in
from zoo.plugins import Component, Plugin, load_plugins, one_line
from zoo.spec import Spec, SpecError, parse
from zoo.suggest import did_you_mean

NONE = "none"
"""What `--critic` takes where no critic is wanted."""


@dataclass(frozen=True)
class Registry:
    """All components of all plugins that loaded, and the catalogue."""

    plugins: tuple[Plugin, ...]
    catalogue: Catalogue

    @property
    def components(self) -> list[Component]:
        """All components, by kind, then in natural order of their names."""
        found = [component for plugin in self.plugins for component in plugin.components]
        return sorted(found, key=lambda c: (KINDS.index(c.kind), c.name, c.plugin))

    @property
    def broken(self) -> list[Plugin]:
        """Plugins that could not be loaded."""
        return [plugin for plugin in self.plugins if plugin.error is not None]

    def select(self, pattern: str = "*", kind: Kind | None = None) -> list[Component]:
        """List components whose name matches a pattern (`unet*`; a bare word matches anywhere in the name)."""
        wanted = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
        return [
            component
            for component in self.components
            if kind in (None, component.kind)
            and (fnmatchcase(component.name, wanted) or fnmatchcase(component.qualified, wanted))
        ]

    def is_ambiguous(self, component: Component) -> bool:
        """Whether another plugin offers a component of the same kind and name."""
        return sum(c.kind == component.kind and c.name == component.name for c in self.components) > 1

    def named(self, name: str, kind: Kind | None = None) -> list[Component]:
        """List the components of a name, a qualified name or an alias, whatever their kind, or of one kind."""
        found = [c for c in self.components if name in (c.name, c.qualified)]
        found += [self.find(of, target) for (of, alias), target in self.catalogue.aliases.items() if alias == name]
        return [component for component in found if kind in (None, component.kind)]

    def find(self, kind: Kind, name: str) -> Component:
        """Find a component by its name, its alias or its qualified name `plugin/name`.

        Raises:
            UsageError: there is none, or two plugins offer one.
        """
        of_kind = [component for component in self.components if component.kind == kind]
        # The alias comes first, so that a registry.toml can settle what a name means that two plugins offer.
        for wanted in (self.catalogue.aliases.get((kind, name)), name):
            found = [c for c in of_kind if wanted in (c.name, c.qualified)]
            if len(found) == 1:
                return found[0]
            if found:
                raise UsageError(
                    f"more than one plugin offers the {kind} {name!r}: write {' or '.join(c.qualified for c in found)}"
                )
        names = [c.qualified if self.is_ambiguous(c) else c.name for c in of_kind]
        suggestion = did_you_mean(name, names)
        if not suggestion and kind in self.catalogue.shorthands:
            suggestion = ", nor a folder of that name"
        message = f"there is no {kind} {name!r}{suggestion}"
        if broken := self.broken:
            message += f" (broken plugins: {', '.join(p.name for p in broken)}; `zoo list` shows why)"
        raise UsageError(f"{message} (zoo list --kind {kind} shows what there is)")

    def read(self, kind: Kind, text: str) -> Spec:
        """Read the spec of one component; a bare path is taken for what the catalogue says it is short for.

        Raises:
            SpecError: it is malformed.
        """
        shorthand = self.catalogue.shorthands.get(kind)
        if shorthand is None or not _looks_like_path(text):
            return parse(text)
        if self._is_known(kind, text.partition(":")[0]):
            return parse(text)
        if not _exists(text):
            with suppress(SpecError):
                spec = parse(text)
                if spec.options:
                    # A mistyped component, rather than a path with both `:` and `=` in it.
                    return spec
        template = parse(shorthand)
        return Spec(template.name, {k: v.replace("{}", text) for k, v in template.options.items()})

    def _is_known(self, kind: Kind, name: str) -> bool:
        try:
            self.find(kind, name)
        except UsageError:
            return False
        return True

    def check(self, kind: Kind, spec: Spec) -> Spec:
        """Check a spec against its component's options; return it with its own name and every path absolute.

        Raises:
            UsageError: the component or an option is unknown, missing or of another type.
        """
        component = self.find(kind, spec.name)
        values = check_options(component.factory(), kind, spec.options, str(component))
        # Not the alias: a model must load where the registry.toml that defines it is missing.
        name = component.qualified if self.is_ambiguous(component) else component.name
        return Spec(name, absolute_paths(spec.options, values), spec.weight)

    def build(self, kind: Kind, spec: Spec | str, **offered: Any) -> Any:
        """Make a component.

        Args:
            kind: the component's kind.
            spec: its name and options.
            offered: what zoo fills in if the factory asks for it: see `zoo.contracts`.

        Raises:
            UsageError: the component or an option is unknown, missing or of another type, or the factory says so.
            ZooError: the factory failed.
        """
        if isinstance(spec, str):
            spec = self.read(kind, spec)
        component = self.find(kind, spec.name)
        factory = component.factory()
        values = check_options(factory, kind, spec.options, str(component))
        try:
            return factory(**values, **filled_in(factory, kind, offered))
        except ZooError as error:
            raise type(error)(f"{component}: {error}") from error
        except Exception as error:
            failure = UsageError if isinstance(error, ValueError) else ZooError
            raise failure(f"{component} cannot be made as {spec}: {one_line(error)}") from error


@functools.cache
def get() -> Registry:
    """Return the registry of this process: installed plugins, and the catalogue as seen from the working folder."""
    catalogue = load_catalogue()
    registry = Registry(tuple(load_plugins(catalogue.disabled)), catalogue)
    if not registry.components:
        raise ZooError("no plugin is installed, not even zoo's own: install zoo with `pip install -e .`")
    return registry


def components(pattern: str = "*", kind: Kind | None = None) -> list[Component]:
    """List the components of this process's registry: `registry.components("unet*")`."""
    return get().select(pattern, kind)


def recipes() -> Mapping[str, Mapping[str, Any]]:
    """Return the recipes by name of this process's registry."""
    return get().catalogue.recipes


def _looks_like_path(text: str) -> bool:
    return text.startswith((".", "~")) or "/" in text or "\\" in text or _exists(text)


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except OSError:
        # Too long for a path, or in a folder that we may not look into.
        return False
