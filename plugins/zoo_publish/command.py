"""zoo card and zoo publish: models for others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model's name, a file, a run's folder or hf://owner/repository.")
]
Photos = Annotated[
    Path | None,
    typer.Option(help="A folder of photographs that may be shown: a contact sheet of them is put into the card."),
]
License = Annotated[
    str | None,
    typer.Option("--license", "--licence", metavar="ID", help="The licence, by the hub's name: mit, cc-by-4.0, …"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that zoo did not write.")]


def card(
    model: Source,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="README.md", help="The file; without it, the screen.")
    ] = None,
    photos: Photos = None,
    license_: License = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model's card: its use, recipe, data, training and numbers, under the header that the hub reads."""
    from zoo_publish.publishing import print_card, write_card

    if out is None:
        text, notes = print_card(model, license=license_, photos=photos)
        typer.echo(text, nl=False)
    else:
        notes = write_card(model, out, license=license_, photos=photos, overwrite=overwrite)
        typer.echo(f"{out} is written", err=True)
    _say(notes)


def publish(
    model: Source,
    target: Annotated[str, typer.Argument(metavar="DIR|hf://OWNER/NAME", help="A folder, or a repository.")],
    photos: Photos = None,
    license_: License = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository one that only its owner sees.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Put a model with its critic, its recipe and its card into a folder, or on the Hugging Face hub.

    Nothing of it names your folders.
    """
    from zoo_publish.publishing import publish as publish_to

    published = publish_to(model, target, license=license_, photos=photos, private=private, overwrite=overwrite)
    _say(published.notes)
    typer.echo(f"{published.place}: {', '.join(published.files)}")


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        typer.echo(f"note: {note}", err=True)
