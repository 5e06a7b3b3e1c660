"""zoo web: colour photographs on a page in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli.arguments import Device, Model


def web(
    model: Model = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; by default the first free one from 8000 on.", min=0, max=65535),
    ] = None,
    device: Device = "auto",
) -> None:
    """Colour photographs on a page in the browser, until Ctrl-C. Nothing leaves this computer."""
    from zoo.serving import check_installed

    check_installed()
    from zoo_web.running import run

    run(model, host, port, device)
