"""What the entry point names. It imports nothing heavy."""

from zoo import Commands, Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    register.generator("tiny-gen", "zoo_tiny.components:TinyGenerator", summary="Three convolutions")
    register.critic("tiny-critic", "zoo_tiny.components:TinyCritic", summary="Logits at two scales")
    register.loss("tiny-mean", "zoo_tiny.components:tiny_mean", summary="Distance of mean colours", weight=5)
    register.loss("tiny-wgan", "zoo_tiny.components:TinyWgan", summary="Wasserstein", adversarial=True)
    register.dataset("tiny-stripes", "zoo_tiny.components:TinyStripes", summary="Coloured stripes")


@hookimpl
def zoo_commands(commands: Commands) -> None:
    commands.add("tiny-photo", "zoo_tiny.commands:photo", summary="Save one of the striped photographs.")
