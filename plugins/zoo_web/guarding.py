"""Who may ask: this page, and programs. Not the pages of others that are open in the same browser."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:@/\s]+))(?::\d+)?")
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
        self._names = {"localhost", host.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request, or refuse it."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if (problem := self._problem(headers, scope["path"])) is None:
            await self.app(scope, receive, send)
            return
        body = json.dumps({"error": problem}).encode()
        kind = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 403, "headers": [*kind, (b"connection", b"close")]})
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
