"""Weights & Biases."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from zoo import RunInfo, Status, UsageError, hookimpl
from zoo.files import write_text

ID = "wandb-id.txt"


class WandB:
    """Follows a run in Weights & Biases; a run that is resumed goes on there, too.

    Args:
        project: Where it is shown.
        entity: Whose project it is; by default the account's own.
        mode: Whether it is sent at once, or kept in the folder `wandb` of the run for `wandb sync`; by default as the
            environment's WANDB_MODE says.
        images: Send the samples, too.
    """

    def __init__(
        self,
        *,
        project: str = "zoo",
        entity: str | None = None,
        mode: Literal["online", "offline"] | None = None,
        images: bool = True,
    ) -> None:
        if find_spec("wandb") is None:
            raise UsageError("Weights & Biases is not installed: pip install wandb")
        if (mode or os.environ.get("WANDB_MODE", "online")) == "online":
            from zoo.hub import check_consent

            check_consent("the run's recipe, losses and samples would be sent to Weights & Biases")
            _log_in()
        self.project, self.entity, self.mode, self.images = project, entity, mode, images
        self._run: Any = None

    @hookimpl
    def zoo_run_started(self, run: RunInfo) -> None:
        """Begin a run there, or go on with the one that was begun."""
        import wandb

        known = run.path / ID
        if not known.is_file():
            write_text(known, secrets.token_hex(4))
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            mode=self.mode,
            id=known.read_text(encoding="utf-8"),
            name=run.name,
            # wandb writes from a process of its own, which may have begun in another folder.
            dir=run.path.resolve(),
            config=dict(run.recipe),
            resume="allow",
            settings=wandb.Settings(console="off", silent=True),
        )
        # Going back after bad steps, or resuming, takes steps again: their own axis allows for that, wandb's does not.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    @hookimpl
    def zoo_step(self, status: Status) -> None:
        """Send the losses and the speed."""
        losses = {f"loss/{name}": value for name, value in status.losses.items()}
        speed = {"speed/images_per_second": status.images_per_second, "speed/memory": status.memory}
        self._run.log({"step": status.step, **losses, **speed})

    @hookimpl
    def zoo_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Send the validation metrics."""
        self._run.log({"step": step, **{f"val/{name}": value for name, value in metrics.items()}})

    @hookimpl
    def zoo_samples(self, step: int, picture: Path) -> None:
        """Send grey | coloured | original."""
        if self.images:
            import wandb

            self._run.log({"step": step, "samples": wandb.Image(str(picture))})

    @hookimpl
    def zoo_alarm(self, message: str) -> None:
        """Send what people should know of."""
        self._run.alert("zoo", message)

    @hookimpl
    def zoo_run_ended(self, state: str) -> None:
        """End the run there; one that can be resumed counts as failed until then."""
        self._run.finish(exit_code=0 if state == "finished" else 1)


def _log_in() -> None:
    """Ask for the account now, where there is one to ask, rather than from the midst of a run."""
    import wandb

    try:
        wandb.login()
    except wandb.Error as error:
        raise UsageError(f"Weights & Biases: {error} Or write wandb:mode=offline, and `wandb sync` later") from None
