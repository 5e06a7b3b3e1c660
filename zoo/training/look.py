"""A look at held-out photographs: what the generator makes of them, in pictures and in numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.data.picture import LabPicture
from zoo.data.stream import central_crop
from zoo.errors import ZooError
from zoo.model import predict_chroma
from zoo.training.assembly import Assembly
from zoo.training.ranks import Ranks

ROWS = 8
"""Photographs in a sample picture."""
_GAP = 4


def held_out_crops(parts: Assembly) -> Tensor:
    """Return central crops of held-out photographs, spread over all of them: uint8 (N, 3, size, size).

    Raises:
        ZooError: none of them can be read.
    """
    count = min(len(parts.held_out), parts.recipe.held_out)
    crops = []
    for index in torch.linspace(0, len(parts.held_out) - 1, count).round().long().tolist():
        try:
            crops.append(central_crop(parts.held_out[index], parts.recipe.size))
        except (ZooError, OSError) as error:
            problem = error
    if not crops:
        raise ZooError(f"no held-out photograph can be read; the last error: {problem}")
    return torch.stack(crops)


@torch.inference_mode()
def look(
    generator: nn.Module, parts: Assembly, crops: Tensor, ranks: Ranks | None = None
) -> tuple[dict[str, float], Tensor]:
    """Colour held-out crops; measure, and draw the first few of them. Several processes share the colouring.

    Args:
        generator: in whatever mode; it is left in it.
        parts: of the run.
        crops: from `held_out_crops`.
        ranks: this process's place among several; they all must look at once.

    Returns:
        The run's metrics, over all crops, and a picture grey | coloured | original, uint8 (3, H, W).
    """
    ranks = ranks or Ranks()
    was_training = generator.training
    generator.eval()
    reals, fakes = [], []
    for number, photos in enumerate(torch.split(crops, parts.recipe.batch)):
        part = LabPicture.of_photos(photos.to(parts.device))
        mine = number % ranks.world == ranks.rank
        fakes.append(predict_chroma(generator, part.lightness, parts.dtype) if mine else torch.zeros_like(part.chroma))
        reals.append(part)
    generator.train(was_training)
    real = LabPicture(torch.cat([r.lightness for r in reals]), torch.cat([r.chroma for r in reals]))
    fake = LabPicture(real.lightness, ranks.sum(torch.cat(fakes)))
    grey = LabPicture(real.lightness, torch.zeros_like(real.chroma))
    picture = _grid([pictures.rgb[:ROWS].cpu() for pictures in (grey, fake, real)])
    return {name: float(metric(fake, real)) for name, metric in parts.metrics.items()}, picture


def _grid(columns: list[Tensor]) -> Tensor:
    """Put pictures of [0, 1] in columns, a row each: uint8 (3, H, W)."""
    count, _, height, width = columns[0].shape
    grid = torch.full((3, count * (height + _GAP) - _GAP, len(columns) * (width + _GAP) - _GAP), 255, dtype=torch.uint8)
    for x, column in enumerate(columns):
        for y, picture in enumerate(column):
            top, left = y * (height + _GAP), x * (width + _GAP)
            grid[:, top : top + height, left : left + width] = (picture * 255).round().to(torch.uint8)
    return grid
