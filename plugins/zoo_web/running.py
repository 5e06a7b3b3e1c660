"""What the command does: load a model, and serve the page until somebody ends it."""

from __future__ import annotations

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from zoo.registry import find_model
from zoo.serving import address_of, listen, serve
from zoo.signals import interrupted_by_signals


def run(model: str | None, host: str, port: int | None, device: str) -> None:
    """Serve the page until Ctrl-C, SIGTERM or the end of the terminal. It leaves no file behind.

    Raises:
        UsageError: there is no such model.
        ZooError: it cannot be loaded, or the address cannot be had.
        KeyboardInterrupt: somebody ended it.
    """
    found = find_model(model)
    from zoo_web.server import make_app
    from zoo_web.studio import Studio

    with interrupted_by_signals(), listen(host, port) as listener:
        studio = Studio(found, device)
        if model is None:
            typer.echo(f"model: {found}", err=True)
        with TemporaryDirectory(prefix="zoo-web-") as folder, ThreadPoolExecutor(1, "colour") as colouring:
            typer.echo(f"{address_of(host, listener)}/")
            if not _is_loopback(host):
                typer.echo("everybody who reaches this address can use it; 127.0.0.1 is this computer alone", err=True)
            typer.echo("Ctrl-C ends it, and nothing of your photographs is left behind", err=True)
            # Its end waits for the photograph that has its turn, whose folder must still be there.
            serve(make_app(studio, Path(folder), host=host, colouring=colouring), listener)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
