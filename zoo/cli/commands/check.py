"""zoo check: does a component do what its contract says?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from zoo.cli.completion import component_names
from zoo.registry.contracts import Kind


def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PLUGIN", autocompletion=component_names(), help="A component, with options if you like."
        ),
    ],
    kind: Annotated[Kind | None, typer.Option(help="Its kind, where the name alone does not say it.")] = None,
    size: Annotated[int, typer.Option(help="Side of the pictures that it is tried on.", min=16)] = 64,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:1, mps or cpu.")] = "cpu",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long one check may take.", min=0.1)] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Check a component, or all components of a plugin, against the contract, and say what was found."""
    from zoo.cli.check_table import print_report, print_verdict
    from zoo.testing import examine

    found = examine(name, kind, device=device, size=size, timeout=timeout)
    reports = []
    for report in found:
        reports.append(report)
        if not as_json:
            print_report(report)
    if as_json:
        typer.echo(json.dumps([asdict(report) for report in reports], indent=2))
    else:
        print_verdict(reports)
    if any(report.failures for report in reports):
        raise typer.Exit(1)
