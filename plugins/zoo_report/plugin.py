"""A listener to every run, which keeps curves.png and report.html in its folder up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo import RunInfo, hookimpl

if TYPE_CHECKING:
    from zoo_report.following import Following

_following: dict[Path, Following] = {}
"""By folders, the runs of this process that are under way."""


def follow(run: RunInfo) -> Following | None:
    """Begin to follow a run. Nothing heavy is imported before there is something to draw."""
    from zoo_report.following import Following

    return Following(run)


@hookimpl
def zoo_run_started(run: RunInfo) -> None:
    """Begin with what a resumed run says of its past, when the first validation comes."""
    if (following := follow(run)) is not None:
        _following[run.path] = following


@hookimpl
def zoo_samples(run: RunInfo) -> None:
    """Write, unless that was done just before."""
    if following := _following.get(run.path):
        following.validated()


@hookimpl
def zoo_run_ended(run: RunInfo, state: str) -> None:
    """Write what it came to."""
    if following := _following.pop(run.path, None):
        following.ended(state)
