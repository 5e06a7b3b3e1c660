"""The command `zoo web`."""

from zoo import Commands, hookimpl


@hookimpl
def zoo_commands(commands: Commands) -> None:
    """Add the command."""
    commands.add("web", "zoo_web.command:web", summary="Colour photographs on a page in the browser.")
