"""Whether a run is well: the numbers of its validations, each held against its healthy range.

No number is known here by what it means. Those of pictures bring their ranges from where their metric is registered,
the critic's margin from the adversarial loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from zoo.events import Alarm
from zoo.registry.contracts import Range
from zoo.registry.part import names_of
from zoo.training.assembly import Assembly
from zoo.training.validation import FAKE, MARGIN, REAL

WARM_UP, WARM_UP_STEPS = 0.25, 200
"""Share of the run, and steps, after which a number counts that always was below its range, as those of grey are."""
PATIENCE = 2
"""Validations in a row at which a number is outside of its range, before that is an alarm."""
ACCURACY: Range = (0.02, 1.0)
"""Of a critic. One that calls nearly everything an original, or nothing, judges no more; one that is right may be."""


class Health:
    """Watches a run's validations."""

    def __init__(self) -> None:
        self.ranges: dict[str, Range] = {}
        """By the numbers' names."""
        self.is_good = True
        """Whether all numbers of the newest validation are in their ranges, whether they count yet or not."""
        self._counting: set[str] = set()
        self._outside: dict[str, int] = {}
        """Validations in a row, by number."""

    def judge(self, numbers: Mapping[str, float], step: int, progress: float) -> list[Alarm]:
        """Look at the numbers of a validation; return those that have been outside of their ranges for too long.

        Args:
            numbers: by name. What was not measured stays as it was.
            step: steps taken so far.
            progress: of the run, from 0 to 1.
        """
        self.is_good, alarms = True, []
        for name in self.ranges.keys() & numbers.keys():
            (low, high), value = self.ranges[name], numbers[name]
            inside = low <= value <= high
            if value >= low or (progress >= WARM_UP and step >= WARM_UP_STEPS):
                self._counting.add(name)
            self.is_good &= inside
            self._outside[name] = 0 if inside or name not in self._counting else self._outside.get(name, 0) + 1
            if self._outside[name] >= PATIENCE:
                alarms.append(Alarm(step, name, value, low, high, self._outside[name]))
        return sorted(alarms, key=lambda alarm: list(numbers).index(alarm.name))

    def forgive(self) -> None:
        """Begin to count anew."""
        self._outside.clear()

    def state(self) -> dict[str, Any]:
        """Return all that the next alarm depends on, as JSON can say it."""
        return {"good": self.is_good, "counting": sorted(self._counting), "outside": dict(self._outside)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned."""
        self.is_good, self._counting = state["good"], set(state["counting"])
        self._outside = dict(state["outside"])


def ranges_of(assembly: Assembly, originals: Mapping[str, float]) -> dict[str, Range]:
    """Return the healthy ranges of what a run's validations measure.

    Args:
        assembly: of the run.
        originals: what its metrics say of the originals themselves. Ranges of metrics are shares of that; one of which
            that is no number above 0 has none.
    """
    ranges = {}
    for name, part in zip(names_of(assembly.plan.metrics), assembly.plan.metrics, strict=True):
        for key, (low, high) in part.component.healthy.items():
            full = f"{name}.{key}" if key else name
            if 0 < (own := originals.get(full, 0.0)) < math.inf:
                ranges[full] = (low * own, high * own)
    if assembly.objective.undecided is not None:
        ranges |= {REAL: ACCURACY, FAKE: ACCURACY}
    if assembly.objective.healthy_margin is not None:
        ranges[MARGIN] = assembly.objective.healthy_margin
    return ranges
