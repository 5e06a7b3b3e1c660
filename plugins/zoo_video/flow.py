"""Where each pixel of a small picture was in the one before: optical flow after Lucas and Kanade, coarse to fine.

B. D. Lucas and T. Kanade, "An iterative image registration technique with an application to stereo vision" (1981). At
the size that a generator sees (some 100 rows) milliseconds are enough, and what a film's camera does from one frame to
the next is a few pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST = 12  # rows or columns of the coarsest picture
_ROUNDS = 3
_WINDOW, _AROUND = 9, 5
_FLAT = 1e-4
"""Added to squared slopes of lightness/50: where there are none but grain, nothing moves."""
_TORN = 0.5
"""By how many pixels flow differs from one pixel to the next where it is rather no motion."""


def find_flow(before: Tensor, after: Tensor) -> Tensor:
    """Find where what is seen in a picture was in the one before.

    Args:
        before: (1, h, w).
        after: (1, h, w).

    Returns:
        (2, h, w): how many pixels to the right and down it was. `warp(before, flow)` looks like `after`.
    """
    pyramid = [(before[None], after[None])]
    while min(pyramid[-1][0].shape[2:]) >= 2 * _SMALLEST:
        pyramid.append(tuple(F.avg_pool2d(picture, 2) for picture in pyramid[-1]))  # type: ignore[arg-type]
    flow = torch.zeros(1, 2, *pyramid[-1][0].shape[2:])
    for old, new in reversed(pyramid):
        if flow.shape[2:] != new.shape[2:]:
            flow = 2 * F.interpolate(flow, new.shape[2:], mode="bilinear", align_corners=False)
        across, down = _slopes(new)
        xx, xy, yy = (_mean(product) for product in (across * across, across * down, down * down))
        xx, yy = xx + _FLAT, yy + _FLAT
        area = xx * yy - xy * xy
        clear = (area / (xx + yy) - _FLAT / 2).clamp(min=0) + 1e-5
        for _ in range(_ROUNDS):
            change = warp(old[0], flow[0])[None] - new
            x, y = _mean(across * change), _mean(down * change)
            step = torch.cat((yy * x - xy * y, xx * y - xy * x), 1) / area
            flow = flow - step.clamp(-1, 1)
            # What moves is known where there is something to see: from there, it is taken for what is flat beside it.
            flow = _mean(flow * clear, _AROUND) / _mean(clear, _AROUND)
    return flow[0]


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Move a picture: each pixel becomes what is at `flow` from it, in between pixels too, and at the edge beyond.

    Args:
        picture: (C, h, w).
        flow: (2, h, w), from `find_flow`.
    """
    height, width = picture.shape[1:]
    return F.grid_sample(
        picture[None], _places(flow, height, width), mode="bilinear", padding_mode="border", align_corners=True
    )[0]


def plausible(flow: Tensor) -> Tensor:
    """Return how much flow looks like motion: from 0 to 1, (h, w).

    It does not where it leads out of the picture, or tears and folds it: nothing that moves does, and so almost any
    picture can be made to look like another one.
    """
    height, width = flow.shape[1:]
    reach = torch.tensor([1 + 2 / max(1, width - 1), 1 + 2 / max(1, height - 1)])  # a pixel beyond, since it is blurred
    within = (_places(flow, height, width).abs() <= reach).all(-1)[0]
    padded = F.pad(flow[None], (0, 1, 0, 1), mode="replicate")[0]
    across, down = padded[:, :-1, 1:] - flow, padded[:, 1:, :-1] - flow
    torn = _mean((across.square() + down.square()).sum(0).sqrt()[None, None], _AROUND)[0, 0]
    return torch.exp(-((torn / _TORN) ** 2)) * within


def _places(flow: Tensor, height: int, width: int) -> Tensor:
    """What `grid_sample` wants: (1, h, w, 2), from -1 to 1."""
    x = (torch.arange(width) + flow[0]) * (2 / max(1, width - 1)) - 1
    y = (torch.arange(height)[:, None] + flow[1]) * (2 / max(1, height - 1)) - 1
    return torch.stack((x, y), -1)[None]


def _slopes(picture: Tensor) -> tuple[Tensor, Tensor]:
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    across = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    return across, (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2


def _mean(picture: Tensor, side: int = _WINDOW) -> Tensor:
    """Mean around each pixel."""
    return F.avg_pool2d(picture, side, 1, side // 2, count_include_pad=False)
