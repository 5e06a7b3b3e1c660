"""What the entry point names. It imports nothing heavy."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    register.augmentation("odd-lamp", "zoo_odd.lamp:Lamp", summary="Light that falls off to the edges")
    register.dataset("odd-tars", "zoo_odd.streams:OddTars", summary="Tar files, read one after another")
    register.dataset("odd-hints", "zoo_odd.streams:OddHints", summary="Photographs with some of their colours given")
    register.dataset("odd-clips", "zoo_odd.streams:OddClips", summary="Pictures that move")
    register.tracker("odd-enough", "zoo_odd.enough:OddEnough", summary="Ends runs that have learned enough")
    register.optimizer("odd-sgd", "zoo_odd.sgd:OddSgd", summary="Schedule-free gradient descent")
    register.generator("odd-noisy", "zoo_odd.noisy:Noisy", summary="One of many colourings")
    register.generator("odd-hinted", "zoo_odd.noisy:Hinted", summary="Colours that somebody gave, spread")
    register.generator("odd-bins", "zoo_odd.bins:Bins", summary="How likely each colour is")
    register.generator("odd-flow", "zoo_odd.flow:Flow", summary="From noise to colours in a few steps")
    register.critic("odd-telling", "zoo_odd.losses:Telling", summary="Logits, and what led to them")
    register.loss("odd-warm", "zoo_odd.losses:Warm", summary="Squared error whose weight rises")
    register.loss("odd-uncertain", "zoo_odd.losses:Uncertain", summary="Error weighed by its learned uncertainty")
    register.loss("odd-matching", "zoo_odd.losses:Matching", summary="Distance between what a critic sees")
    register.loss("odd-rare", "zoo_odd.losses:Rare", summary="Error weighed by how rare a colour is")
    register.loss("odd-relativistic", "zoo_odd.losses:Relativistic", summary="The relativistic game", adversarial=True)
