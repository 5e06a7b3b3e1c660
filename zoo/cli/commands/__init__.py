"""One module per subcommand: it parses, calls the core and prints. No logic here."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.registry.plugins import Plugin


@functools.cache
def names() -> frozenset[str]:
    """Return the names of zoo's own subcommands: those of the modules here."""
    import pkgutil

    return frozenset(m.name.rstrip("_") for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def remarks(plugin: Plugin) -> list[str]:
    """Return what a plugin's author should know, though it works; its commands that zoo's own hide, too.

    Raises:
        ZooError: with ZOO_STRICT=1, such a command.
    """
    from zoo.errors import ZooError
    from zoo.registry.plugins import is_strict

    # No error otherwise: a zoo that gets a new command must not lose the components of a plugin for it.
    hidden = [command.name for command in plugin.commands if command.name in names()]
    remarks = [f"its command {name!r} is left out: zoo has one of that name" for name in hidden]
    if remarks and is_strict():
        raise ZooError(f"plugin {plugin.name} ({plugin.distribution}): {'; '.join(remarks)}")
    return [*plugin.remarks, *remarks]
