"""Did you mean …? For every name that a person can mistype."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """Return ": did you mean 'x'?" for the nearest known name, or nothing where none is near."""
    near = difflib.get_close_matches(typed.lower(), {name.lower(): name for name in known}, n=1, cutoff=0.5)
    if not near:
        return ""
    original = next(name for name in known if name.lower() == near[0])
    return f": did you mean {original!r}?"
