"""zoo compare: what do versions of a model make of the same photographs?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.arguments import Device, DrawnHints, Extras, Models, Saturation, Seed, SizeSeen


def compare(
    models: Models,
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
    size: SizeSeen = None,
    saturation: Saturation = 1.0,
    seed: Seed = 0,
    extra: Extras = None,
    draw_hints: DrawnHints = 0,
    device: Device = "auto",
) -> None:
    """Put photographs side by side as several models colour them: as contact sheets, and as a page."""
    from zoo.evaluation.comparing import choose
    from zoo.evaluation.comparing import compare as put_side_by_side
    from zoo.evaluation.versions import find_versions, parse_epochs
    from zoo.given import find_extras

    extras = find_extras(extra or [])
    versions = find_versions(models, parse_epochs(epochs))
    chosen = choose(photos, limit)
    from zoo.cli.comparison import print_comparison
    from zoo.cli.console import make_console
    from zoo.cli.scan_bar import ScanBar

    bar = ScanBar(make_console(stderr=True), "compared")
    try:
        found = put_side_by_side(
            versions,
            chosen,
            out,
            side=side,
            size=size,
            saturation=saturation,
            seed=seed,
            extras=extras,
            hints=draw_hints,
            device=device,
            progress=bar,
        )
    finally:
        bar.close()
    print_comparison(found)
    if found.left_out:
        raise typer.Exit(1)
