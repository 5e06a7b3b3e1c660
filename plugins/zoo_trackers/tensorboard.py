"""TensorBoard: event files in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import RunInfo, Status, UsageError, hookimpl
from zoo.toml import to_toml

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


class TensorBoard:
    """Writes event files into the folder `tensorboard` of the run: `tensorboard --logdir runs` shows all runs.

    Args:
        images: Write the samples, too.
    """

    def __init__(self, *, images: bool = True) -> None:
        if find_spec("tensorboard") is None:
            raise UsageError("TensorBoard is not installed: pip install tensorboard")
        self.images = images
        self._open: SummaryWriter | None = None

    @property
    def _writer(self) -> Any:
        assert self._open is not None, "zoo_run_started comes first"
        return self._open

    @hookimpl
    def zoo_run_started(self, run: RunInfo, step: int) -> None:
        """Open a file. What an earlier one says of later steps is taken back: they will be taken again."""
        from torch.utils.tensorboard import SummaryWriter

        self._open = SummaryWriter(run.path / FOLDER, purge_step=step + 1 if step else None)
        if step == 0:
            self._writer.add_text("recipe", f"```\n{to_toml(run.recipe)}```")

    @hookimpl
    def zoo_step(self, status: Status) -> None:
        """Write the losses and the speed."""
        for name, value in status.losses.items():
            self._writer.add_scalar(f"loss/{name}", value, status.step)
        self._writer.add_scalar("speed/images_per_second", status.images_per_second, status.step)
        self._writer.add_scalar("speed/memory", status.memory, status.step)

    @hookimpl
    def zoo_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write the validation metrics."""
        for name, value in metrics.items():
            self._writer.add_scalar(f"val/{name}", value, step)

    @hookimpl
    def zoo_samples(self, step: int, picture: Path) -> None:
        """Write grey | coloured | original."""
        if self.images:
            import numpy as np
            from PIL import Image

            with Image.open(picture) as image:
                self._writer.add_image("samples", np.asarray(image), step, dataformats="HWC")

    @hookimpl
    def zoo_alarm(self, step: int, message: str) -> None:
        """Write what people should know of."""
        self._writer.add_text("alarm", message, step)

    @hookimpl
    def zoo_run_ended(self) -> None:
        """Close the file."""
        self._writer.close()
