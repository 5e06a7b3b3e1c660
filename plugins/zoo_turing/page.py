"""The pages that people see, as HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from zoo_turing.results import Rate, Results
from zoo_turing.study import Study
from zoo_turing.words import of_raters, percent, span

ASSETS = ("turing.css", "turing.js")
_PLACE = "/*STUDY*/"


@cache
def asset(name: str) -> str:
    """Return the text of one of the files in pages/."""
    return files("zoo_turing").joinpath("pages", name).read_text(encoding="utf-8")


def study_page(study: Study, site: dict[str, Any] | None = None) -> str:
    """Return the page that raters see.

    Args:
        study: of which it says its id and for how long pairs are seen.
        site: for a site without a server, what its page must know.
    """
    about: dict[str, Any] = {"id": study.id, "seconds": study.seconds}
    if site is not None:
        about["site"] = site
    # Within a script element, HTML knows no escapes.
    return asset("index.html").replace(_PLACE, json.dumps(about).replace("<", "\\u003c"))


def results_page(results: Results, key: str) -> str:
    """Return the results as a page of their own."""
    models = [
        (name, *_cells(rate))
        for one in results.models
        for name, rate in ((one.model, one.kept), (f"{one.model}, all raters", one.everybody))
        if results.left_out or rate is one.kept
    ]
    pictures = [
        (one.photo, one.model, one.votes, one.fooled, percent(one.fooled / one.votes), span(one.wilson))
        for one in results.pictures
        if one.votes
    ]
    raters = [
        (one.number, one.votes, f"{one.failed} of {one.catches}", "left out" if one.left_out else "")
        for one in results.raters
    ]
    wanted = f"for ±{results.precision:.0%}"
    body = [
        "<h1>Results</h1>",
        f"<p>{of_raters(len(results.raters), results.left_out, results.max_failed)}. "
        "A rate of 50% means that nobody could tell.</p>",
        "<h2>Models</h2>",
        _table(("model", "votes", "fooled", "rate", "95% (Wilson)", "95% (bootstrap)", f"votes {wanted}"), models),
        "<h2>Pictures</h2>",
        _table(("picture", "model", "votes", "fooled", "rate", "95% (Wilson)"), pictures),
        "<h2>Raters</h2>",
        _table(("rater", "votes", "failed catch trials", ""), raters),
        f'<p><a href="results.csv?key={escape(key)}" download>results.csv</a> · '
        f'<a href="votes.csv?key={escape(key)}" download>votes.csv</a>, one row for each vote</p>',
    ]
    return asset("results.html").replace("<!--RESULTS-->", "\n".join(body))


def _cells(rate: Rate) -> tuple[object, ...]:
    if rate.share is None:
        return 0, 0, "", "", "", ""
    ends = span(rate.wilson), span(rate.bootstrap)
    return rate.votes, rate.fooled, percent(rate.share), *ends, f"{rate.needed_clustered:,}"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "<p>No votes yet.</p>"
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in header)
    lines = []
    for row in rows:
        first, *others = (escape(str(cell)) for cell in row)
        lines.append(f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>')
    body = "\n".join(lines)
    # A table that is too wide is moved within its own frame, by keys, too.
    return f'<div class="table" tabindex="0"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
