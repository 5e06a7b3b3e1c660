"""What checks found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from zoo.registry.contracts import Kind
    from zoo.registry.offers import Component

SIZE = 64
"""Side of the pictures that components are tried on, in pixels."""
IMPORT = "import"
"""The row that says that a component cannot even be imported."""


@dataclass(frozen=True)
class Result:
    """What one check found."""

    check: str
    verdict: Literal["passed", "failed", "noted"]
    """`noted` is worth knowing, and no failure."""
    message: str


@dataclass(frozen=True)
class Report:
    """What all checks found of one component."""

    kind: Kind
    spec: str
    source: str
    """The plugin that offers it, or where its factory is."""
    results: list[Result]

    @property
    def failures(self) -> list[Result]:
        """The checks that failed."""
        return [result for result in self.results if result.verdict == "failed"]


def header(component: Component, options: Mapping[str, str]) -> Report:
    """Return an empty report of a registered component, with options as typed."""
    from zoo.registry.spec import Spec

    return Report(component.kind, str(Spec(component.name, options)), f"plugin {component.plugin}", [])
