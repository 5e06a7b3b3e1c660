"""zoo evaluate: how good are models?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.arguments import Device, DrawnHints, Extras, Models, SizeSeen
from zoo.cli.completion import component_names
from zoo.registry.contracts import Split


def evaluate(
    models: Models,
    data: Annotated[
        str,
        typer.Option(autocompletion=component_names("dataset"), help="A folder of photographs, or a data set."),
    ],
    split: Annotated[
        Split | None,
        typer.Option(help="Which of the data's photographs; by default val, or all of a folder that is not split."),
    ] = None,
    train_data: Annotated[
        str | None,
        typer.Option(
            autocompletion=component_names("dataset"),
            help="What the baseline sepia learns from, if not the data's own training photographs.",
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="What is measured and how, as a registry.toml says.")] = None,
    metrics: Annotated[
        str | None,
        typer.Option(autocompletion=component_names("metric", after=","), help="Other metrics than the preset's."),
    ] = None,
    extra: Extras = None,
    draw_hints: DrawnHints = 0,
    size: SizeSeen = None,
    limit: Annotated[
        int | None, typer.Option(help="Measure so many photographs at most, spread over all of them.", min=1)
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of the draws that intervals are made from, of noise and of hints.", min=0)
    ] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report and the numbers.")] = Path(
        "evaluation"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    device: Device = "auto",
) -> None:
    """Measure models beside grey and sepia, with intervals, and write a report to look at."""
    from zoo.evaluation.protocol import find_protocol
    from zoo.evaluation.saving import check_folder
    from zoo.registry import find_model

    protocol = find_protocol(preset, metrics, size=size, limit=limit, hints=draw_hints, seed=seed)
    sources = [find_model(model) for model in models]
    check_folder(out)
    from zoo.cli.console import make_console
    from zoo.cli.scan_bar import ScanBar
    from zoo.evaluation import evaluate as measure
    from zoo.evaluation import save
    from zoo.given import find_extras

    extras = find_extras(extra or [])
    errors = make_console(stderr=True)
    scanned, measured = ScanBar(errors), ScanBar(errors, "measured")
    try:
        found = measure(
            sources,
            data,
            split=split,
            train=train_data,
            extras=extras,
            protocol=protocol,
            device=device,
            scanned=scanned,
            measured=measured,
        )
    finally:
        scanned.close()
        measured.close()
    save(found, out)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
        return
    from zoo.cli.evaluation_table import print_evaluation

    print_evaluation(found, out)
