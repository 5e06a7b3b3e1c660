"""Who may ask: this page, and programs. Not the pages of others that are open in the same browser."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from zoo_web import limits

Scope = MutableMapping[str, Any]
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:@/\s]+))(?::\d+)?")
_PATIENCE = 20
"""Seconds for what is left of a request that is refused."""
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Guard:
    """An application that refuses what other sites have browsers ask of another application.

    - A name that somebody else has made to lead here (DNS rebinding): `Host` must be an address, `localhost`, or a name
      of this computer's. An address cannot be rebound.
    - A page of another site (CSRF): a browser says where it is from, in `Origin` or `Sec-Fetch-Site`. Programs say
      neither.

    Args:
        app: the other application.
        host: what it listens on, which may be another name.
    """

    def __init__(self, app: App, host: str) -> None:
        self.app = app
        own = socket.gethostname().lower()
        self._names = {"localhost", host.lower(), own, f"{own}.local"}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request, or refuse it."""
        receive, send = heard_out(receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if (problem := self._problem(headers, scope["path"])) is None:
            await self.app(scope, receive, send)
            return
        body = json.dumps({"error": problem}).encode()
        kind = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 403, "headers": kind})
        await send({"type": "http.response.body", "body": body})

    def _problem(self, headers: dict[str, str], path: str) -> str | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return f"this server is not {host[:100] or 'without a name'}: open the address that zoo printed"
        origin = headers.get("origin")
        is_elsewhere = origin is not None and urlsplit(origin).netloc != host
        # Anybody may have a link to the page; what does something is for the page itself.
        is_elsewhere |= path != "/" and headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
        return "only zoo's own page may ask this, not one of another site" if is_elsewhere else None

    def _is_ours(self, host: str) -> bool:
        if (found := _HOST.fullmatch(host.lower())) is None:
            return False
        name = found[1] or found[2]
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def heard_out(receive: Any, send: Any) -> tuple[Any, Any]:
    """Take in what is left of a request before it is answered.

    Browsers listen only once they have sent all of it: they never hear the answer of a server that hangs up before.
    """
    is_more, heard = True, 0

    async def receiving() -> Any:
        nonlocal is_more, heard
        message = await receive()
        is_more = message["type"] == "http.request" and message.get("more_body", False)
        heard += len(message.get("body", b""))
        return message

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    while is_more and heard < 2 * limits.MEGABYTES * 10**6:
                        await receiving()
        await send(message)

    return receiving, sending
