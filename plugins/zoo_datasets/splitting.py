"""Which photographs validate: each one's name decides, so that adding some never moves others."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection

from zoo.registry.contracts import Split


def lot(name: str) -> float:
    """Where in [0, 1) a name falls: the same on every machine and in every version."""
    # macOS may hand out the same name with its accents taken apart.
    data = unicodedata.normalize("NFC", name).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") / 2**64


def members(names: Collection[str], split: Split, val: float) -> set[str]:
    """Take the names of one split: about the share `val` is for validation.

    Of two names or more, each split gets at least one. This may be the only reason why one moves when others are added.
    """
    if not names:
        return set()
    lots = sorted((lot(name), name) for name in names)
    kept = {name for share, name in lots if share < val} or {lots[0][1]}
    if len(kept) == len(lots) > 1:
        kept.remove(lots[-1][1])
    return kept if split == "val" else set(names) - kept
