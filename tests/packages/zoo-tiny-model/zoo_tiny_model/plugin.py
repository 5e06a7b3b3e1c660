"""What the entry point names. It imports nothing heavy."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    register.model(
        "tiny-stripes-model",
        "zoo_tiny_model:weights/model.safetensors",
        summary="Knows nothing but stripes",
        critic="zoo_tiny_model:weights/critic.safetensors",
    )
