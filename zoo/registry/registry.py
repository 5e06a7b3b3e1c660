"""The registry: name -> component -> object. It knows what plugins registered, and no component by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zoo.errors import UsageError, ZooError
from zoo.registry.catalogue import Catalogue, load_catalogue
from zoo.registry.contracts import KINDS, Kind
from zoo.registry.folders import add_to_environment
from zoo.registry.offers import Command, Component
from zoo.registry.options import as_text
from zoo.registry.part import Part
from zoo.registry.plugins import Plugin, load_plugins
from zoo.registry.spec import Spec, SpecError, parse, parse_sum
from zoo.suggest import did_you_mean


@dataclass(frozen=True)
class Registry:
    """All components of all plugins that loaded, and the catalogue."""

    plugins: tuple[Plugin, ...]
    """All that are installed, also those that are broken or switched off."""
    catalogue: Catalogue

    @functools.cached_property
    def components(self) -> list[Component]:
        """All components, by kind, then in natural order of their names."""
        found = [component for plugin in self.plugins for component in plugin.components]
        return sorted(found, key=lambda c: (KINDS.index(c.kind), c.name, c.plugin))

    @property
    def broken(self) -> list[Plugin]:
        """Plugins that could not be loaded."""
        return [plugin for plugin in self.plugins if plugin.error is not None]

    @property
    def commands(self) -> dict[str, Command]:
        """What plugins add to `zoo`, by what to type: the name, or `plugin/name` where two add the same."""
        found = [command for plugin in self.plugins for command in plugin.commands]
        names = [command.name for command in found]
        return {c.qualified if names.count(c.name) > 1 else c.name: c for c in found}

    @property
    def remarks(self) -> list[str]:
        """What of registry.toml comes to nothing: somebody else's file, components that are not there, circles."""
        return [
            *self.catalogue.passed_over,
            *(
                f"{self.catalogue.place('aliases', kind, alias)}: there is no {kind} {name!r}"
                f"{did_you_mean(name, self._names(kind))}"
                for (kind, alias), name in self.catalogue.aliases.items()
                if not self._named(kind, name)
            ),
            *(
                f"{self.catalogue.place('options', kind, name)}: {problem}"
                for kind, name in self.catalogue.options
                if (problem := _problem(self.find, kind, name))
            ),
            *self.catalogue.problems,
        ]

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

    def name_of(self, component: Component) -> str:
        """Return what to type for a component: its name, or `plugin/name` where two plugins offer one of that name."""
        return component.qualified if self.is_ambiguous(component) else component.name

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
        # The alias comes first, so that a registry.toml can settle what a name means that two plugins offer.
        for wanted in (self.catalogue.aliases.get((kind, name)), name):
            found = self._named(kind, wanted)
            if len(found) == 1:
                return found[0]
            if found:
                raise UsageError(
                    f"more than one plugin offers the {kind} {name!r}: write {' or '.join(c.qualified for c in found)}"
                )
        suggestion = did_you_mean(name, self._names(kind))
        if not suggestion and kind in self.catalogue.shorthands:
            suggestion = ", nor a folder of that name"
        message = f"there is no {kind} {name!r}{suggestion}"
        if alias := self.catalogue.aliases.get((kind, name)):
            message += f", nor a {kind} {alias!r}, which {self.catalogue.place('aliases', kind, name)}, takes it for"
        if broken := self.broken:
            message += f" (broken plugins: {', '.join(p.name for p in broken)}; `zoo list` shows why)"
        if off := [p.name for p in self.plugins if p.off]:
            message += f" (plugins switched off: {', '.join(off)}; `zoo plugins` shows where)"
        raise UsageError(f"{message} (zoo list --kind {kind} shows what there is)")

    def _named(self, kind: Kind, name: str | None) -> list[Component]:
        return [c for c in self.components if c.kind == kind and name in (c.name, c.qualified)]

    def _names(self, kind: Kind) -> list[str]:
        return [self.name_of(c) for c in self.components if c.kind == kind]

    def defaults(self, component: Component) -> dict[str, str]:
        """Return the default options that registry.toml gives a component, as text."""
        return {option: text for _, option, text in self._defaults(component)}

    def with_defaults(self, kind: Kind, text: str) -> str:
        """Write the default options of registry.toml into a spec, or a sum of them. What it says itself stays.

        A text that makes no sense is returned as it is: whoever checks it can say why.
        """
        try:
            specs = self.terms(kind, text) if kind in ("loss", "augmentation", "critic") else (self.read(kind, text),)
            defaults = [self.defaults(self.find(kind, spec.name)) for spec in specs]
        except UsageError:
            return text
        if not any(defaults):
            return text
        return "+".join(
            str(Spec(spec.name, {**more, **spec.options}, spec.weight))
            for spec, more in zip(specs, defaults, strict=True)
        )

    def read(self, kind: Kind, text: str) -> Spec:
        """Read the spec of one component; a bare path is taken for what the catalogue says it is short for.

        Raises:
            SpecError: it is malformed.
        """
        shorthand = self.catalogue.shorthands.get(kind)
        if shorthand is None or not looks_like_path(text):
            return parse(text)
        if not _problem(self.find, kind, text.partition(":")[0]):
            return parse(text)
        if not _exists(text):
            with suppress(SpecError):
                spec = parse(text)
                if spec.options:
                    # A mistyped component, rather than a path with both `:` and `=` in it.
                    return spec
        template = parse(shorthand)
        return Spec(template.name, {k: v.replace("{}", text) for k, v in template.options.items()})

    def terms(self, kind: Kind, text: str) -> tuple[Spec, ...]:
        """Read a sum of components, such as `patch+2*pixel`; a bare path stands alone, as `read` takes it.

        Raises:
            SpecError: it is malformed.
        """
        if self.catalogue.shorthands.get(kind) is None or not looks_like_path(text):
            return parse_sum(text)
        with suppress(SpecError):
            specs = parse_sum(text)
            if not any(_problem(self.find, kind, spec.name) for spec in specs):
                return specs
        return (self.read(kind, text),)

    def part(self, kind: Kind, spec: Spec | str, plugin: str | None = None) -> Part:
        """Find the component that a spec asks for. Its options are checked when they are first needed.

        Args:
            kind: the component's kind.
            spec: its name, with options.
            plugin: the one to ask, where the spec names none: what a file says in which the name stands alone.

        Raises:
            UsageError: the spec is malformed, or there is no such component.
        """
        if isinstance(spec, str):
            spec = self.read(kind, spec) if plugin is None else parse(spec)
        if plugin is not None and "/" not in spec.name:
            spec = Spec(f"{plugin}/{spec.name}", spec.options, spec.weight)
        component = self.find(kind, spec.name)
        places = {
            option: self.catalogue.place("options", kind, name, option)
            for name, option, text in self._defaults(component)
            if spec.options.get(option) == text
        }
        return Part(component, self.name_of(component), spec.options, spec.weight, places)

    def build(self, kind: Kind, spec: Spec | str, **offered: Any) -> Any:
        """Make a component: `part` and `Part.make` in one.

        Raises:
            UsageError: the component or an option is unknown, missing or of another type, or the factory says so.
            ZooError: the factory failed.
        """
        return self.part(kind, spec).make(**offered)

    def _defaults(self, component: Component) -> Iterator[tuple[str, str, str]]:
        """Yield default options with the name that the component goes by where they stand: name, option, text."""
        for (kind, name), options in self.catalogue.options.items():
            if kind == component.kind and not _problem(self.find, kind, name) and self.find(kind, name) == component:
                yield from ((name, option, as_text(value)) for option, value in options.items())


