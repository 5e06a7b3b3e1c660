"""What the pages that zoo writes look like."""

from __future__ import annotations

from importlib.resources import files


def styles(*names: str) -> str:
    """Return the CSS that every page begins with, and that of these files in `page/`."""
    folder = files(__package__).joinpath("page")
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in ("base.css", *names))
