"""zoo export: write a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's file, or a run's folder.")],
    target: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="The ONNX file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there already.")] = False,
) -> None:
    """Write a model as one ONNX file, for use without zoo, and compare what it computes with the model."""
    from zoo_export.exporting import check_target, export_model

    check_target(target, overwrite=overwrite)
    from zoo.model import load_model

    loaded = load_model(model, "cpu")
    typer.echo(f"exporting {model}, which takes a minute or two", err=True)
    exported = export_model(loaded, target)
    typer.echo(
        f"{target} is written ({exported.bytes / 2**20:.1f} MiB). At {exported.compared} sizes of photographs, its a* "
        f"and b* are those of the model within {exported.difference:.1g}."
    )