@functools.cache
def get() -> Registry:
    """Return the registry of this process: installed plugins, and the catalogue as seen from the working folder."""
    catalogue = load_catalogue()
    disabled = {name: ", ".join(map(str, paths)) for name, paths in catalogue.disabled.items()}
    registry = Registry(tuple(load_plugins(disabled)), catalogue)
    if not registry.components:
        raise ZooError("no plugin is installed, not even zoo's own: install zoo with `pip install -e .`")
    return registry


def add_folders(folders: Iterable[Path]) -> None:
    """Have the files of these folders as plugins, too, in this process and in those that it starts."""
    add_to_environment(folders)
    get.cache_clear()


def components(pattern: str = "*", kind: Kind | None = None) -> list[Component]:
    """List the components of this process's registry: `registry.components("unet*")`."""
    return get().select(pattern, kind)


def recipes() -> Mapping[str, Mapping[str, Any]]:
    """Return the recipes by name of this process's registry, as they are written in registry.toml."""
    return get().catalogue.recipes


def _problem(look_up: Callable[..., object], *names: str) -> str:
    """Return what is wrong with a name, if looking it up fails."""
    try:
        look_up(*names)
    except UsageError as error:
        return str(error)
    return ""


def looks_like_path(text: str) -> bool:
    """Whether somebody means a file or a folder by this, if there is no component of that name."""
    return text.startswith((".", "~")) or "/" in text or "\\" in text or _exists(text)


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except OSError:
        # Too long for a path, or in a folder that we may not look into.
        return False
