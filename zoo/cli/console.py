"""Where text for people goes."""

from __future__ import annotations

import codecs
import os
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from zoo.files import explain_os_error, printable

_UNBOUNDED = 10_000
"""Characters in a line that nobody looks at in a terminal."""


class _Console(Console):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not (self.is_terminal or self.is_jupyter):
            # In a pipe or a file nothing is wrapped and nothing cut: what is one line stays one, for grep to find.
            self.width = _UNBOUNDED

    def render_str(self, text: str, **options: Any) -> Text:
        """Render text, with the names of files in it, so that nothing in it acts on the terminal."""
        return super().render_str(printable(text), **options)

    def on_broken_pipe(self) -> None:
        """Go on in silence when whoever read the output, such as `head`, has seen enough: a run does not end for it."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class _DispensableConsole(_Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """Print; if that fails, as on a full disk, say so once elsewhere and go on in silence."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            # What was not written yet must not fail a second time when Python ends.
            self.on_broken_pipe()
            make_console(stderr=True).print(
                f"note: the standard output cannot be written ({explain_os_error(error)}); going on without it",
                soft_wrap=True,
            )


def make_console(*, stderr: bool = False, dispensable: bool = False) -> Console:
    """Return a console on the standard output, or the standard error.

    Args:
        stderr: on the standard error.
        dispensable: what is under way is worth more than what is printed of it.
    """
    return (_DispensableConsole if dispensable else _Console)(stderr=stderr, highlight=False)


_LOOKALIKES = str.maketrans(
    {"…": "...", "×": "x", "–": "-", "—": "-", "·": "-", "→": "->", "≤": "<=", "≥": ">=", "“": '"', "”": '"', "’": "'"}
)


def write_anything(stream: IO[str]) -> None:
    """Have a stream write what its encoding has no bytes for as well as it can, rather than fail.

    Terminals without UTF-8 get characters that look alike; the parts of file names that are no text go out as the bytes
    that they are.
    """
    # What a test or a notebook puts in the place of a stream may have no encoding.
    if reconfigure := getattr(stream, "reconfigure", None):
        reconfigure(errors=_ERRORS)


def _lookalike(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    found = error.object[error.start]
    if "\udc80" <= found <= "\udcff":
        return bytes([ord(found) - 0xDC00]), error.start + 1
    similar = found.translate(_LOOKALIKES)
    return similar if similar.isascii() else ascii(found)[1:-1], error.start + 1


_ERRORS = "zoo-lookalikes"
codecs.register_error(_ERRORS, _lookalike)
