"""What is measured and how, as it was asked for. Nothing heavy is imported."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from zoo import registry
from zoo.errors import UsageError
from zoo.registry import Part
from zoo.registry.spec import parse_list

STANDARD = "standard"
"""The preset where none is named."""


@dataclass(frozen=True)
class Protocol:
    """What is measured, and of which photographs."""

    preset: str
    metrics: tuple[Part, ...]
    first: int | None = None
    """So many photographs, the first by the names of their files."""
    crop: int | None = None
    """The middle square of each, scaled to this side in pixels."""
    greys: bool = False
    """Photographs without colours are measured, too."""
    size: int | None = None
    """Short side that the models see, in pixels; by default the one that each learned at."""
    limit: int | None = None
    """So many photographs at most, spread over all of them."""
    hints: int = 0
    """Colours that are drawn from each original, for models that take hints."""
    seed: int = 0
    """Of the draws of the bootstrap, of the photographs that are drawn by lot to be looked at, of models' noise,
    and of hints."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "preset": self.preset,
            "metrics": [{"spec": str(part.spec), **part.provenance} for part in self.metrics],
            **{key: getattr(self, key) for key in ("first", "crop", "greys", "size", "limit", "hints", "seed")},
        }


def find_protocol(preset: str | None = None, metrics: str | None = None, **more: Any) -> Protocol:
    """Find a preset of registry.toml, and its metrics.

    Args:
        preset: its name; without one, the standard.
        metrics: others than the preset's, with commas between.
        more: fields of `Protocol`.

    Raises:
        UsageError: there is no such preset, or no such metric.
    """
    known = registry.get()
    name = preset or STANDARD
    said = known.catalogue.preset(name)
    parts = tuple(known.part("metric", spec) for spec in parse_list(metrics or said.metrics))
    if not parts:
        raise UsageError("there is no metric to measure by: write --metrics NAME,…")
    if preset is None and metrics is None:
        # Nobody asked for these but a registry.toml: they fetch nothing.
        place = known.catalogue.place("presets", name, "metrics")
        parts = tuple(dataclasses.replace(part, unasked=place) for part in parts)
    return Protocol(name, parts, said.first, said.crop, said.greys, **more)
