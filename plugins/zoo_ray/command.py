"""zoo colorize-ray: give photographs their colours, on as many machines as Ray has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.arguments import Format, Model, Saturation, Seed, SizeSeen


def colorize_ray(
    photos: Annotated[
        list[str],
        typer.Argument(metavar="PHOTO|FOLDER", help="Photographs, and folders of them; or addresses, as s3://a/b."),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for the coloured photographs, or its address.")],
    model: Model = None,
    format: Format = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")] = False,
    size: SizeSeen = None,
    saturation: Saturation = 1.0,
    seed: Seed = 0,
    address: Annotated[
        str | None, typer.Option(help="Of Ray's head node, or auto; without it, Ray is started here.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes, where Ray is started here.", min=1)] = None,
) -> None:
    """Colour an album by Ray, on as many machines as it has. All of them must see photographs, model and results."""
    from zoo_ray.spreading import check_installed, spread

    check_installed()
    from zoo.cli.terminal import print_album
    from zoo.colorize.planning import plan
    from zoo.registry import find_model
    from zoo_ray.addresses import is_address, plan_far

    far = any(is_address(place) for place in (*photos, out))
    jobs = plan_far(photos, out, format) if far else plan([Path(photo) for photo in photos], Path(out), format)
    found = find_model(model)
    if model is None:
        typer.echo(f"model: {found}", err=True)
    outcomes = spread(
        found, jobs, out if far else Path(out), overwrite=overwrite, size=size, saturation=saturation, seed=seed,
        address=address, workers=workers,
    )  # fmt: skip
    if print_album(outcomes, len(jobs), out):
        raise typer.Exit(1)
