"""Find and load plugins, and keep the broken ones apart with their error.

Nothing else in zoo knows pluggy's manager.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import pluggy

from zoo import hookspecs
from zoo.contracts import Kind
from zoo.errors import ZooError

GROUP = "zoo"
OWN_DISTRIBUTION = "gan-zoo"


@dataclass(frozen=True)
class Component:
    """What a plugin registered: enough to list it without importing it."""

    kind: Kind
    name: str
    target: str
    summary: str
    plugin: str
    distribution: str
    version: str
    weight: float = 1.0
    adversarial: bool = False

    @property
    def qualified(self) -> str:
        """The name that stays unambiguous where two plugins offer the same: `plugin/name`."""
        return f"{self.plugin}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def factory(self) -> Callable[..., Any]:
        """Import the factory. This is where torch and the rest come in.

        Raises:
            ZooError: the plugin's module cannot be imported, or lacks the attribute.
        """
        from pkgutil import resolve_name

        try:
            factory = resolve_name(self.target)
        except Exception as error:
            raise ZooError(
                f"{self} of plugin {self.plugin} ({self.distribution} {self.version}) cannot be imported from "
                f"{self.target}: {one_line(error)}"
            ) from error
        if not callable(factory):
            raise ZooError(f"{self} of plugin {self.plugin}: {self.target} cannot be called, so it makes nothing")
        result: Callable[..., Any] = factory
        return result


@dataclass
class Plugin:
    """One entry point of the group `zoo`, loaded or not."""

    name: str
    distribution: str
    version: str
    components: list[Component] = field(default_factory=list)
    error: str | None = None
    details: str = ""
    """The traceback of the error, for `--debug`."""


def load_plugins(disabled: frozenset[str] = frozenset()) -> list[Plugin]:
    """Load every installed plugin, each in its own try.

    The environment has a say: ZOO_PLUGINS=none leaves out all that did not come with zoo, ZOO_PLUGINS=a,b all of
    those but a and b; ZOO_STRICT=1 makes a broken plugin an error at once instead of a line in `zoo list`.

    Args:
        disabled: names of plugins to leave out.

    Raises:
        ZooError: with ZOO_STRICT=1, a plugin is broken.
    """
    plugins = []
    for entry_point in sorted(entry_points(group=GROUP), key=lambda e: (_distribution(e) != OWN_DISTRIBUTION, e.name)):
        if entry_point.name not in disabled and _allowed(entry_point):
            plugins.append(_load(entry_point))
    return plugins


def one_line(error: BaseException) -> str:
    """Say an exception in one line: its type and message, or its type alone where it says nothing."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _allowed(entry_point: EntryPoint) -> bool:
    limit = os.environ.get("ZOO_PLUGINS")
    if limit is None or _distribution(entry_point) == OWN_DISTRIBUTION:
        return True
    return entry_point.name in limit.split(",")


def _distribution(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else "unknown"


def _load(entry_point: EntryPoint) -> Plugin:
    plugin = Plugin(entry_point.name, _distribution(entry_point), entry_point.dist.version if entry_point.dist else "?")
    try:
        # A manager for each, so that what it registers, and how it fails, is known to be its own.
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hookspecs)
        manager.register(entry_point.load(), name=f"{plugin.distribution}:{plugin.name}")
        register = _Register(plugin)
        manager.hook.zoo_components(register=register)
        plugin.components = register.components
    except (Exception, SystemExit) as error:
        if os.environ.get("ZOO_STRICT") == "1":
            raise ZooError(f"plugin {plugin.name} ({plugin.distribution}) is broken: {one_line(error)}") from error
        plugin.error, plugin.details = one_line(error), traceback.format_exc()
    return plugin


class _Register:
    """What a plugin's `zoo_components` is handed. See `zoo.hookspecs.Register`."""

    def __init__(self, plugin: Plugin) -> None:
        self.components: list[Component] = []
        self._plugin = plugin

    def generator(self, name: str, target: str, *, summary: str) -> None:
        self._add("generator", name, target, summary)

    def critic(self, name: str, target: str, *, summary: str) -> None:
        self._add("critic", name, target, summary)

    def loss(self, name: str, target: str, *, summary: str, weight: float = 1.0, adversarial: bool = False) -> None:
        self._add("loss", name, target, summary, weight=weight, adversarial=adversarial)

    def dataset(self, name: str, target: str, *, summary: str) -> None:
        self._add("dataset", name, target, summary)

    def _add(self, kind: Kind, name: str, target: str, summary: str, **more: Any) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ValueError(f"{kind} {name!r}: a name is made of letters, digits, '-', '_' and '.'")
        if not re.fullmatch(r"[\w.]+:[\w.]+", target):
            raise ValueError(f"{kind} {name!r}: its target {target!r} is not of the form package.module:attribute")
        if any(known.kind == kind and known.name == name for known in self.components):
            raise ValueError(f"{kind} {name!r} is registered twice")
        plugin = self._plugin
        self.components.append(
            Component(kind, name, target, summary, plugin.name, plugin.distribution, plugin.version, **more)
        )


def zoo_version() -> str:
    """Return the version of the installed zoo."""
    return version(OWN_DISTRIBUTION)
