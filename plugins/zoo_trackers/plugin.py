"""Trackers, which `zoo run --track` switches on."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer the trackers."""
    register.tracker("csv", "zoo_trackers.table:Table", summary="metrics.csv in the run's folder, for spreadsheets")
    register.tracker(
        "tensorboard", "zoo_trackers.tensorboard:TensorBoard", summary="Curves and samples for TensorBoard"
    )
    register.tracker("wandb", "zoo_trackers.wandb:WandB", summary="Curves and samples for Weights & Biases")
