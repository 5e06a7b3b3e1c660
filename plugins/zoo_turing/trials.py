"""What one rater sees, in which order, and on which side the original is."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from zoo_turing.study import Pair, Study

CATCH_EVERY = 10
"""Of so many trials that count, one more is a catch trial."""


@dataclass(frozen=True)
class Trial:
    """A pair as a rater sees it."""

    pair: Pair
    original: int
    """The side of the original: 0 for the left, 1 for the right."""


def number_of_catches(compared: int) -> int:
    """How many catch trials belong to so many trials that count."""
    return math.ceil(compared / CATCH_EVERY)


def draw(study: Study, shown: Mapping[tuple[str, int], int], random: Random) -> list[Trial]:
    """Draw the trials of one more rater: practice first, then catch trials among those that count.

    Each photograph is there once. Which photographs, against which model and on which side: what was shown least
    before, and chance where that leaves a choice. So all are shown equally often, once there are some raters.

    Args:
        study: has the pairs.
        shown: how often (pair, side of the original) is among the trials of earlier raters.
        random: where chance comes from.
    """

    def trial(pair: Pair) -> Trial:
        return Trial(pair, min((0, 1), key=lambda side: (shown.get((pair.id, side), 0), random.random())))

    def times(pair: Pair) -> int:
        return shown.get((pair.id, 0), 0) + shown.get((pair.id, 1), 0)

    by_photo: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair in study.of_role("compared"):
        by_photo[pair.photo].append(pair)
    photos = sorted(by_photo, key=lambda photo: (sum(map(times, by_photo[photo])), random.random()))[: study.trials]
    random.shuffle(photos)
    seen: Counter[str] = Counter()
    compared = []
    for photo in photos:
        pair = min(by_photo[photo], key=lambda pair: (times(pair), seen[pair.against], random.random()))
        seen[pair.against] += 1
        compared.append(trial(pair))
    practice = [trial(pair) for pair in study.of_role("practice")]
    catches = [trial(pair) for pair in study.of_role("catch")]
    random.shuffle(catches)
    return [*practice, *_mixed(compared, catches, random)]


def _mixed(compared: list[Trial], catches: list[Trial], random: Random) -> list[Trial]:
    """Put one catch trial into each stretch of the others, anywhere but at its beginning."""
    mixed, start = [], 0
    for number, catch in enumerate(catches, 1):
        end = len(compared) * number // len(catches)
        place = random.randint(min(start + 1, end), end)
        mixed += [*compared[start:place], catch, *compared[place:end]]
        start = end
    return mixed + compared[start:]
