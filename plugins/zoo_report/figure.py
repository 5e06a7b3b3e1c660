"""Curves as a picture: a small plot for each loss and each metric. The only module that knows matplotlib."""

from __future__ import annotations

import io
import logging

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo_report.curves import Curve, Curves

# Its word on fonts that it looks for the first time would stand in the midst of a run's own lines.
logging.getLogger("matplotlib").addHandler(logging.NullHandler())

MOST = 24
"""Plots; a recipe may have more losses and metrics than anybody looks at."""
_COLUMNS = 3
_LOSS, _METRIC, _SPEED, _GREY = "#b45309", "#1d4ed8", "#57534e", "#78716c"
_INK, _LINE = "#1c1917", "#e7e5e4"
_FEW = 40
"""Points that are marked each."""


def draw(curves: Curves) -> tuple[bytes, str]:
    """Draw losses, validation metrics beside those of grey, and the speed, over steps.

    Returns:
        A PNG file, and the same as an SVG element for a page.
    """
    plots: list[tuple[str, Curve, str, float | None]] = [
        *((name, curve, _METRIC, curves.grey.get(name)) for name, curve in curves.metrics.items()),
        *((f"loss {name}", curve, _LOSS, None) for name, curve in curves.losses.items()),
        ("images per second", curves.speed, _SPEED, None),
    ]
    plots = [plot for plot in plots if plot[1].points][:MOST]
    rows = max(1, -(-len(plots) // _COLUMNS))
    width, height = 10.5, 2.2 * rows + 0.3
    # Not by pyplot, whose state may be a notebook's.
    figure = Figure(figsize=(width, height), facecolor="white")
    # Fixed, in inches: a layout that measures its own text takes as long again as all the rest.
    figure.subplots_adjust(
        left=0.5 / width, right=1 - 0.12 / width, top=1 - 0.3 / height, bottom=0.45 / height, wspace=0.17, hspace=0.32
    )
    for place, (title, curve, colour, grey) in enumerate(plots, 1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        _plot(axes, title, curve, colour, grey)
        axes.set_xlim(0, max(1, curves.step))
        if place > len(plots) - _COLUMNS:
            axes.set_xlabel("step", fontsize=8, color=_INK)
    png, svg = io.BytesIO(), io.StringIO()
    FigureCanvasAgg(figure)
    figure.savefig(png, format="png", dpi=110)
    FigureCanvasSVG(figure)
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    text = svg.getvalue()
    return png.getvalue(), text[text.index("<svg") :]


def _plot(axes: Axes, title: str, curve: Curve, colour: str, grey: float | None) -> None:
    steps, values = zip(*curve.points, strict=True)
    marker = "." if len(steps) <= _FEW else ""
    axes.plot(steps, values, color=colour, linewidth=1.2, marker=marker, markersize=4)
    axes.set_title(title, fontsize=9, color=_INK, loc="left", parse_math=False)
    if grey is not None:
        axes.axhline(grey, color=_GREY, linewidth=1, linestyle="--")
        axes.annotate(
            "grey", (1, grey), xycoords=("axes fraction", "data"), xytext=(-2, 2), textcoords="offset points",
            ha="right", fontsize=7, color=_GREY,
        )  # fmt: skip
    elif len(values) > _FEW:
        # The first steps, and single ones that went wrong, would flatten all the rest.
        low, *_, high = sorted(values)[len(values) // 50 : len(values) - len(values) // 50]
        room = 0.15 * (high - low)
        if room and (max(values) > high + 3 * room or min(values) < low - 3 * room):
            axes.set_ylim(low - room, high + room)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(labelsize=7, colors=_INK, length=2)
    axes.grid(color=_LINE, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
