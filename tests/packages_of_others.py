"""Components of the packages below tests/packages, for tests that need no installed ones."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "packages" / "zoo-odd"))

from zoo_odd.streams import OddClips, OddHints, OddTars

__all__ = ["OddClips", "OddHints", "OddTars"]
