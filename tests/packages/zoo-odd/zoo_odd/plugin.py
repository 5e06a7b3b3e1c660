"""What the entry point names. It imports nothing heavy."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    register.augmentation("odd-lamp", "zoo_odd.lamp:Lamp", summary="Light that falls off to the edges")
    register.optimizer("odd-sgd", "zoo_odd.sgd:OddSgd", summary="Schedule-free gradient descent")
    register.critic("odd-telling", "zoo_odd.losses:Telling", summary="Logits, and what led to them")
    register.loss("odd-warm", "zoo_odd.losses:Warm", summary="Squared error whose weight rises")
    register.loss("odd-uncertain", "zoo_odd.losses:Uncertain", summary="Error weighed by its learned uncertainty")
    register.loss("odd-matching", "zoo_odd.losses:Matching", summary="Distance between what a critic sees")
    register.loss("odd-rare", "zoo_odd.losses:Rare", summary="Error weighed by how rare a colour is")
    register.loss("odd-relativistic", "zoo_odd.losses:Relativistic", summary="The relativistic game", adversarial=True)
