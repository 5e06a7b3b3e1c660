"""The command `zoo video`."""

from zoo import Commands, hookimpl


@hookimpl
def zoo_commands(commands: Commands) -> None:
    """Add the command."""
    commands.add("video", "zoo_video.command:video", summary="Give a film its colours.")
