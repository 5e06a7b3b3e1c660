"""zoo show: one component."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo import registry
from zoo.errors import UsageError
from zoo.suggest import did_you_mean


def show(
    name: Annotated[str, typer.Argument(help="A component's name, with options if you like.")],
    size: Annotated[int, typer.Option(help="Side of the pictures that a network is measured at.", min=16)] = 256,
) -> None:
    """Show a component's options and, of a network, its parameters, its work and its memory."""
    from zoo.spec import Spec, parse

    known = registry.get()
    spec = parse(name)
    found = known.named(spec.name)
    if not found:
        raise UsageError(
            f"there is no component {spec.name!r}{did_you_mean(spec.name, [c.name for c in known.components])}"
        )
    specs = [Spec(component.qualified, {**known.defaults(component), **spec.options}) for component in found]
    for component, one in zip(found, specs, strict=True):
        if one.options:
            known.check(component.kind, one)
    from zoo.terminal import print_component

    for component, one in zip(found, specs, strict=True):
        print_component(component, one, size)
