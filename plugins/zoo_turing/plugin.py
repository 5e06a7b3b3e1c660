"""The command `zoo turing`."""

from zoo import Commands, hookimpl


@hookimpl
def zoo_commands(commands: Commands) -> None:
    """Add the command."""
    commands.add("turing", "zoo_turing.command:turing", summary="Ask people which picture is the original.")
