"""Pages for browsers: where a server listens, what it tells browsers to leave alone, and how it ends."""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING

from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error
from zoo.signals import STOP, handling, interrupted_by_signals

if TYPE_CHECKING:
    import uvicorn

NEEDED = ("starlette", "uvicorn")
"""What a server of pages needs."""
FIRST_PORT = 8000
_PORTS = 20
"""So many are tried, where nobody asked for one."""
_EVERY = ("0.0.0.0", "::")
"""Hosts that stand for all addresses of this computer, and are none themselves."""
PAGE_HEADERS = {
    # Nothing from elsewhere, and nothing to elsewhere. Pages show pictures that they hold themselves.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""What every answer says, so that a browser neither fetches nor keeps anything."""


def check_installed(needed: Iterable[str] = NEEDED) -> None:
    """See that the packages are there which a server needs.

    Raises:
        UsageError: they are not.
    """
    if missing := [name for name in needed if find_spec(name) is None]:
        verb = "is" if len(missing) == 1 else "are"
        raise UsageError(f"{' and '.join(missing)} {verb} not installed: pip install {' '.join(missing)}")


def listen(host: str, port: int | None = None) -> socket.socket:
    """Return a socket at an address.

    Args:
        host: a name, or an address.
        port: 0 is any free one; None the first free one from 8000 on.

    Raises:
        ZooError: it cannot be had.
    """
    ports = range(FIRST_PORT, FIRST_PORT + _PORTS) if port is None else (port,)
    try:
        family = socket.getaddrinfo(host, ports[0], type=socket.SOCK_STREAM)[0][0]
        for one in ports[:-1]:
            try:
                return socket.create_server((host, one), family=family)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        return socket.create_server((host, ports[-1]), family=family)
    except OSError as error:
        where = f"port {ports[0]}" if len(ports) == 1 else f"ports {ports[0]} to {ports[-1]}"
        raise ZooError(f"cannot listen on {host}, {where}: {explain_os_error(error)}; try another --port") from error


def address_of(host: str, listener: socket.socket) -> str:
    """Return what to type into a browser, such as `http://127.0.0.1:8000`."""
    shown = socket.gethostname() if host in _EVERY else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def make_server(app: Callable[..., Awaitable[None]]) -> uvicorn.Server:
    """Return a server that writes down nothing of who came."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def serve(app: Callable[..., Awaitable[None]], listener: socket.socket) -> None:
    """Serve an application until Ctrl-C, SIGTERM or the end of its terminal.

    Raises:
        KeyboardInterrupt: one of them came. What was under way had five seconds to end.
    """
    # uvicorn takes SIGTERM itself, ends, and sends it again: then it must not kill us before we have tidied up. Of a
    # closed terminal, it knows nothing.
    with interrupted_by_signals(), handling(_as_sigterm, [one for one in STOP if one.name == "SIGHUP"]):
        make_server(app).run(sockets=[listener])


def _as_sigterm(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)
