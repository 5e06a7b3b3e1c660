"""zoo plugins: what is installed, what it offers, and what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo import registry
from zoo.cli.commands import names, remarks
from zoo.cli.completion import plugin_names
from zoo.registry.contracts import KINDS

if TYPE_CHECKING:
    from zoo.registry.plugins import Plugin


def plugins(
    disable: Annotated[
        str | None, typer.Option(metavar="NAME", autocompletion=plugin_names, help="Leave a plugin out from now on.")
    ] = None,
    enable: Annotated[
        str | None, typer.Option(metavar="NAME", autocompletion=plugin_names, help="Take a disabled plugin in again.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List installed plugins: where from, what they offer, how long they take to load, what is wrong with them."""
    known = registry.get()
    if disable is not None or enable is not None:
        from zoo.registry import file as registry_file

        if disable is not None:
            typer.echo(f"{disable} is disabled in {registry_file.disable(known, disable)}")
        if enable is not None:
            typer.echo(f"{enable} is enabled again in {registry_file.enable(known, enable)}")
    elif as_json:
        typer.echo(json.dumps([_as_dict(plugin) for plugin in known.plugins], indent=2))
    else:
        _print(known)


def _as_dict(plugin: Plugin) -> dict[str, Any]:
    return {
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "location": plugin.location,
        "state": plugin.state,
        "seconds": round(plugin.seconds, 4),
        "hooks": plugin.hooks,
        "components": [{"kind": c.kind, "name": c.name} for c in plugin.components],
        "commands": [command.name for command in plugin.commands if command.name not in names()],
        "off": plugin.off,
        "error": plugin.error,
        "traceback": plugin.details,
        "remarks": remarks(plugin),
    }


def _print(known: registry.Registry) -> None:
    from rich.markup import escape
    from rich.table import Table

    from zoo.cli.console import make_console

    console = make_console()
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for plugin in known.plugins:
        time = f", {1000 * plugin.seconds:.0f} ms" if plugin.state == "loaded" else ""
        table.add_row(f"[bold]{escape(plugin.name)}[/bold]", f"{plugin.distribution} {plugin.version}{time}")
        rows = {"from": f"[dim]{escape(plugin.location)}[/dim]", "hooks": ", ".join(plugin.hooks)}
        for kind in KINDS:
            rows[kind] = ", ".join(c.name for c in plugin.components if c.kind == kind)
        rows["command"] = ", ".join(command.name for command in plugin.commands if command.name not in names())
        rows["off"] = escape(plugin.off or "")
        rows["[red]broken[/red]"] = escape(plugin.error or "")
        rows["[yellow]remark[/yellow]"] = escape("; ".join(remarks(plugin)))
        for name, text in rows.items():
            if text:
                table.add_row(f"  {name}", text)
    console.print(table)
