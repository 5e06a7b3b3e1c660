"""The page, and what it and programs ask of the server."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error
from zoo.memory import out_of_memory
from zoo.photo import Hint
from zoo.serving import PAGE_HEADERS
from zoo_web import limits
from zoo_web.guarding import Guard
from zoo_web.openapi import document
from zoo_web.studio import Studio, TooLargeError, UnknownModelError, Wish, about, preview

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response

_ASSETS = {"web.css": "text/css", "web.js": "text/javascript", "zip.js": "text/javascript"}
_PLACE = "/*ABOUT*/"
_HEADERS = {
    **PAGE_HEADERS,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_T = TypeVar("_T")


class _Refused(Exception):  # noqa: N818 - an answer, no fault
    """What is asked for is not done, for a reason that can be said."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def make_app(studio: Studio, folder: Path, *, host: str, colouring: ThreadPoolExecutor) -> Guard:
    """Return the application.

    Args:
        studio: what colours.
        folder: where photographs lie while they are worked on. Whoever made it removes it.
        host: see `Guard`.
        colouring: of one thread, which is the studio's.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect
    from starlette.responses import HTMLResponse, JSONResponse, Response
    from starlette.routing import Route

    looking = ThreadPoolExecutor(1, "look")
    turn, waiting = asyncio.Semaphore(1), 0

    async def in_thread(executor: ThreadPoolExecutor, work: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(executor, work, *arguments)

    async def index(_: Request) -> Response:
        # Within a script element, HTML knows no escapes.
        page = asset("index.html").replace(_PLACE, about().replace("<", "\\u003c"))
        return HTMLResponse(page, headers=_HEADERS)

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise HTTPException(404)
        return Response(asset(name), media_type=_ASSETS[name], headers=_HEADERS)

    async def description(_: Request) -> Response:
        return JSONResponse(document(), headers=_HEADERS)

    async def models(_: Request) -> Response:
        return JSONResponse({"models": studio.models()}, headers=_HEADERS)

    async def model(request: Request) -> Response:
        async with turn:
            found = await in_thread(colouring, studio.describe, request.path_params["name"])
        return JSONResponse(found, headers=_HEADERS)

    @asynccontextmanager
    async def received(request: Request) -> AsyncIterator[Path]:
        """Take a photograph in, unless there are too many already."""
        nonlocal waiting
        if waiting >= limits.WAITING:
            raise _Refused(503, f"{waiting} photographs are waiting already: try again in a moment")
        waiting += 1
        try:
            async with _received(request, folder, request.query_params.get("name", "photograph")) as photo:
                yield photo
        finally:
            waiting -= 1

    async def look(request: Request) -> Response:
        _only(request.query_params, "name")
        async with received(request) as photo:
            data = await in_thread(looking, preview, photo)
        return Response(data, media_type="image/jpeg", headers=_HEADERS)

    async def colorize(request: Request) -> Response:
        wish = _wish(request.query_params, studio.first)
        if wish.model not in studio.summaries:
            raise UnknownModelError(wish.model)
        async with received(request) as photo, turn:
            if await request.is_disconnected():  # nobody waits for it any longer
                raise ClientDisconnect
            coloured = await in_thread(colouring, studio.colour, photo, wish)
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(coloured.name, safe='')}",
            "X-Zoo-Seconds": f"{coloured.seconds:.2f}",
        }
        return Response(coloured.data, media_type="image/png", headers=_HEADERS | headers)

    def said(status: int, why: str) -> Response:
        return JSONResponse({"error": why}, status, headers=_HEADERS | ({"Retry-After": "2"} if status == 503 else {}))

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, _Refused)
        return said(error.status, str(error))

    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        whys = {404: f"there is no {request.url.path} here", 405: f"{request.url.path} takes no {request.method}"}
        return said(error.status_code, whys.get(error.status_code, str(error.detail)))

    async def failed(_: Request, error: Exception) -> Response:
        """What people can do something about, in the words that the command line has for it."""
        statuses = {UnknownModelError: 404, TooLargeError: 413}
        return said(statuses.get(type(error), 422), str(error))

    async def broken(_: Request, error: Exception) -> Response:
        if out_of_memory(error):
            return said(413, "not enough memory for so many pixels: make it smaller, or close other programs")
        why = explain_os_error(error) if isinstance(error, OSError) else type(error).__name__
        logging.getLogger("uvicorn.error").error("error: %s", why, exc_info=error)
        return said(500, f"the server failed ({why}): its terminal says more")

    async def gone(_: Request, _error: Exception) -> Response:
        return Response(status_code=499)  # nobody hears it

    app = Starlette(
        routes=[
            Route("/", index),
            Route("/openapi.json", description),
            Route("/api/models", models),
            Route("/api/models/{name:path}", model),
            Route("/api/preview", look, methods=["POST"]),
            Route("/api/colorize", colorize, methods=["POST"]),
            Route("/{name}", file),
        ],
        exception_handlers={
            _Refused: refused,
            HTTPException: unknown,
            ClientDisconnect: gone,
            ZooError: failed,
            OSError: broken,
            RuntimeError: broken,
            MemoryError: broken,
        },
    )
    return Guard(app, host)


def asset(name: str) -> str:
    """Return the text of one of the files in pages/."""
    return files("zoo_web").joinpath("pages", name).read_text(encoding="utf-8")


@asynccontextmanager
async def _received(request: Request, folder: Path, name: str) -> AsyncIterator[Path]:
    """Take a photograph in; yield its file, in a folder of its own that is gone afterwards."""
    most = limits.MEGABYTES * 10**6
    too_large = _Refused(413, f"a photograph may have {limits.MEGABYTES} MB at most: colour it with `zoo colorize`")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise too_large
    with TemporaryDirectory(prefix="photo-", dir=folder) as here:
        photo, size = Path(here) / "original" / _file_name(name), 0
        photo.parent.mkdir()
        try:
            with photo.open("wb") as file:
                async with asyncio.timeout(limits.SECONDS):
                    async for part in request.stream():
                        size += len(part)
                        if size > most:
                            raise too_large
                        file.write(part)
        except TimeoutError:
            raise _Refused(408, f"the photograph took longer than {limits.SECONDS} seconds to arrive") from None
        if not size:
            raise _Refused(422, f"{photo.name} is empty: the photograph's file is what a request's body must be")
        yield photo


def _file_name(name: str) -> str:
    """Return a name of a file's that leads nowhere else."""
    name = name.replace("\\", "/").rpartition("/")[2].replace("\0", "").strip()
    stem, dot, suffix = name.rpartition(".")
    while len(name.encode(errors="replace")) > limits.NAME and stem:
        stem = stem[:-1]
        name = stem + dot + suffix
    is_name = name.strip(".") and len(name.encode(errors="replace")) <= limits.NAME
    return name.encode(errors="replace").decode() if is_name else "photograph"


