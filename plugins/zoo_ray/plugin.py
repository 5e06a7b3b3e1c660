"""The command `zoo colorize-ray`."""

from zoo import Commands, hookimpl


@hookimpl
def zoo_commands(commands: Commands) -> None:
    """Add the command."""
    commands.add("colorize-ray", "zoo_ray.command:colorize_ray", summary="Colour an album on several machines, by Ray.")
