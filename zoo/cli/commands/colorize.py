"""zoo colorize: give photographs their colours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.arguments import Device, Extras, Format, Model, Saturation, Seed, SizeSeen


def colorize(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO|FOLDER", help="Photographs, and folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the coloured ones; of a single one, its file.")],
    model: Model = None,
    last: Annotated[bool, typer.Option("--last", help="Of a run, its newest model instead of its best one.")] = False,
    format: Format = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")] = False,
    size: SizeSeen = None,
    saturation: Saturation = 1.0,
    seed: Seed = 0,
    hint: Annotated[
        list[str] | None,
        typer.Option("--hint", metavar="X,Y,#RRGGBB", help="A colour at a pixel, for models that take hints."),
    ] = None,
    hints: Annotated[
        Path | None, typer.Option("--hints", metavar="FILE", help="Hints for an album: lines of photo,x,y,#rrggbb.")
    ] = None,
    extra: Extras = None,
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="K/N", help="Only the part K of N, the same each time: for several machines."),
    ] = None,
    proof: Annotated[bool, typer.Option("--proof", help="Write contact sheets, too: before and after.")] = False,
    device: Device = "auto",
) -> None:
    """Colour photographs at their own size. The originals stay as they are. What was coloured before is skipped."""
    from zoo.cli.terminal import print_album
    from zoo.colorize.planning import plan, take_shard

    jobs = plan(photos, out, format)
    from zoo.colorize.album import colorize_all
    from zoo.colorize.ledger import Ledger
    from zoo.colorize.proof import ProofSheets
    from zoo.given import find_extras, find_hints
    from zoo.registry import find_model

    given = find_hints(hint or [], hints, list(dict.fromkeys(job.source for job in jobs)))
    if shard is not None:
        jobs = take_shard(jobs, shard)
    extras = find_extras(extra or [])
    found = find_model(model, last=last)
    if model is None:
        typer.echo(f"model: {found}", err=True)
    from zoo.model import load_model

    loaded = load_model(found, device)
    is_file = len(jobs) > 0 and jobs[0].target == out
    outcomes = colorize_all(
        loaded,
        jobs,
        overwrite=overwrite,
        size=size,
        saturation=saturation,
        seed=seed,
        hints=given,
        extras=extras,
        ledger=None if is_file else Ledger(out, shard.replace("/", "-of-") if shard else ""),
    )
    if proof:
        outcomes = ProofSheets(out.parent if is_file else out).of(outcomes)
    failed = print_album(outcomes, len(jobs), out)
    if failed:
        raise typer.Exit(1)
