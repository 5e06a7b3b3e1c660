"""zoo video: give a film its colours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.arguments import Device, Model, Saturation, SizeSeen


def video(
    film: Annotated[Path, typer.Argument(metavar="FILM", help="The film.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The coloured film: .mkv, .mp4, .m4v or .mov.")],
    model: Model = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the result if it is there, and what was begun otherwise.")
    ] = False,
    steady: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="How long colours are held still; 0 is off.", min=0, max=10),
    ] = 0.5,
    lossless: Annotated[bool, typer.Option("--lossless", help="Write FFV1, in .mkv, instead of H.264.")] = False,
    size: SizeSeen = None,
    saturation: Saturation = 1.0,
    device: Device = "auto",
) -> None:
    """Give a film its colours, with its sound, subtitles and times as they are.

    The same command goes on where it was ended.
    """
    from zoo_video.colouring import check_command, colour_film

    check_command(film, out, lossless=lossless, overwrite=overwrite)
    from zoo.registry import find_model

    found = find_model(model)
    if model is None:
        typer.echo(f"model: {found}", err=True)
    from zoo.cli.console import make_console
    from zoo.cli.scan_bar import ScanBar
    from zoo.model import load_model
    from zoo.signals import interrupted_by_signals

    bar = ScanBar(make_console(stderr=True), "coloured", things="frames")
    try:
        with interrupted_by_signals():
            outcome = colour_film(
                load_model(found.file, device),
                found.file,
                film,
                out,
                steady=steady,
                size=size,
                saturation=saturation,
                lossless=lossless,
                overwrite=overwrite,
                told=bar,
            )
    finally:
        bar.close()
    if outcome.damaged:
        typer.echo(f"note: {outcome.damaged} pieces of {film} are damaged, and were passed over", err=True)
    for stream in outcome.left_out:
        typer.echo(f"note: stream {stream} of {film}, data that is neither seen nor heard, is left out", err=True)
    already = f", {outcome.resumed} of them by an earlier command" if outcome.resumed else ""
    typer.echo(f"{out} is written: {outcome.frames} frames{already}")
