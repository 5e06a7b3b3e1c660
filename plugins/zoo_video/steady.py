"""Colours that hold still: each frame's predicted chroma, averaged with that of the frames before.

A generator sees one frame at a time, and grain or a small motion changes its mind: the film flickers. So what was shown
before is moved along the optical flow of lightness, and an exponential average over time is taken of it and what is
predicted now. Where the frame before, moved, does not look like this one (it hid something, or something is new), the
new prediction counts alone; after a cut, everywhere. What is kept are two small pictures, whatever the film's length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo_video.flow import find_flow, plausible, warp

SECONDS = 0.5
"""Over how long colours are averaged, unless somebody says otherwise."""
_AGREEING = 0.12
"""Difference of lightness/50, averaged over some pixels, from which on two of them rather do not show the same."""
_SAME_SHOT = 0.35
"""Share of the picture that the frame before must explain, lest there is a cut."""
_AROUND = 5


class Steady:
    """Holds the colours of one film still, frame by frame."""

    def __init__(self, seconds: float = SECONDS, state: Mapping[str, Tensor] | None = None) -> None:
        """Begin with a film, or go on with it.

        Args:
            seconds: after which the share of a prediction has fallen to 1/e; 0 leaves all as it is.
            state: from `state`, of another one that was given the frames before.
        """
        self._seconds = seconds
        self._seen = self._chroma = None if not state else torch.empty(0)
        self._time = 0.0
        if state:
            self._seen, self._chroma, self._time = state["seen"], state["chroma"], float(state["time"])

    @torch.inference_mode()
    def __call__(self, seen: Tensor, chroma: Tensor, time: float) -> Tensor:
        """Return the colours to show.

        Args:
            seen: what the generator saw of the frame, (1, h, w).
            chroma: what it predicted, (2, h, w).
            time: when it is shown, in seconds.
        """
        if self._seconds > 0 and self._seen is not None and self._chroma is not None:
            # The whole of an old film gets brighter and darker; that is no motion.
            before = self._seen - self._seen.mean() + seen.mean()
            flow = find_flow(before, seen)
            agreeing = self._agreeing(before, seen, flow)
            if agreeing.mean() >= _SAME_SHOT:
                share = agreeing * math.exp(-max(0.0, time - self._time) / self._seconds)
                chroma = torch.lerp(chroma, warp(self._chroma, flow), share)
        self._seen, self._chroma, self._time = seen, chroma, time
        return chroma

    @property
    def state(self) -> dict[str, Tensor]:
        """What another one needs to go on."""
        if self._seen is None or self._chroma is None:
            return {}
        return {"seen": self._seen, "chroma": self._chroma, "time": torch.tensor(self._time, dtype=torch.float64)}

    @staticmethod
    def _agreeing(before: Tensor, seen: Tensor, flow: Tensor) -> Tensor:
        """How much the frame before, moved, looks like this one: from 0 to 1, (1, h, w)."""
        away = (warp(before, flow) - seen).abs()
        away = F.avg_pool2d(away, _AROUND, 1, _AROUND // 2, count_include_pad=False)
        return torch.exp(-((away / _AGREEING) ** 2)) * plausible(flow)
