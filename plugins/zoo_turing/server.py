"""A study for browsers: pages, pictures, votes."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError
from zoo.serving import PAGE_HEADERS
from zoo_turing.page import ASSETS, asset, results_page, study_page
from zoo_turing.results import results_csv, summarize, votes_csv
from zoo_turing.study import VOTES, Study, picture_path
from zoo_turing.trials import Trial, draw
from zoo_turing.votes import Place, UnknownError, Votes

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_TYPES = {".css": "text/css", ".js": "text/javascript"}
_LONGEST = 1000
"""Bytes of what a browser may say: a vote has a tenth of it."""
_TOKEN = re.compile(r"[0-9a-f]{32}")


def make_app(folder: Path, study: Study, *, max_failed: float, precision: float) -> Starlette:
    """Return the application that serves a study.

    Args:
        folder: of the study.
        study: what it says.
        max_failed: see `zoo_turing.results.summarize`, as for `precision`.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    votes = Votes(folder / VOTES)
    practice = len(study.of_role("practice"))
    summary = partial(summarize, max_failed=max_failed, precision=precision)

    def drawn(shown: Mapping[tuple[str, int], int]) -> list[Trial]:
        return draw(study, shown, Random(secrets.randbits(64)))

    async def index(_: Request) -> Response:
        return HTMLResponse(study_page(study), headers=PAGE_HEADERS)

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ASSETS:
            raise HTTPException(404)
        return Response(asset(name), media_type=_TYPES[Path(name).suffix], headers=PAGE_HEADERS)

    async def begin(request: Request) -> Response:
        said = await _said(request)
        return JSONResponse(_state(await run_in_threadpool(votes.begin, said["rater"], drawn), practice))

    async def vote(request: Request) -> Response:
        said = await _said(request, "trial", "side")
        try:
            place = await run_in_threadpool(votes.vote, said["rater"], said["trial"], said["side"])
        except UnknownError as error:
            raise HTTPException(404) from error
        return JSONResponse(_state(place, practice))

    def picture(request: Request) -> Response:
        try:
            data = picture_path(folder, *votes.trial(request.path_params["trial"])).read_bytes()
        except (UnknownError, FileNotFoundError) as error:
            raise HTTPException(404) from error
        # Fetched ahead, and then from the browser's memory.
        return Response(data, media_type="image/jpeg", headers=PAGE_HEADERS | {"Cache-Control": "private, max-age=600"})

    def results(request: Request) -> Response:
        if not secrets.compare_digest(request.query_params.get("key", "").encode(), study.results_key.encode()):
            text = "The results are for whoever runs this study: zoo printed their address, with a key in it."
            return PlainTextResponse(text, 403, headers=PAGE_HEADERS)
        all_votes = votes.all(study)
        found = summary(study, all_votes)
        if request.url.path.endswith("/results"):
            return HTMLResponse(results_page(found, study.results_key), headers=PAGE_HEADERS)
        is_votes = request.url.path.endswith("/votes.csv")
        text = votes_csv(found, all_votes) if is_votes else results_csv(found)
        return Response(text, media_type="text/csv", headers=PAGE_HEADERS)

    async def failed(_: Request, error: Exception) -> Response:
        """A full disk, say: whoever runs the server sees it, and browsers try again."""
        logging.getLogger("uvicorn.error").error("error: %s", error)
        return PlainTextResponse("the server failed", 500, headers=PAGE_HEADERS)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/begin", begin, methods=["POST"]),
            Route("/vote", vote, methods=["POST"]),
            Route("/pictures/{trial}.jpg", picture),
            *(Route(path, results) for path in ("/results", "/results.csv", "/votes.csv")),
            Route("/{name}", file),
        ],
        exception_handlers={ZooError: failed},
    )


async def _said(request: Request, *more: str) -> dict[str, Any]:
    """Read what a browser says: JSON with the rater's token, and `more`."""
    from starlette.exceptions import HTTPException

    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST:
            raise HTTPException(413)
    try:
        said = json.loads(body)
        is_valid = isinstance(said, dict) and said.keys() == {"rater", *more}
        is_valid = is_valid and all(_TOKEN.fullmatch(said[name]) for name in ("rater", *more) if name != "side")
    except (ValueError, TypeError, RecursionError):
        is_valid = False
    # JSON's true is no 1.
    if not is_valid or ("side" in more and (type(said["side"]) is not int or said["side"] not in (0, 1))):
        raise HTTPException(400)
    return dict(said)


def _state(place: Place, practice: int) -> dict[str, Any]:
    """Say where a rater is, as the page is told: nothing of what kind a trial is, or of its answer."""
    if not place.waiting:
        return {"done": True, "answered": place.total}
    is_practice = place.done < practice
    return {
        "done": False,
        "trial": place.waiting[0],
        "ahead": place.waiting[1] if len(place.waiting) > 1 else None,
        "practice": is_practice,
        "number": place.done + 1 - (0 if is_practice else practice),
        "total": practice if is_practice else place.total - practice,
    }
