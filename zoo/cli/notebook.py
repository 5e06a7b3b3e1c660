"""What a notebook shows of something that goes on: text and pictures that change where they stand.

rich's own live display needs a widget there, which is one more package, and leaves nothing in a saved notebook.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

_REDRAWN_EVERY = 0.25  # seconds
_HTML = '<pre style="margin:0;line-height:1.3;font-family:Menlo,Consolas,monospace">{code}</pre>'


class Output:
    """One output of a cell, which is replaced rather than followed by another one."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, data: Any, *, raw: bool = False) -> None:
        """Show something as `IPython.display.display` does."""
        from IPython.display import display

        if self._handle is None:
            self._handle = display(data, raw=raw, display_id=True)
        else:
            self._handle.update(data, raw=raw)


class LiveOutput:
    """Stands for rich's `Live` in a notebook. What it showed last stays."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._output = Output()
        self._waiting: RenderableType | None = None
        self._shown = 0.0

    def update(self, renderable: RenderableType) -> None:
        """Show something, unless something was shown just before."""
        self._waiting = renderable
        if time.monotonic() - self._shown >= _REDRAWN_EVERY:
            self.flush()

    def flush(self) -> None:
        """Show what waits to be shown."""
        if self._waiting is None:
            return
        console = Console(file=io.StringIO(), record=True, width=self._width, force_jupyter=False, force_terminal=True)
        console.print(self._waiting)
        html, text = console.export_html(inline_styles=True, code_format=_HTML, clear=False), console.export_text()
        self._output.show({"text/html": html, "text/plain": text}, raw=True)
        self._waiting, self._shown = None, time.monotonic()


class LivePicture:
    """A picture of which a newer one takes the place."""

    def __init__(self) -> None:
        self._output = Output()

    def update(self, file: Path) -> None:
        """Show a PNG file; nothing where it could not be written."""
        from IPython.display import Image

        if file.is_file():
            self._output.show(Image(data=file.read_bytes(), format="png"))