def _only(asked: QueryParams, *known: str) -> QueryParams:
    if unknown := sorted(set(asked) - set(known)):
        raise _Refused(422, f"there is no parameter {unknown[0][:100]!r}: there are {', '.join(known)}")
    return asked


def _wish(asked: QueryParams, first: str) -> Wish:
    """Read how a photograph shall be coloured."""
    _only(asked, "name", "model", "saturation", "size", "seed", "hint")
    hints = asked.getlist("hint")
    if len(hints) > limits.HINTS:
        raise _Refused(422, f"there are {len(hints)} hints, and {limits.HINTS} are the most")
    try:
        return Wish(
            model=asked.get("model", first),
            saturation=_number(asked, "saturation", float, 1.0, limits.SATURATION),
            size=_number(asked, "size", int, None, limits.SIZE),
            seed=_number(asked, "seed", int, 0, limits.SEED),
            hints=tuple(map(Hint.parse, hints)),
        )
    except UsageError as error:
        raise _Refused(422, str(error)) from error


def _number(
    asked: QueryParams, name: str, kind: Callable[[str], float], default: Any, ends: tuple[float, float]
) -> Any:
    if name not in asked:
        return default
    try:
        value = kind(asked[name])
    except ValueError:
        value = math.nan
    if not ends[0] <= value <= ends[1]:
        kind_of = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name} must be {kind_of} from {ends[0]:g} to {ends[1]:g}, not {asked[name][:50]!r}")
    return value
