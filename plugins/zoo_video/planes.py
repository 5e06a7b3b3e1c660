"""Between a film's planes and L*a*b*: the lightness of its luma, and chroma planes of predicted colours.

Luma stays as it is, number by number: without its chroma, the coloured film is the original. Luma's values are taken
for those of greys in sRGB, as players and screens take them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.photo import color
from zoo_video.film import values

if TYPE_CHECKING:
    from av import VideoFrame

    from zoo_video.film import Film


class Planes:
    """The colours of one film's frames."""

    def __init__(self, film: Film) -> None:
        """Take the depth, range and matrix of a film."""
        unit = 1 << (film.depth - 8)
        self._red, self._blue = film.red, film.blue
        self._top = (1 << film.depth) - 1
        self._black, self._span = (0.0, float(self._top)) if film.full_range else (16.0 * unit, 219.0 * unit)
        self._middle, self._reach = 128.0 * unit, float(self._top) if film.full_range else 224.0 * unit
        greys = ((torch.arange(self._top + 1, dtype=torch.float64) - self._black) / self._span).clamp(0, 1)
        self._lightness = color.rgb_to_lab(greys.expand(3, 1, -1))[0, 0].float().numpy()

    def lightness(self, frame: VideoFrame) -> Tensor:
        """Return the lightness of a frame: (1, H, W), L* from 0 to 100."""
        return torch.from_numpy(self._lightness[values(frame, 0)])[None]

    def paint(self, frame: VideoFrame, chroma: Tensor) -> None:
        """Give a frame its colours. Its luma is not touched.

        As in `zoo.colorize`, colours that are not in sRGB at their lightness lose chroma, and then as much as
        it takes for them to be in RGB with the frame's own luma.

        Args:
            frame: its chroma planes are written.
            chroma: (2, h, w), a*/110 and b*/110, of any size.
        """
        blue, red = values(frame, 1), values(frame, 2)
        (height, width), luma = blue.shape, values(frame, 0)
        down, across = luma.shape[0] // height, luma.shape[1] // width
        pooled = F.avg_pool2d(torch.from_numpy(luma.astype("float32"))[None], (down, across))
        level = ((pooled - self._black) / self._span).clamp(0, 1)
        lightness = torch.from_numpy(self._lightness[pooled.round().numpy().astype("int64")])
        ab = color.AB_SCALE * F.interpolate(chroma[None], (height, width), mode="bilinear", align_corners=False)[0]
        rgb = color.lab_to_rgb(color.fit_gamut(torch.cat((lightness, ab))))
        its_level = (self._red * rgb[0] + (1 - self._red - self._blue) * rgb[1] + self._blue * rgb[2])[None]
        beyond = rgb - its_level
        room = torch.where(beyond > 0, (1 - level) / beyond.clamp(min=1e-6), level / (-beyond).clamp(min=1e-6))
        beyond *= room.amin(0).clamp(max=1)
        for plane, share, weight in ((blue, beyond[2], self._blue), (red, beyond[0], self._red)):
            numbers = self._middle + share * (self._reach / (2 - 2 * weight))
            plane[:] = numbers.round().clamp(0, self._top).numpy()
