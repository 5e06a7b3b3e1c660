"""The subcommand. It is imported when somebody calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def photo(
    out: Annotated[Path, typer.Argument(help="A .png file.")],
    index: Annotated[int, typer.Option(min=0, help="Which one.")] = 0,
) -> None:
    """Save one of the striped photographs."""
    # What is slow comes last: `--help` and a mistyped option need not wait for it.
    from zoo.photo import save_photo
    from zoo_tiny.components import TinyStripes

    save_photo(out, TinyStripes(split="train")[index])
    typer.echo(f"{out} is written")
