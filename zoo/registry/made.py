"""What a factory returned, held against the contract of its kind, as far as that can be seen without using it."""

from __future__ import annotations

from typing import Any

from zoo.registry.offers import Component


def what_is_wrong(made: Any, component: Component) -> str:
    """Say what keeps it from being a component of its kind; nothing where that is unknown."""
    what = f"what the factory returns ({type(made).__name__})"
    match component.kind:
        case "generator" | "critic":
            return _of_network(made, what)
        case "loss":
            return _of_loss(made, what, component.adversarial)
        case "dataset":
            lacking = [method for method in ("__len__", "__getitem__") if not hasattr(made, method)]
            return f"{what} is no data set: it lacks {lacking[0]}" if lacking else ""
        case "metric":
            return "" if callable(made) else f"{what} cannot be called"
        case "model":
            return ""
        case "tracker":
            # Its hooks are looked for when it begins to listen.
            return ""


def _of_network(made: Any, what: str) -> str:
    from torch import nn

    if not isinstance(made, nn.Module):
        return f"{what} is no torch.nn.Module"
    multiple = getattr(made, "multiple", 1)
    if not isinstance(multiple, int) or multiple < 1:
        return f"multiple is {multiple!r}: it must be a whole number above 0"
    return ""


def _of_loss(made: Any, what: str, adversarial: bool) -> str:
    has_sides = all(callable(getattr(made, side, None)) for side in ("critic", "generator"))
    if not has_sides and not callable(made) and not adversarial:
        return (
            f"{what} is no loss: it can neither be called with (fake, real) pictures, nor has it the methods "
            "critic(real, fake) and generator(fake) of an adversarial one"
        )
    if adversarial and not has_sides:
        return "it is registered with adversarial=True, but lacks the methods critic(real, fake) and generator(fake)"
    if not adversarial and not callable(made):
        return "it has the methods of an adversarial loss: register it with adversarial=True"
    every = getattr(made, "penalty_every", 1)
    if hasattr(made, "penalty") and (not isinstance(every, int) or every < 0):
        return f"penalty_every is {every!r}: it must be a whole number of steps, or 0 for no penalty"
    return ""
