"""The command `zoo export`."""

from zoo import Commands, hookimpl


@hookimpl
def zoo_commands(commands: Commands) -> None:
    """Add the command."""
    commands.add("export", "zoo_export.command:export", summary="Write a model as ONNX, for use without zoo.")
