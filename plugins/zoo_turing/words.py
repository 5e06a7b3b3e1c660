"""Shares in words, for the terminal and for the page of results."""

from __future__ import annotations


def percent(share: float) -> str:
    """Return a share as 47.1 %."""
    return f"{100 * share:.1f} %"


def span(interval: tuple[float, float]) -> str:
    """Return an interval as 40.2 to 54.0 %."""
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"
