"""zoo compare: what do versions of a model make of the same photographs?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.completion import model_sources


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            autocompletion=model_sources,
            help="Models: names, files, folders of runs or hf://owner/repository.",
        ),
    ],
    photos: Annotated[list[Path], typer.Option(help="A photograph, or a folder of them; may be repeated.")],
    epochs: Annotated[
        str | None, typer.Option(help="Of runs, compare the models of these epochs, as in 50,200,290.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the sheets and the page.")] = Path("compare"),
    side: Annotated[int, typer.Option(help="Long side of the pictures, in pixels.", min=48, max=2048)] = 320,
    limit: Annotated[
        int | None,
        typer.Option(help="Compare so many photographs at most, spread over all of them; by default 100.", min=1),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Short side that the models see, in pixels; by default what each learned at.", min=16),
    ] = None,
    saturation: Annotated[
        float, typer.Option(help="What chroma is multiplied by: 0.8 is calmer, 1.3 bolder.", min=0, max=4)
    ] = 1.0,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:1, mps or cpu.")] = "auto",
) -> None:
    """Put photographs side by side as several models colour them: as contact sheets, and as a page."""
    from zoo.evaluation.comparing import choose
    from zoo.evaluation.comparing import compare as put_side_by_side
    from zoo.evaluation.versions import find_versions, parse_epochs

    versions = find_versions(models, parse_epochs(epochs))
    chosen = choose(photos, limit)
    from zoo.cli.comparison import print_comparison
    from zoo.cli.console import make_console
    from zoo.cli.scan_bar import ScanBar

    bar = ScanBar(make_console(stderr=True), "compared")
    try:
        found = put_side_by_side(
            versions, chosen, out, side=side, size=size, saturation=saturation, device=device, progress=bar
        )
    finally:
        bar.close()
    print_comparison(found)
    if found.left_out:
        raise typer.Exit(1)
