"""The commands `zoo card` and `zoo publish`."""

from zoo import Commands, hookimpl


@hookimpl
def zoo_commands(commands: Commands) -> None:
    """Add the commands."""
    commands.add("card", "zoo_publish.command:card", summary="Write a model's card, in the hub's form.")
    commands.add(
        "publish", "zoo_publish.command:publish", summary="Put a model and its card into a folder or on the hub."
    )
