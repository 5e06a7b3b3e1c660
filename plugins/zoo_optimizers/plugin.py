"""Optimizers, one of which `zoo run --optimizer` takes."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer the optimizers."""
    register.optimizer("adam", "zoo_optimizers.adam:adam", summary="Adam (Kingma & Ba 2015)")
    register.optimizer("adamw", "zoo_optimizers.adam:adamw", summary="Adam with decoupled weight decay")
