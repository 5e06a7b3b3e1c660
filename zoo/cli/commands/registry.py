"""zoo registry: what the layers of registry.toml come to."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from zoo import registry as core


def registry(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of registry.toml, for editors.")
    ] = False,
) -> None:
    """Show the merged registry.toml, and the file and line that each entry comes from."""
    from zoo.registry import file as registry_file

    if schema:
        typer.echo(json.dumps(registry_file.schema(), indent=2))
        return
    known = core.get()
    if as_json:
        found = [
            {"keys": keys, "value": value, "from": [{"file": str(path), "line": line} for path, line in places]}
            for keys, value, places in registry_file.entries(known.catalogue)
        ]
        files = [str(path) for path, _ in known.catalogue.layers]
        typer.echo(json.dumps({"files": files, "entries": found, "remarks": known.remarks}, indent=2))
        return
    typer.echo(registry_file.as_toml(known.catalogue), nl=False)
    for remark in known.remarks:
        typer.echo(f"note: {remark}", err=True)
