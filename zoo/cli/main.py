"""The command `zoo`: one module of zoo/commands/ per subcommand, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import commands
from zoo.cli.commands import (
    check,
    colorize,
    compare,
    evaluate,
    init,
    list_,
    plugin,
    plugins,
    recipe,
    registry,
    resume,
    run,
    runs,
    show,
)
from zoo.cli.console import write_anything
from zoo.cli.ending import end
from zoo.cli.help import Command, Group, RecipeCommand
from zoo.errors import INTERRUPTED, ZooError
from zoo.files import explain_os_error, printable

if TYPE_CHECKING:
    from zoo.registry import offers


class _Group(Group):
    """Shows errors to people in a few words, a traceback only with --debug; has the commands of plugins, too."""

    def main(self, *args: Any, **more: Any) -> Any:
        """Answer the command line, on whatever terminal it was typed."""
        # Every Python that is started from here on, such as torchrun's or a loader's: what lies in the working folder
        # is not for them to import.
        os.environ["PYTHONSAFEPATH"] = "1"
        for stream in (sys.stdout, sys.stderr):
            write_anything(stream)
        return super().main(*args, **more)

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        try:
            return [*own, *_plugin_commands()]
        except ZooError as error:
            # The help is there to be read, whatever is wrong with a plugin or a registry.toml.
            if not ctx.resilient_parsing:  # as for the Tab key
                _say(f"error: {error}")
            return own

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; of a plugin's, what the help says of it, without importing it."""
        if own := super().get_command(ctx, cmd_name):
            return own
        try:
            command = _plugin_commands().get(cmd_name)
        except ZooError:
            if ctx.resilient_parsing:
                return None
            raise
        return command and Command(cmd_name, help=command.summary, rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # For the Tab key, nothing of a plugin is imported.
        if not ctx.resilient_parsing and args[0] not in self.commands and (command := _plugin_commands().get(args[0])):
            return args[0], _loaded(command), args[1:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer brings a click of its own
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except ZooError as error:
            if ctx.params.get("debug"):
                raise
            _say(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            _say("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read the output, such as `head`, has seen enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            if ctx.params.get("debug"):
                raise
            _say(f"error: {error.filename or type(error).__name__}: {explain_os_error(error)}")
            raise typer.Exit(1) from None
        except Exception as error:
            if ctx.params.get("debug") or _is_misuse(error):
                raise
            from zoo.cli.faults import describe

            _say(f"error: {describe(error)}")
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train your own model to colour black-and-white photographs: any generator × critic × loss × data set.",
)


def main() -> None:
    """Answer the command line of this process, and end it."""
    try:
        app(prog_name="zoo")
    except SystemExit as ended:
        end(ended.code)


def _version(wanted: bool) -> None:
    if wanted:
        from zoo.versions import zoo_version

        typer.echo(f"zoo {zoo_version()}")
        raise typer.Exit


def _look_into(folders: list[Path] | None) -> None:
    # While the command line is read, since the subcommand may be a plugin's; for the Tab key, too.
    if folders:
        from zoo.registry import add_folders

        add_folders(folders)


@app.callback()
def _zoo(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    plugins_dir: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugins-dir",
            metavar="DIR",
            exists=True,
            file_okay=False,
            callback=_look_into,
            is_eager=True,
            help="Take each .py file of a folder for a plugin, too. May be given again.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command("run", cls=RecipeCommand)(run.run)
app.command("resume", cls=Command)(resume.resume)
app.command("colorize", cls=Command)(colorize.colorize)
app.command("evaluate", cls=Command)(evaluate.evaluate)
app.command("compare", cls=Command)(compare.compare)
app.command("list", cls=Command)(list_.list_)
app.command("show", cls=Command)(show.show)
app.command("runs", cls=Command)(runs.runs)
app.command("recipe", cls=Command)(recipe.recipe)
app.command("check", cls=Command)(check.check)
app.add_typer(plugin.app, name="plugin")
app.command("plugins", cls=Command)(plugins.plugins)
app.command("registry", cls=Command)(registry.registry)
app.command("init", cls=Command)(init.init)


def _plugin_commands() -> dict[str, offers.Command]:
    from zoo.registry import get

    return {name: command for name, command in get().commands.items() if command.name not in commands.names()}


def _loaded(command: offers.Command) -> Any:
    """Import a plugin's command and make it one of ours."""
    target = command.load()
    host = typer.Typer(rich_markup_mode=None)
    if isinstance(target, typer.Typer):
        host.add_typer(target, name=command.name)
    elif callable(target):
        host.command(command.name, cls=Command)(target)
    else:
        raise ZooError(
            f"{command} of plugin {command.plugin}: {command.target} is neither a function nor a typer.Typer"
        )
    return typer.main.get_group(host).commands[command.name]


def _say(message: str) -> None:
    typer.echo(printable(message), err=True)


def _is_misuse(error: Exception) -> bool:
    """Whether it is the command line's own complaint, such as an option that does not exist."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")
