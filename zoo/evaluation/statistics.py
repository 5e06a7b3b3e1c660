"""How certain a number is: the bootstrap over photographs.

Efron (1979), Bootstrap methods: another look at the jackknife; the interval is the percentile interval of Efron and
Tibshirani (1993), An introduction to the bootstrap, chapter 13. Photographs are what is drawn, whole, since they are
what would be others if somebody did it again. All that is compared is measured in the same draws, so that a difference
does not suffer from what is hard about a photograph for everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""Draws for means."""
SET_RESAMPLES = 400
"""Draws for numbers of whole sets, each of which has to be computed anew."""
LEVEL = 0.95
"""Of the intervals."""
FEWEST = 2
"""Photographs without which there is no interval."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number, and the interval that it is known to."""

    value: float
    low: float | None = None
    """None where there is no interval."""
    high: float | None = None

    @property
    def differs(self) -> bool:
        """Of a difference: whether its interval leaves out 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def draws(photographs: int, count: int, seed: int) -> NDArray[np.int64]:
    """Draw as many photographs as there are, with replacement, so many times: (count, photographs), how often each."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(photographs, np.full(photographs, 1 / photographs), size=count)


def means(values: Floats, drawn: NDArray[np.int64]) -> Floats:
    """Return the mean of each draw.

    Args:
        values: (photographs, methods).
        drawn: from `draws`.

    Returns:
        (draws, methods).
    """
    result: Floats = drawn.astype(np.float64) @ values / len(values)
    return result


def of_sets(compare: Callable[[NDArray[np.int64]], list[float]], drawn: NDArray[np.int64]) -> Floats:
    """Return what a number of whole sets is in each draw.

    Args:
        compare: from indices of photographs, (photographs,), to the number of each method.
        drawn: from `draws`.

    Returns:
        (draws, methods).
    """
    every = np.arange(drawn.shape[1])
    return np.array([compare(np.repeat(every, counts)) for counts in drawn], np.float64)


def estimates(values: Floats, resampled: Floats | None, level: float = LEVEL) -> list[Estimate]:
    """Return each method's number with its interval.

    Args:
        values: (methods,).
        resampled: (draws, methods), or None where nothing is known of them.
        level: of the intervals.
    """
    return [
        _estimate(value, None if resampled is None else resampled[:, method], level)
        for method, value in enumerate(values)
    ]


def difference(values: Floats, resampled: Floats | None, method: int, other: int, level: float = LEVEL) -> Estimate:
    """Return by how much a method's number is above another's, with its interval. Arguments as of `estimates`."""
    paired = None if resampled is None else resampled[:, method] - resampled[:, other]
    return _estimate(values[method] - values[other], paired, level)


def _estimate(value: float, resampled: Floats | None, level: float) -> Estimate:
    if resampled is None or not np.isfinite(resampled).all():
        return Estimate(float(value))
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    rounding = 1e-9 * max(1.0, abs(value))
    if not low - rounding <= value <= high + rounding:
        # Photographs that are drawn twice are fewer different ones. Of a number that feels it as much as that, such as
        # how many colours there are at all, draws do not say how certain it is.
        return Estimate(float(value))
    return Estimate(float(value), float(low), float(high))
