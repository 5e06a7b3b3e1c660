"""Find and load plugins, and keep the broken ones apart with their error.

Nothing else in zoo knows pluggy's manager.
"""

from __future__ import annotations

import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any, Literal

import pluggy

from zoo import commands, hookspecs
from zoo.contracts import Kind
from zoo.errors import ZooError
from zoo.suggest import did_you_mean

GROUP = "zoo"
OWN_DISTRIBUTION = "gan-zoo"

SLOW = 0.1
"""Seconds of loading from which on a plugin is named for it."""

# What takes longer to import than all of `zoo list`. Of those that import one another, the first to be named.
_HEAVY = (
    "torch", "tensorflow", "jax", "torchvision", "timm", "segmentation_models_pytorch", "transformers", "diffusers",
    "skimage", "sklearn", "scipy", "pandas", "matplotlib", "cv2", "numpy", "PIL",
)  # fmt: skip


@dataclass(frozen=True)
class Offer:
    """What a plugin offers: enough to list it without importing it."""

    name: str
    target: str
    summary: str
    plugin: str
    distribution: str
    version: str

    @property
    def qualified(self) -> str:
        """The name that stays unambiguous where two plugins offer the same: `plugin/name`."""
        return f"{self.plugin}/{self.name}"

    def load(self) -> Any:
        """Import it. This is where torch and the rest come in.

        Raises:
            ZooError: the plugin's module cannot be imported, or lacks the attribute.
        """
        from pkgutil import resolve_name

        try:
            return resolve_name(self.target)
        except Exception as error:
            raise ZooError(
                f"{self} of plugin {self.plugin} ({self.distribution} {self.version}) cannot be imported from "
                f"{self.target}: {one_line(error)}"
            ) from error


@dataclass(frozen=True)
class Component(Offer):
    """A component that a plugin registered."""

    kind: Kind
    weight: float = 1.0
    adversarial: bool = False
    best: Literal["lowest", "highest"] = "lowest"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def factory(self) -> Callable[..., Any]:
        """Import the factory.

        Raises:
            ZooError: it cannot be imported, or cannot be called.
        """
        factory = self.load()
        if not callable(factory):
            raise ZooError(f"{self} of plugin {self.plugin}: {self.target} cannot be called, so it makes nothing")
        result: Callable[..., Any] = factory
        return result


@dataclass(frozen=True)
class Command(Offer):
    """A subcommand that a plugin adds: a function, or a `typer.Typer` with subcommands of its own."""

    def __str__(self) -> str:
        return f"command {self.name}"


@dataclass
class Plugin:
    """One entry point of the group `zoo`, loaded or not."""

    name: str
    distribution: str
    version: str
    module: str = ""
    hooks: list[str] = field(default_factory=list)
    """The hooks that it implements."""
    components: list[Component] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    seconds: float = 0.0
    """What loading it took."""
    off: str | None = None
    """Who switched it off, if somebody did."""
    error: str | None = None
    """Why it is left out, if it could not be used."""
    details: str = ""
    """The traceback of the error."""
    remarks: list[str] = field(default_factory=list)
    """What its author should know, though it works."""
    follow: Any = None
    """Its hooks, if it implements events: see `zoo.training.follow`."""

    @property
    def state(self) -> Literal["loaded", "broken", "off"]:
        """Whether it is in use."""
        return "off" if self.off else "broken" if self.error else "loaded"

    @property
    def location(self) -> str:
        """The folder or the file that its module is loaded from; empty where there is none."""
        from importlib.util import find_spec

        try:
            spec = find_spec(self.module.partition(".")[0])
        except (ImportError, ValueError):
            return ""
        return next(iter(spec.submodule_search_locations or ()), spec.origin or "") if spec else ""


def load_plugins(disabled: Mapping[str, str] | None = None) -> list[Plugin]:
    """Load every installed plugin, each in its own try.

    The environment has a say: ZOO_PLUGINS=none leaves out all that did not come with zoo, ZOO_PLUGINS=a,b all of
    those but a and b; ZOO_STRICT=1 makes an error at once of what otherwise is a line in `zoo list`.

    Args:
        disabled: names of plugins to leave out, with where that is said.

    Raises:
        ZooError: with ZOO_STRICT=1, a plugin is broken, or there is something to remark on it other than its speed.
    """
    disabled = disabled or {}
    taken: dict[str, Plugin] = {}
    plugins = []
    for entry_point in sorted(
        entry_points(group=GROUP), key=lambda e: (_distribution(e) != OWN_DISTRIBUTION, e.name, _distribution(e))
    ):
        plugin = Plugin(
            entry_point.name,
            _distribution(entry_point),
            entry_point.dist.version if entry_point.dist else "?",
            entry_point.value.partition(":")[0],
        )
        plugins.append(plugin)
        if plugin.name in disabled:
            plugin.off = f"disabled in {disabled[plugin.name]}"
        elif not _allowed(entry_point):
            plugin.off = f"left out by ZOO_PLUGINS={os.environ['ZOO_PLUGINS']}"
        else:
            _load(entry_point, plugin, taken.setdefault(plugin.name, plugin))
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


