"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli.completion import model_sources

Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        autocompletion=model_sources,
        help="Models: names, files, folders of runs or hf://owner/repository.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        autocompletion=model_sources,
        help="A model's name, a file, a run's folder or hf://owner/repository.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        autocompletion=lambda: ["png", "tiff", "jpeg", "webp", "same"],
        help="png, tiff, jpeg, webp, or same: the original's. PNG by default.",
    ),
]
SizeSeen = Annotated[
    int | None,
    typer.Option(help="Short side that a model sees, in pixels; by default the one it learned at.", min=16),
]
Saturation = Annotated[
    float, typer.Option(help="What chroma is multiplied by: 0.8 is calmer, 1.3 bolder.", min=0, max=4)
]
Extras = Annotated[
    list[str] | None,
    typer.Option("--extra", metavar="NAME=FOLDER", help="Pictures that a model takes beside photographs."),
]
Seed = Annotated[int, typer.Option(help="Of models that draw noise: another one, other colours.", min=0)]
DrawnHints = Annotated[
    int,
    typer.Option(
        "--draw-hints", metavar="N", help="For models that take hints: so many colours of each original.", min=0
    ),
]
Device = Annotated[str, typer.Option(help="auto, cuda, cuda:1, mps or cpu.")]
