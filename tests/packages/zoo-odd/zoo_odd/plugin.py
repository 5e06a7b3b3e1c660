"""What the entry point names. It imports nothing heavy."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    register.augmentation("odd-lamp", "zoo_odd.lamp:Lamp", summary="Light that falls off to the edges")
    register.optimizer("odd-sgd", "zoo_odd.sgd:OddSgd", summary="Schedule-free gradient descent")
    register.generator("odd-noisy", "zoo_odd.noisy:Noisy", summary="One of many colourings")
    register.generator("odd-hinted", "zoo_odd.noisy:Hinted", summary="Colours that somebody gave, spread")
    register.generator("odd-bins", "zoo_odd.bins:Bins", summary="How likely each colour is")
    register.generator("odd-flow", "zoo_odd.flow:Flow", summary="From noise to colours in a few steps")