def _load(entry_point: EntryPoint, plugin: Plugin, first: Plugin) -> None:
    try:
        if first is not plugin:
            raise ZooError(
                f"its name is taken by the plugin {first.name} of {first.distribution} {first.version}: "
                "uninstall one of the two"
            )
        if plugin.distribution != OWN_DISTRIBUTION and entry_point.dist is not None:
            _check_requirements(entry_point.dist)
        light = {name for name in _HEAVY if name not in sys.modules}
        start = time.perf_counter()
        # A manager for each, so that what it registers, and how it fails, is known to be its own.
        module = entry_point.load()
        manager = _manager_of(module)
        register, added = _Register(plugin), _Commands(plugin)
        manager.hook.zoo_components(register=register)
        manager.hook.zoo_commands(commands=added)
        plugin.seconds = time.perf_counter() - start
        callers = manager.get_hookcallers(module) or []
    except (Exception, SystemExit) as error:
        plugin.error = " ".join(str(error).split()) if isinstance(error, ZooError) else one_line(error)
        plugin.details = traceback.format_exc()
        if _is_strict():
            raise ZooError(f"plugin {plugin.name} ({plugin.distribution}) is broken: {plugin.error}") from error
        return
    plugin.hooks = sorted(caller.name for caller in callers)
    plugin.components, plugin.commands = register.components, added.commands
    plugin.remarks = [*_unknown_hooks(manager, module), *added.refused]
    if any(caller.has_spec() and caller.name not in hookspecs.OFFERS for caller in callers):
        plugin.follow = manager.hook
    milliseconds = f"{1000 * plugin.seconds:.0f} ms"
    if heavy := next((name for name in _HEAVY if name in light and name in sys.modules), None):
        plugin.remarks.append(
            f"imports {heavy} when it is listed ({milliseconds}): move the import into the component's module"
        )
    if plugin.remarks and _is_strict():
        raise ZooError(f"plugin {plugin.name} ({plugin.distribution}): {'; '.join(plugin.remarks)}")
    if plugin.seconds > SLOW and not heavy:
        plugin.remarks.append(f"takes {milliseconds} to load, whatever zoo is asked")


def make_hooks(follower: object) -> Any:
    """Return the hooks of an object whose methods implement events, to be called by name with keywords.

    Raises:
        ZooError: it implements none, or one that does not exist.
    """
    manager = _manager_of(follower)
    problems = list(_unknown_hooks(manager, follower))
    if not manager.get_hookcallers(follower):
        problems = ["has no method that is marked @hookimpl"]
    if problems:
        raise ZooError(f"{type(follower).__name__} {'; '.join(problems)}")
    return manager.hook


def _manager_of(follower: object) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(follower)
    return manager


def _unknown_hooks(manager: pluggy.PluginManager, follower: object) -> Iterator[str]:
    known = [name for name in vars(manager.hook) if getattr(manager.hook, name).has_spec()]
    for caller in manager.get_hookcallers(follower) or []:
        if not caller.has_spec():
            yield f"implements {caller.name}, which is no hook of this zoo{did_you_mean(caller.name, known)}"


def _is_strict() -> bool:
    return os.environ.get("ZOO_STRICT") == "1"


def _check_requirements(distribution: Distribution) -> None:
    """Hold what a distribution says that it needs against what is installed.

    Raises:
        ZooError: something is missing, or of another version.
    """
    if unmet := list(_unmet(distribution)):
        wanted = " ".join(f"'{requirement}'" for requirement, _ in unmet)
        raise ZooError(f"needs {'; '.join(f'{r}, {problem}' for r, problem in unmet)}: pip install {wanted}")


def _unmet(distribution: Distribution) -> Iterator[tuple[str, str]]:
    if not distribution.requires:
        return
    from packaging.requirements import Requirement

    for text in distribution.requires:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        short = f"{requirement.name}{requirement.specifier}"
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield short, "which is not installed"
        else:
            # Whoever installed a pre-release wanted it.
            if not requirement.specifier.contains(installed, prereleases=True):
                yield short, f"and {installed} is installed"


def _check_offer(what: str, name: str, target: str, known: bool) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise ValueError(f"{what} {name!r}: a name is made of letters, digits, '-', '_' and '.'")
    if not re.fullmatch(r"[\w.]+:[\w.]+", target):
        raise ValueError(f"{what} {name!r}: its target {target!r} is not of the form package.module:attribute")
    if known:
        raise ValueError(f"{what} {name!r} is registered twice")


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

    def metric(self, name: str, target: str, *, summary: str, best: Literal["lowest", "highest"] = "lowest") -> None:
        self._add("metric", name, target, summary, best=best)

    def tracker(self, name: str, target: str, *, summary: str) -> None:
        self._add("tracker", name, target, summary)

    def _add(self, kind: Kind, name: str, target: str, summary: str, **more: Any) -> None:
        _check_offer(kind, name, target, any(c.kind == kind and c.name == name for c in self.components))
        plugin = self._plugin
        self.components.append(
            Component(name, target, summary, plugin.name, plugin.distribution, plugin.version, kind, **more)
        )


class _Commands:
    """What a plugin's `zoo_commands` is handed. See `zoo.hookspecs.Commands`."""

    def __init__(self, plugin: Plugin) -> None:
        self.commands: list[Command] = []
        self.refused: list[str] = []
        self._plugin = plugin

    def add(self, name: str, target: str, *, summary: str) -> None:
        _check_offer("command", name, target, any(c.name == name for c in self.commands))
        if name.startswith("-"):
            raise ValueError(f"command {name!r}: it would be taken for an option")
        plugin = self._plugin
        if name in commands.names():
            # Not an error: a zoo that gets a new command must not lose the components of a plugin for it.
            self.refused.append(f"its command {name!r} is left out: zoo has one of that name")
        else:
            self.commands.append(Command(name, target, summary, plugin.name, plugin.distribution, plugin.version))


def zoo_version() -> str:
    """Return the version of the installed zoo."""
    return version(OWN_DISTRIBUTION)
