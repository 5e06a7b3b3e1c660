"""What an evaluation comes to: numbers with their intervals, and all that it takes to measure them again."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from zoo.evaluation.statistics import Estimate
    from zoo.registry.contracts import LeftOut

FORMAT = 1


@dataclass(frozen=True)
class Number:
    """One number, of every method."""

    name: str
    """As `chroma_error`, or `bins.covered` where a metric returns several."""
    summary: str
    """What its metric is, in a line."""
    best: Literal["lowest", "highest"]
    """Which of two values is the better one."""
    is_mean: bool
    """Whether it is the mean over photographs, rather than a number of the whole set."""
    estimates: Mapping[str, Estimate]
    """By methods."""
    differences: Mapping[tuple[str, str], Estimate]
    """By how much a method, the first, is above another one."""


@dataclass(frozen=True)
class Row:
    """A photograph that was measured, and its numbers by name, of each method."""

    name: str
    pixels: str
    """A hash of what was measured."""
    width: int
    height: int
    numbers: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Card:
    """A photograph to look at, small, as JPEG files."""

    name: str
    why: tuple[str, ...]
    """What it is there for: drawn by lot, or the best or the worst by a number."""
    grey: bytes
    original: bytes
    coloured: Mapping[str, bytes]
    """By methods."""
    numbers: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Evaluation:
    """Models measured on the same photographs, beside what they have to be better than."""

    protocol: Mapping[str, Any]
    """How it was measured: photographs and their hashes, models, versions, seed, …"""
    methods: tuple[str, ...]
    """The baselines `grey` and `sepia`, then the models, as they were given. There is no order of merit."""
    numbers: tuple[Number, ...]
    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    cards: tuple[Card, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """The methods that are models."""
        return self.methods[2:]

    @property
    def sepia(self) -> str:
        """What the baseline `sepia` knows, in words."""
        about = self.protocol["sepia"]
        return f"sepia learned from {about['photographs']:,} photographs of {about['learned from']} ({about['split']})"

    def to_json(self) -> dict[str, Any]:
        """Return all but the pictures, as JSON has it; what is not a number is None."""
        return {
            "format": FORMAT,
            "protocol": dict(self.protocol),
            "methods": list(self.methods),
            "numbers": {
                number.name: {
                    "summary": number.summary,
                    "best": number.best,
                    "mean_over_photographs": number.is_mean,
                    "methods": {method: _as_json(estimate) for method, estimate in number.estimates.items()},
                    "differences": [
                        {"of": method, "from": other, **_as_json(estimate), "differs": estimate.differs}
                        for (method, other), estimate in number.differences.items()
                    ],
                }
                for number in self.numbers
            },
            "notes": list(self.notes),
            "left_out": [asdict(item) for item in self.left_out],
            "photographs": [
                {"name": row.name, "pixels": row.pixels, "width": row.width, "height": row.height} for row in self.rows
            ],
        }

    def to_csv(self) -> str:
        """Return the table: a line for each number of each method, and for each difference, with what it is from."""
        lines: list[Sequence[object]] = [("number", "method", "minus", "value", "low", "high", "best")]
        for number in self.numbers:
            rows = [((method, ""), estimate) for method, estimate in number.estimates.items()]
            for (method, other), estimate in [*rows, *number.differences.items()]:
                values = (_cell(value) for value in (estimate.value, estimate.low, estimate.high))
                lines.append((number.name, method, other, *values, number.best))
        return _csv(lines)

    def pictures_csv(self) -> str:
        """Return the numbers of each photograph: a line for each of them and each method."""
        names = [number.name for number in self.numbers if number.is_mean]
        lines: list[Sequence[object]] = [("photograph", "pixels", "width", "height", "method", *names)]
        for row in self.rows:
            for method in self.methods:
                values = (_cell(row.numbers[name][method]) for name in names)
                lines.append((row.name, row.pixels, row.width, row.height, method, *values))
        return _csv(lines)


def _as_json(estimate: Estimate) -> dict[str, float | None]:
    return {key: _finite(value) for key, value in asdict(estimate).items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cell(value: float | None) -> str:
    return "" if _finite(value) is None else f"{value:.6g}"


def _csv(lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
