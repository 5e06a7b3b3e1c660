"""How sure a share of votes is."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z = 1.959963984540054
"""Standard deviations of a normal distribution that hold 95 % of it."""
_DRAWS = 2000


def wilson(hits: int, votes: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, as if every vote was independent of the others.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927).

    Args:
        hits: votes that count.
        votes: all of them; without any, nothing is known.

    Returns:
        Lower and upper end, in [0, 1].
    """
    if votes == 0:
        return 0.0, 1.0
    share, spread = hits / votes, Z * Z / votes
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / votes + spread / (4 * votes))
    # Rounding must not bring them beyond what they are.
    return (0.0 if hits == 0 else max(0.0, middle - half)), (1.0 if hits == votes else min(1.0, middle + half))


def votes_needed(share: float, precision: float) -> int:
    """Return how many votes bring half of Wilson's interval down to `precision`, if the share stays what it is.

    Args:
        share: in [0, 1]; 0.5 is what needs most.
        precision: in (0, 0.5).
    """
    # (1 + s)² x² = z² (p (1 - p) / n + s / 4n) with s = z² / n: a quadratic equation in n.
    a, half = precision**2, Z * Z
    b = half * (2 * a - share * (1 - share))
    c = half * half * (a - 0.25)
    root = (-b + math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)
    return max(1, math.ceil(root - 1e-9))


def bootstrap(raters: Sequence[object], photos: Sequence[object], fooled: Sequence[bool]) -> tuple[float, float]:
    """Return the 95 % interval of a share that allows for raters and photographs that differ.

    Both are drawn with replacement, independently; a vote counts as often as its rater times its photograph. Owen,
    "The pigeonhole bootstrap" (2007). The same votes give the same interval.

    Args:
        raters: who gave each vote.
        photos: of which photograph.
        fooled: whether it counts. Without any votes, nothing is known.

    Returns:
        Lower and upper end, in [0, 1].
    """
    import numpy as np

    if not fooled:
        return 0.0, 1.0
    _, rater = np.unique(np.asarray(raters, dtype=object).astype(str), return_inverse=True)
    _, photo = np.unique(np.asarray(photos, dtype=object).astype(str), return_inverse=True)
    shape = rater.max() + 1, photo.max() + 1
    votes, hits = np.zeros(shape), np.zeros(shape)
    np.add.at(votes, (rater, photo), 1.0)
    np.add.at(hits, (rater, photo), np.asarray(fooled, dtype=float))
    random = np.random.default_rng(0)
    times_rater, times_photo = (random.multinomial(n, np.full(n, 1 / n), _DRAWS).astype(float) for n in shape)
    counted = ((times_rater @ votes) * times_photo).sum(1)
    shares = ((times_rater @ hits) * times_photo).sum(1)[counted > 0] / counted[counted > 0]
    if not len(shares):
        return 0.0, 1.0
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)
