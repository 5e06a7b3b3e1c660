"""The report: one page that needs nothing else, neither a network nor a folder beside it."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from zoo.evaluation.evaluation import Card, Evaluation, Number
from zoo.evaluation.pictures import BY_LOT
from zoo.evaluation.statistics import Estimate
from zoo.evaluation.styles import styles

_POINTS = 1500
"""Photographs in a plot, at most."""
_MANY = 300
"""With so many, dots are smaller."""
_COLOURS = ("#c2410c", "#1d4ed8", "#047857", "#9333ea", "#b45309", "#0e7490", "#be123c", "#4d7c0f")
"""Of models, in their order."""
_BASELINES = ("#737373", "#a16207")


def to_html(evaluation: Evaluation) -> str:
    """Write an evaluation as a page of HTML, with its styles, scripts and pictures in it."""
    texts = files(__package__).joinpath("page")
    parts = {
        "style": styles("report.css"),
        "script": texts.joinpath("report.js").read_text(encoding="utf-8"),
        "title": escape(_title(evaluation)),
        "lead": _lead(evaluation),
        "notes": "".join(f"<li>{escape(note)}</li>" for note in evaluation.notes),
        "table": _table(evaluation),
        "plots": "".join(_plots(evaluation)),
        "controls": _controls(evaluation),
        "cards": _sections(evaluation),
        "protocol": _protocol(evaluation),
        "left_out": _left_out(evaluation),
    }
    return Template(texts.joinpath("report.html.tmpl").read_text(encoding="utf-8")).substitute(parts)


def _title(evaluation: Evaluation) -> str:
    return f"{', '.join(evaluation.models)} on {evaluation.protocol['photographs']['data']}"


def _lead(evaluation: Evaluation) -> str:
    photographs = evaluation.protocol["photographs"]
    preset = evaluation.protocol["preset"]
    return (
        f"{photographs['measured']:,} photographs of <code>{escape(photographs['data'])}</code> "
        f"({escape(photographs['split'])}), preset {escape(preset)}. Each was made grey, coloured, and compared with "
        f"itself at its own size. The baseline {escape(evaluation.sepia)}."
    )


# ------------------------------------------------------------------------------------------------- numbers


def _table(evaluation: Evaluation) -> str:
    head = "".join(
        f'<th scope="col"><i style="background:{_colour(evaluation, method)}"></i>{escape(method)}</th>'
        for method in evaluation.methods
    )
    rows = "".join(_row(evaluation, number) for number in evaluation.numbers)
    return (
        f'<table><thead><tr><th scope="col">number</th>{head}<th scope="col">intervals</th></tr></thead>{rows}</table>'
    )


def _row(evaluation: Evaluation, number: Number) -> str:
    better = "lower is better" if number.best == "lowest" else "higher is better"
    kind = "mean over photographs" if number.is_mean else "of the whole set"
    cells = "".join(
        f'<td data-method="{escape(method)}">{_cell(evaluation, number, method)}</td>' for method in evaluation.methods
    )
    return (
        f'<tr><th scope="row">{escape(number.name)}<small>{escape(number.summary)}; {better}; {kind}</small></th>'
        f"{cells}<td>{_intervals(evaluation, number)}</td></tr>"
    )


def _cell(evaluation: Evaluation, number: Number, method: str) -> str:
    estimate = number.estimates[method]
    digits = _digits(estimate)
    text = f"<b>{_say(estimate.value, digits)}</b>{_between(estimate, digits)}"
    if method in evaluation.models:
        for other in evaluation.methods[: evaluation.methods.index(method)]:
            found = number.differences[method, other]
            if not math.isfinite(found.value):
                continue  # there is no number to compare
            digits = _digits(found)
            text += (
                f'<small class="{_verdict(number, found)}">{_signed(found.value, digits)} to {escape(other)}'
                f"{_between(found, digits)}</small>"
            )
    return text


def _verdict(number: Number, difference: Estimate) -> str:
    if not difference.differs:
        return "same"
    return "better" if (difference.value < 0) == (number.best == "lowest") else "worse"


def _between(estimate: Estimate, digits: int) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f' <span class="ci">[{_say(estimate.low, digits)}, {_say(estimate.high, digits)}]</span>'


def _intervals(evaluation: Evaluation, number: Number) -> str:
    """Draw a number's intervals, one below the other, on a common axis."""
    found = [(method, estimate) for method, estimate in number.estimates.items() if math.isfinite(estimate.value)]
    ends = [end for _, e in found for end in (e.value, e.low, e.high) if end is not None]
    if not ends:
        return ""
    low, high = min(ends), max(ends)
    width, step = 160, 12
    scale = (width - 12) / (high - low or 1)
    lines = []
    for place, (method, estimate) in enumerate(found):
        y, colour = 8 + step * place, _colour(evaluation, method)
        ends_of = (estimate.value if end is None else end for end in (estimate.low, estimate.high))
        x, left, right = (6 + (value - low) * scale for value in (estimate.value, *ends_of))
        lines.append(
            f'<g stroke="{colour}" fill="{colour}"><title>{escape(method)}: {_say(estimate.value)}</title>'
            f'<path d="M{left:.1f} {y}H{right:.1f}" stroke-width="2"/><circle cx="{x:.1f}" cy="{y}" r="3.5"/></g>'
        )
    height = 4 + step * len(found)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg {size} aria-hidden="true">{"".join(lines)}</svg>'


