"""What `--help` shows: whole sentences in terminals of any width, and the defaults of a recipe's fields."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from zoo.recipe import Recipe

# typer brings a click of its own, or takes the installed one.
_HelpFormatter: Any = typer.Context.formatter_class

_WIDEST, _NARROWEST = 80, 20
"""Characters of a line, however wide or narrow the terminal is."""
_NARROW, _LEAST_TERM = 60, 10
"""In fewer characters, what is longer than that has its explanation below it, not beside it."""


class _Formatter(_HelpFormatter):  # type: ignore[misc]
    """Fits narrow terminals, too."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        if width is None:
            width = max(min(shutil.get_terminal_size().columns, max_width or _WIDEST) - 2, _NARROWEST)
        super().__init__(indent_increment, width, max_width)

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl(rows, col_max if self.width >= _NARROW else _LEAST_TERM, col_spacing)


class _Context(typer.Context):
    formatter_class = _Formatter


class Command(TyperCommand):
    """A subcommand."""

    context_class = _Context


class Group(TyperGroup):
    """Subcommands, each with its first sentence."""

    context_class = _Context

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the subcommands' first sentences, whole."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [
            (name, command.get_short_help_str(10**6))
            for name, command in commands.items()
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class RecipeCommand(Command):
    """A subcommand with options that are fields of a recipe, by the same names; it lists the other fields below."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as the method that it replaces
        """Write the fields that have no option of their own."""
        options = {str(option.name).rstrip("_") for option in self.params}
        with formatter.section("Fields for --set"):
            formatter.write_dl(
                [
                    (name, _with_default(name, str(field.description)))
                    for name, field in Recipe.model_fields.items()
                    if name not in options
                ]
            )


def field_option(field: str, text: str, *flags: str, **more: Any) -> Any:
    """Return the option for a recipe's field, with the field's default in its help."""
    return typer.Option(*flags, help=_with_default(field, text), **more)


def _with_default(field: str, text: str) -> str:
    """Add to an explanation what a recipe's field is where the recipe leaves it out."""
    default = Recipe.model_fields[field].get_default()
    if default in (None, "", ()) or Recipe.model_fields[field].is_required():
        return text
    return f"{text}  [default: {str(default).lower() if isinstance(default, bool) else default}]"
