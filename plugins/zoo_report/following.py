"""A run that is followed: when its files are written anew, so that it costs next to nothing."""

from __future__ import annotations

import json
import time
from typing import Any

from zoo import RunInfo
from zoo.errors import one_line
from zoo.files import write_bytes, write_text
from zoo.run import INFO, METRICS
from zoo_report.curves import Reader
from zoo_report.page import to_html

CURVES, PAGE = "curves.png", "report.html"
SHARE = 0.02
"""Of the run's time that writing may take."""


class Following:
    """Writes curves.png and report.html."""

    def __init__(self, run: RunInfo) -> None:
        """`run` is to be followed from here on."""
        self._run = run
        self._reader = Reader(run.path / METRICS)
        self._next = 0.0
        self._svg = ""
        self._broken = ""
        """Why nothing can be drawn, if that is so."""

    def validated(self) -> None:
        """Write, if it has not been written lately."""
        if time.monotonic() >= self._next:
            self._write("running")

    def ended(self, state: str) -> None:
        """Write for the last time, whenever that was done before; nothing, where nothing was measured."""
        self._write(state)

    def _write(self, state: str) -> None:
        start = time.monotonic()
        is_new, failed = self._reader.read(), None
        if state != "running" and self._svg:
            # At the end nobody waits for long: if there is no time to draw, the page still says how it ended.
            self._write_page(state)
        if is_new and not self._broken:
            failed = self._draw()
        if self._reader.curves.step:
            self._write_page(state)
        end = time.monotonic()
        self._next = end + (end - start) * (1 / SHARE - 1)
        if failed is not None:
            raise failed  # the run says so, once

    def _write_page(self, state: str) -> None:
        page = to_html(self._run, state, self._info(), self._reader.curves, self._svg, self._broken)
        write_text(self._run.path / PAGE, page)

    def _draw(self) -> Exception | None:
        try:
            from zoo_report.figure import draw

            png, self._svg = draw(self._reader.curves)
        except Exception as error:  # whatever a library does; there is still the page
            self._svg, self._broken = "", one_line(error)
            return error
        write_bytes(self._run.path / CURVES, png)
        return None

    def _info(self) -> dict[str, Any]:
        """What run.json says, which it does a little later than the run itself."""
        try:
            info = json.loads((self._run.path / INFO).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return info if isinstance(info, dict) else {}