def _colour(evaluation: Evaluation, method: str) -> str:
    place = evaluation.methods.index(method)
    return _BASELINES[place] if place < 2 else _COLOURS[(place - 2) % len(_COLOURS)]


# ------------------------------------------------------------------------------------------------- plots


def _plots(evaluation: Evaluation) -> Iterator[str]:
    """Draw each photograph's number with a model over that of grey: for the first two that are means."""
    grey = evaluation.methods[0]
    rows = evaluation.rows
    if len(rows) > _POINTS:
        rows = tuple(rows[place * len(rows) // _POINTS] for place in range(_POINTS))
    for number in [number for number in evaluation.numbers if number.is_mean][:2]:
        for model in evaluation.models:
            pairs = [(row.numbers[number.name][grey], row.numbers[number.name][model]) for row in rows]
            pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
            if pairs:
                yield _scatter(evaluation, number, model, np.array(pairs))


def _scatter(
    evaluation: Evaluation, number: Number, model: str, pairs: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> str:
    low, high = float(pairs.min()), float(pairs.max())
    low = 0.0 if 0 <= low < high / 2 else low
    side, left, bottom = 240, 40, 34
    scale = (side - 16) / (high - low or 1)
    points = "".join(f"M{left + (x - low) * scale:.1f} {side - (y - low) * scale:.1f}h0" for x, y in pairs)
    below = pairs[:, 1] < pairs[:, 0] if number.best == "lowest" else pairs[:, 1] > pairs[:, 0]
    where = "below" if number.best == "lowest" else "above"
    ticks = "".join(
        f'<text x="{left + (value - low) * scale:.0f}" y="{side + 14}" text-anchor="middle">{value:g}</text>'
        f'<text x="{left - 5}" y="{side - (value - low) * scale + 4:.0f}" text-anchor="end">{value:g}</text>'
        for value in _ticks(low, high)
    )
    colour, dot = _colour(evaluation, model), 5 if len(pairs) < _MANY else 3
    name = escape(number.name)
    return (
        f'<figure><svg viewBox="0 0 {side + left} {side + bottom}" role="img" aria-label="{name} of {escape(model)} '
        f'over that of grey"><path class="axis" d="M{left} 8V{side}H{side + left - 8}"/>'
        f'<path class="diagonal" d="M{left} {side}L{side + left - 16} 16"/>'
        f'<path d="{points}" stroke="{colour}" stroke-width="{dot}" stroke-linecap="round" opacity=".6"/>{ticks}'
        f'<text x="{left + side / 2:.0f}" y="{side + 30}" text-anchor="middle">{name} of grey</text></svg>'
        f"<figcaption><b>{escape(model)}</b>, {name}: a dot is a photograph. It is better than grey "
        f"for {int(below.sum()):,} of {len(pairs):,} (the dots {where} the line).</figcaption></figure>"
    )


def _ticks(low: float, high: float) -> list[float]:
    if high <= low:
        return [low]
    step = 10.0 ** math.floor(math.log10(high - low))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2) if (high - low) / (step * factor) <= 5)
    return [step * place for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


# ------------------------------------------------------------------------------------------------- pictures


def _controls(evaluation: Evaluation) -> str:
    """Let people choose what stands left and right of the sliders."""
    sides = {
        "left": [("grey", "before"), ("original", "original")],
        "right": [(f"m{place}", name) for place, name in enumerate(evaluation.methods[1:], 1)],
    }
    sides["right"] = [*sides["right"][1:], sides["right"][0]]
    return "".join(
        f"<fieldset><legend>{side}</legend>"
        + "".join(
            f'<label><input type="radio" name="{side}" value="{value}"{" checked" * (place == 0)}>'
            f"{escape(label)}</label>"
            for place, (value, label) in enumerate(options)
        )
        + "</fieldset>"
        for side, options in sides.items()
    )


def _sections(evaluation: Evaluation) -> str:
    by_lot = [card for card in evaluation.cards if BY_LOT in card.why]
    worst = [card for card in evaluation.cards if any(why.startswith("worst") for why in card.why)]
    best = [card for card in evaluation.cards if any(why.startswith("best") for why in card.why)]
    shown: set[str] = set()
    text = ""
    for title, words, cards in (
        ("Drawn by lot", "Nobody chose these: look at them first.", by_lot),
        ("Worst", "By each number for itself; a photograph that is the worst by several stands here once.", worst),
        ("Best", "By each number for itself.", best),
    ):
        new = [card for card in cards if card.name not in shown]
        shown |= {card.name for card in new}
        if new:
            inner = "".join(_card(evaluation, card) for card in new)
            text += f"<h3>{title}</h3><p>{words}</p><div class=cards>{inner}</div>"
    return text


def _card(evaluation: Evaluation, card: Card) -> str:
    pictures = {"grey": card.grey, "original": card.original} | {
        f"m{place}": card.coloured[method] for place, method in enumerate(evaluation.methods[1:], 1)
    }
    images = "".join(
        f'<img data-is="{key}" alt="" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        for key, data in pictures.items()
    )
    name = escape(card.name)
    numbers = "".join(_numbers_of(evaluation, name_, values) for name_, values in card.numbers.items())
    return (
        f'<figure class="card"><div class="stage" data-name="{name}">{images}</div>'
        f"<figcaption><b>{name}</b><span>{escape(', '.join(card.why))}</span>"
        f"<details><summary>numbers</summary><table>{_methods_head(evaluation)}{numbers}</table></details>"
        "</figcaption></figure>"
    )


def _methods_head(evaluation: Evaluation) -> str:
    return "<tr><th></th>" + "".join(f"<th>{escape(method)}</th>" for method in evaluation.methods) + "</tr>"


def _numbers_of(evaluation: Evaluation, name: str, values: Mapping[str, float]) -> str:
    cells = "".join(f"<td>{_say(values[method])}</td>" for method in evaluation.methods)
    return f"<tr><th>{escape(name)}</th>{cells}</tr>"


# ------------------------------------------------------------------------------------------------- how it was done


def _protocol(evaluation: Evaluation) -> str:
    return f"<dl>{''.join(_terms(evaluation.protocol))}</dl>"


def _terms(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _terms(value, f"{prefix}{key}: ")
        elif isinstance(value, Sequence) and value and all(isinstance(item, Mapping) for item in value):
            if all("spec" in item for item in value):
                components = (f"{item['spec']} of {item['distribution']} {item['version']}" for item in value)
                yield _term(prefix + key, ", ".join(components))
            else:
                for item in value:
                    named = {name: said for name, said in item.items() if name != "name"}
                    yield from _terms(named, f"{prefix}{item.get('name', key)}: ")
        elif value is not None:
            yield _term(prefix + key, _in_words(value))


def _term(key: str, text: str) -> str:
    return f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>"


def _in_words(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "nothing"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _left_out(evaluation: Evaluation) -> str:
    if not evaluation.left_out:
        return "<p>Nothing was left out.</p>"
    items = "".join(
        f"<li><code>{escape(item.path)}</code>: {escape(item.reason)}</li>" for item in evaluation.left_out[:200]
    )
    more = len(evaluation.left_out) - 200
    return f"<ul>{items}</ul>" + (f"<p>… and {more:,} more, in evaluation.json</p>" if more > 0 else "")


def _digits(estimate: Estimate) -> int:
    """Return as many digits after the point as anybody reads."""
    ends = [abs(end) for end in (estimate.value, estimate.low, estimate.high) if end is not None and math.isfinite(end)]
    largest = max(ends, default=0.0)
    return 3 if largest < 1 else 2 if largest < 100 else 0


def _say(value: float, digits: int | None = None) -> str:
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{_digits(Estimate(value)) if digits is None else digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _signed(value: float, digits: int) -> str:
    text = _say(value, digits)
    return text if text.startswith("−") else f"+{text}"
