"""One module per subcommand: it parses, calls the core and prints. No logic here."""

from __future__ import annotations

import functools


@functools.cache
def names() -> frozenset[str]:
    """Return the names of zoo's own subcommands: those of the modules here."""
    import pkgutil

    return frozenset(m.name.rstrip("_") for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
