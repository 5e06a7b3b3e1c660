"""zoo show: one component."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo import registry
from zoo.cli.completion import component_names
from zoo.errors import UsageError
from zoo.suggest import did_you_mean


def show(
    name: Annotated[
        str, typer.Argument(autocompletion=component_names(), help="A component's name, with options if you like.")
    ],
    size: Annotated[int, typer.Option(help="Side of the pictures that a network is measured at.", min=16)] = 256,
) -> None:
    """Show a component's options and, of a network, its parameters, its work and its memory."""
    from zoo.registry.spec import Spec, parse

    known = registry.get()
    spec = parse(name)
    found = known.named(spec.name)
    if not found:
        raise UsageError(
            f"there is no component {spec.name!r}{did_you_mean(spec.name, [c.name for c in known.components])}"
        )
    parts = [
        known.part(component.kind, Spec(component.qualified, {**known.defaults(component), **spec.options}))
        for component in found
    ]
    for part in parts:
        # What is wrong with an option is said before anything is shown.
        if part.options:
            _ = part.values
    from zoo.cli.terminal import print_component

    for part in parts:
        print_component(part, size)
