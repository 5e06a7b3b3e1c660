"""A run as a page."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from zoo import RunInfo
from zoo.evaluation.styles import styles
from zoo.files import printable
from zoo_report.curves import Curves

SAMPLES = 12
"""Pictures that are shown: of more, the first, the newest, and some that are spread between them."""
_BRIEF = (
    "generator", "critic", "loss", "data", "size", "batch", "epochs", "steps", "minutes", "lr", "lr_critic", "seed",
)  # fmt: skip
"""What somebody wants to know of a recipe first."""


def to_html(run: RunInfo, state: str, info: Mapping[str, Any], curves: Curves, svg: str, broken: str) -> str:
    """Write the page of a run. It needs nothing but the pictures in `samples` beside it.

    Args:
        run: which.
        state: running, finished, interrupted or failed.
        info: what run.json says.
        curves: what was measured.
        svg: the curves, drawn.
        broken: why they could not be drawn; "" where they could.
    """
    texts = files(__package__)
    reason = info.get("reason") if state != "running" else None
    recipe = dict(run.recipe)
    brief = {key: recipe.pop(key) for key in _BRIEF if key in recipe}
    parts = {
        "style": styles() + texts.joinpath("page.css").read_text(encoding="utf-8"),
        "title": _text(run.name),
        "state": f'<b class="{_text(state)}">{_text(state)}</b>',
        "lead": _text(", ".join(_lead(info, curves))),
        "reason": f'<p class="bad">{_text(reason)}</p>' if reason else "",
        "numbers": _numbers(curves),
        "curves": svg
        or (f'<p class="bad">They cannot be drawn: {_text(broken)}</p>' if broken else "<p>None yet.</p>"),
        "samples": "".join(_samples(run.path / "samples")) or "<p>None yet.</p>",
        "recipe": _table(brief),
        "rest": _table(recipe),
    }
    return Template(texts.joinpath("page.html.tmpl").read_text(encoding="utf-8")).substitute(parts)


def _lead(info: Mapping[str, Any], curves: Curves) -> Iterator[str]:
    yield f"step {curves.step:,}"
    yield f"epoch {curves.epoch:.1f}"
    yield f"{curves.images:,} images"
    minutes = curves.seconds / 60
    yield f"{minutes:.1f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"
    if device := info.get("device"):
        yield str(device)


def _numbers(curves: Curves) -> str:
    if not curves.metrics:
        return "<p>Nothing was validated yet.</p>"
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{_number(curve.newest)}</td>'
        f"<td>{_number(curves.grey.get(name, math.nan))}</td></tr>"
        for name, curve in curves.metrics.items()
    )
    head = '<tr><th scope="col">metric</th><th scope="col">newest</th><th scope="col">grey</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _number(value: float) -> str:
    return f"{round(value, 4) + 0.0:.3g}".replace("-", "−") if math.isfinite(value) else "–"


def _samples(folder: Path) -> Iterator[str]:
    try:
        names = sorted(
            entry.name for entry in os.scandir(folder) if entry.name.endswith(".png") and entry.name[0] != "."
        )
    except OSError:
        return
    last = len(names) - 1
    places = range(len(names)) if last < SAMPLES else [at * last // (SAMPLES - 1) for at in range(SAMPLES)]
    for place in reversed(places):
        name = names[place]
        step = name.removeprefix("step-").removesuffix(".png")
        title = f"step {int(step):,}" if step.isdecimal() else name
        source = _text(f"samples/{quote(os.fsencode(name))}")
        yield (
            f'<figure><figcaption>{_text(title)}</figcaption><a href="{source}"><img loading="lazy" src="{source}" '
            f'alt="grey, coloured and original at {_text(title)}"></a></figure>'
        )


def _table(table: Mapping[str, Any]) -> str:
    terms = (f"<dt>{_text(key)}</dt><dd>{_text(_value(value))}</dd>" for key, value in table.items())
    return f"<dl>{''.join(terms)}</dl>"


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _text(text: Any) -> str:
    # A file's name may be no text at all.
    return escape(printable(str(text).encode("utf-8", "backslashreplace").decode()))
