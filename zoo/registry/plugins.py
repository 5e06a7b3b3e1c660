"""Find and load plugins, and keep the broken ones apart with their error.

Nothing else in zoo knows pluggy's manager.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

import pluggy

from zoo.errors import ZooError, one_line
from zoo.registry import folders, hookspecs, tracing
from zoo.registry.offers import Command, Component
from zoo.registry.registering import NAME, CommandRegistration, Registration
from zoo.registry.requirements import check_requirements
from zoo.suggest import did_you_mean
from zoo.versions import DISTRIBUTION

GROUP = "zoo"

SLOW = 0.1
"""Seconds of loading from which on a plugin is named for it."""

ADDED: dict[str, object] = {}
"""Plugins by name that nobody installed: objects with hooks. See `zoo.testing.registered`."""

# What takes longer to import than all of `zoo list`. Of those that import one another, the first to be named.
_HEAVY = (
    "torch", "tensorflow", "jax", "torchvision", "timm", "segmentation_models_pytorch", "transformers", "diffusers",
    "skimage", "sklearn", "scipy", "pandas", "matplotlib", "cv2", "numpy", "PIL",
)  # fmt: skip


@dataclass
class Plugin:
    """One entry point of the group `zoo`, or a file of a folder of plugins, loaded or not."""

    name: str
    distribution: str
    """Of a file, its path."""
    version: str
    """Of a file, the beginning of its hash."""
    module: str = ""
    file: Path | None = None
    """Where it is, if it is a file and not installed."""
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
    listener: Any = None
    """Its hooks, if it implements events: see `zoo.registry.hookspecs`."""

    @property
    def state(self) -> Literal["loaded", "broken", "off"]:
        """Whether it is in use."""
        return "off" if self.off else "broken" if self.error else "loaded"

    @property
    def location(self) -> str:
        """The folder or the file that its module is loaded from; empty where there is none."""
        from importlib.util import find_spec

        if self.file is not None:
            return str(self.file)
        try:
            spec = find_spec(self.module.partition(".")[0])
        except (ImportError, ValueError):
            return ""
        return next(iter(spec.submodule_search_locations or ()), spec.origin or "") if spec else ""


def load_plugins(disabled: Mapping[str, str] | None = None) -> list[Plugin]:
    """Load every plugin, each in its own try: those that are installed, then the files of folders, then `ADDED`.

    The environment has a say: ZOO_PLUGINS=none leaves out all that did not come with zoo, ZOO_PLUGINS=a,b all of
    those but a and b; ZOO_PLUGINS_DIR names folders; ZOO_STRICT=1 makes an error at once of what otherwise is a line
    in `zoo list`.

    Args:
        disabled: names of plugins to leave out, with where that is said.

    Raises:
        UsageError: a folder of plugins is not there.
        ZooError: with ZOO_STRICT=1, a plugin is broken, or there is something to remark on it other than its speed.
    """
    disabled = disabled or {}
    taken: dict[str, Plugin] = {}
    plugins: list[Plugin] = []
    for plugin, load in (*_installed(), *_files()):
        plugins.append(plugin)
        if plugin.name in disabled:
            plugin.off = f"disabled in {disabled[plugin.name]}"
        elif not _allowed(plugin):
            plugin.off = f"left out by ZOO_PLUGINS={os.environ['ZOO_PLUGINS']}"
        else:
            _load(load, plugin, taken.setdefault(plugin.name, plugin))
    for name, hooks in ADDED.items():
        plugins.append(Plugin(name, "a test", "0"))
        _load(partial(_itself, hooks), plugins[-1], taken.setdefault(name, plugins[-1]))
    return plugins


def _itself(hooks: object) -> object:
    return hooks


def _installed() -> Iterator[tuple[Plugin, Callable[[], object]]]:
    """Yield what is installed, zoo's own first, each with what imports it."""
    # Each name and version is read from a file, once.
    points = list(entry_points(group=GROUP))
    # Asked for its name, a distribution reads all of its metadata: once will do for all of its entry points.
    named = {key: _named(dist) for key, dist in {id(point.dist): point.dist for point in points}.items()}
    found = [(named[id(point.dist)], point) for point in points]
    for (distribution, version), entry_point in sorted(found, key=lambda e: (e[0][0] != DISTRIBUTION, e[1].name, e[0])):
        plugin = Plugin(entry_point.name, distribution, version, entry_point.value.partition(":")[0])
        yield plugin, partial(_import_installed, entry_point, distribution)


