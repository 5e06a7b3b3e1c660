"""Shares in words, for the terminal and for the page of results."""

from __future__ import annotations


def percent(share: float) -> str:
    """Return a share as 47.1%."""
    return f"{100 * share:.1f}%"


def span(interval: tuple[float, float]) -> str:
    """Return an interval as 40.2 to 54.0%."""
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}%"


def count(number: int, thing: str) -> str:
    """Return a number of things: 1 rater, 2 raters."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def of_raters(raters: int, left_out: int, max_failed: float) -> str:
    """Say how many raters there are, and how many of them do not count."""
    return f"{count(raters, 'rater')}, {left_out} left out for failing more than {max_failed:.0%} of their catch trials"
