"""What the entry point names. It imports nothing heavy."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    register.augmentation("odd-lamp", "zoo_odd.lamp:Lamp", summary="Light that falls off to the edges")
    register.optimizer("odd-sgd", "zoo_odd.sgd:OddSgd", summary="Schedule-free gradient descent")