def _import_installed(entry_point: EntryPoint, distribution: str) -> object:
    if distribution != DISTRIBUTION and entry_point.dist is not None:
        check_requirements(entry_point.dist)
    return entry_point.load()


def _files() -> Iterator[tuple[Plugin, Callable[[], object]]]:
    """Yield the files of folders, each with what imports it."""
    for file in folders.find_files():
        plugin = Plugin(file.stem, str(file), folders.version_of(file), file.stem, file)
        yield plugin, partial(folders.import_file, file)


def _allowed(plugin: Plugin) -> bool:
    limit = os.environ.get("ZOO_PLUGINS")
    return limit is None or plugin.distribution == DISTRIBUTION or plugin.name in limit.split(",")


def _named(distribution: Distribution | None) -> tuple[str, str]:
    if distribution is None:
        return "unknown", "?"
    return distribution.name, distribution.version


def _load(load: Callable[[], object], plugin: Plugin, first: Plugin) -> None:
    try:
        if first is not plugin:
            raise ZooError(
                f"its name is taken by the plugin {first.name} of {first.distribution} {first.version}: "
                + ("give the file another one" if plugin.file else "uninstall one of the two")
            )
        if not NAME.fullmatch(plugin.name):
            raise ZooError(f"its name {plugin.name!r} must be made of letters, digits, '-', '_' and '.'")
        light = {name for name in _HEAVY if name not in sys.modules}
        start = time.perf_counter()
        # A manager for each, so that what it registers, and how it fails, is known to be its own.
        module = load()
        manager = _manager_of(module, plugin.name)
        source = plugin.name, plugin.distribution, plugin.version
        offered, added = Registration(*source), CommandRegistration(*source)
        manager.hook.zoo_components(register=offered)
        manager.hook.zoo_commands(commands=added)
        plugin.seconds = time.perf_counter() - start
        callers = manager.get_hookcallers(module) or []
    except (Exception, SystemExit) as error:
        plugin.error = " ".join(str(error).split()) if isinstance(error, ZooError) else one_line(error)
        plugin.details = traceback.format_exc()
        if is_strict():
            raise ZooError(f"plugin {plugin.name} ({plugin.distribution}) is broken: {plugin.error}") from error
        return
    plugin.hooks = sorted(caller.name for caller in callers)
    plugin.components, plugin.commands = offered.components, added.commands
    plugin.remarks = list(_unknown_hooks(manager, module))
    if any(caller.has_spec() and caller.name not in hookspecs.OFFERS for caller in callers):
        plugin.listener = manager.hook
    milliseconds = f"{1000 * plugin.seconds:.0f} ms"
    heavy = next((name for name in _HEAVY if name in light and name in sys.modules), None)
    if heavy and not plugin.file:  # a file that is there to try something out may hold its components, too
        plugin.remarks.append(
            f"imports {heavy} when it is listed ({milliseconds}): move the import into the component's module"
        )
    if plugin.remarks and is_strict():
        raise ZooError(f"plugin {plugin.name} ({plugin.distribution}): {'; '.join(plugin.remarks)}")
    if plugin.seconds > SLOW and not heavy:
        plugin.remarks.append(f"takes {milliseconds} to load, whatever zoo is asked")


def make_hooks(listener: object) -> Any:
    """Return the hooks of an object whose methods implement events, to be called by name with keywords.

    Raises:
        ZooError: it implements none, or one that does not exist.
    """
    manager = _manager_of(listener, type(listener).__name__)
    problems = list(_unknown_hooks(manager, listener))
    if not manager.get_hookcallers(listener):
        problems = ["has no method that is marked @hookimpl"]
    if problems:
        raise ZooError(f"{type(listener).__name__} {'; '.join(problems)}")
    return manager.hook


def _manager_of(listener: object, name: str) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(listener)
    if tracing.is_on():
        manager.add_hookcall_monitoring(*tracing.monitors(name))
    return manager


def _unknown_hooks(manager: pluggy.PluginManager, listener: object) -> Iterator[str]:
    known = [name for name in vars(manager.hook) if getattr(manager.hook, name).has_spec()]
    for caller in manager.get_hookcallers(listener) or []:
        if not caller.has_spec():
            yield f"implements {caller.name}, which is no hook of this zoo{did_you_mean(caller.name, known)}"


def is_strict() -> bool:
    """Whether ZOO_STRICT=1 makes errors of remarks."""
    return os.environ.get("ZOO_STRICT") == "1"
