"""zoo list: the components that there are."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from zoo import registry
from zoo.cli.commands import remarks
from zoo.registry.contracts import KINDS, Kind
from zoo.registry.offers import Component

_NARROWEST = 16
"""Characters of a summary in a line, however narrow the terminal is."""


def list_(
    pattern: Annotated[str, typer.Argument(help="Part of a name, or a pattern such as 'smp-*'.")] = "*",
    kind: Annotated[Kind | None, typer.Option(help="Only this kind.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List components by kind, with the plugin that they come from, and recipes."""
    known = registry.get()
    found = known.select(pattern, kind)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "components": [_as_dict(component) for component in found],
                    "broken": [
                        {"plugin": p.name, "distribution": p.distribution, "version": p.version, "error": p.error}
                        for p in known.broken
                    ],
                },
                indent=2,
            )
        )
        return
    if not found:
        typer.echo(f"no component matches {pattern!r}", err=True)
        raise typer.Exit(1)
    _print_tables(known, found, show_recipes=pattern == "*" and kind is None)


def _as_dict(component: Component) -> dict[str, object]:
    about: dict[str, object] = {
        "kind": component.kind,
        "name": component.name,
        "summary": component.summary,
        "plugin": component.plugin,
        "distribution": component.distribution,
        "version": component.version,
    }
    if component.kind == "loss":
        about |= {"weight": component.weight, "adversarial": component.adversarial}
    if component.kind == "metric":
        about |= {"best": component.best}
    return about


def _print_tables(known: registry.Registry, found: list[Component], show_recipes: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from zoo.cli.console import make_console

    console = make_console()
    notes = [(plugin, remark) for plugin in known.plugins for remark in remarks(plugin)]
    names = {component: f"  {_weight(component)}{known.name_of(component)}" for component in found}
    recipes = sorted(known.catalogue.recipes) if show_recipes else []
    width = max(map(len, (*names.values(), *(f"  {name}" for name in recipes))))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=width)
    table.add_column(overflow="fold")
    sources = {component: f"{component.plugin} {component.version}" for component in found}
    is_narrow = width + max(map(len, sources.values())) + 4 + _NARROWEST > console.width
    for kind in KINDS:
        of_kind = [component for component in found if component.kind == kind]
        if of_kind:
            table.add_row(f"[bold]{kind}[/bold]")
        for component in of_kind:
            standard = " (the default)" if kind == "model" and component.name == known.catalogue.model else ""
            source = [] if is_narrow else [f"[dim]{escape(sources[component])}[/dim]"]
            table.add_row(names[component], escape(component.summary) + standard, *source)
    console.print(table)
    if recipes:
        console.print("[bold]recipe[/bold]")
        # Not rows of the table, which takes its time for a thousand of them.
        lines = [_recipe_line(known, name, width, console.width) for name in recipes]
        console.out("\n".join(lines), highlight=False)
    for plugin in known.broken:
        console.print(
            f"[red]broken plugin[/red] {plugin.name} ({plugin.distribution} {plugin.version}): "
            f"{escape(plugin.error or '')}"
        )
    for plugin, remark in notes:
        console.print(f"[dim]plugin {plugin.name} ({plugin.distribution} {plugin.version}) {escape(remark)}[/dim]")
    for remark in known.remarks:
        console.print(f"[dim]{escape(remark)}[/dim]")


def _weight(component: Component) -> str:
    return f"{component.weight:g}*" if component.kind == "loss" else ""


def _recipe_line(known: registry.Registry, name: str, width: int, total: int) -> str:
    """Write a recipe's name and summary in two columns: the first as wide as that of the table above."""
    import textwrap

    recipe = known.catalogue.recipes[name]
    summary = str(recipe.get("summary") or (f"extends {recipe['extends']}" if "extends" in recipe else ""))
    standard = " (the default)" if name == known.catalogue.default else ""
    start, rest = f"  {name}".ljust(width + 2), " " * (width + 2)
    room = max(total, width + 2 + _NARROWEST)
    return textwrap.fill(summary + standard, room, initial_indent=start, subsequent_indent=rest) or start.rstrip()
