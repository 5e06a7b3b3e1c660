"""zoo list: the components that there are."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from zoo import registry
from zoo.cli.commands import remarks
from zoo.registry.contracts import KINDS, Kind
from zoo.registry.offers import Component


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
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for kind in KINDS:
        of_kind = [component for component in found if component.kind == kind]
        if of_kind:
            table.add_row(f"[bold]{kind}[/bold]")
        for component in of_kind:
            name = component.qualified if known.is_ambiguous(component) else component.name
            weight = f"{component.weight:g}*" if kind == "loss" else ""
            source = f"[dim]{component.plugin} {component.version}[/dim]"
            table.add_row(f"  {weight}{name}", escape(component.summary), source)
    if show_recipes:
        table.add_row("[bold]recipe[/bold]")
        for name, recipe in sorted(known.catalogue.recipes.items()):
            standard = " (the default)" if name == known.catalogue.default else ""
            summary = recipe.get("summary") or (f"extends {recipe['extends']}" if "extends" in recipe else "")
            table.add_row(f"  {name}", escape(str(summary)) + standard, "")
    console.print(table)
    for plugin in known.broken:
        console.print(
            f"[red]broken plugin[/red] {plugin.name} ({plugin.distribution} {plugin.version}): "
            f"{escape(plugin.error or '')}"
        )
    for plugin, remark in notes:
        console.print(f"[dim]plugin {plugin.name} ({plugin.distribution} {plugin.version}) {escape(remark)}[/dim]")
    for remark in known.remarks:
        console.print(f"[dim]{escape(remark)}[/dim]")
