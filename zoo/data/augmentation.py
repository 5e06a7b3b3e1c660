"""Augmentation: which random square of a photograph is learned from, and whether it is mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from zoo.errors import UsageError
from zoo.photo.scaling import resize
from zoo.registry.spec import parse_sum
from zoo.suggest import did_you_mean

_KNOWN = {"crop": ("smallest",), "flip": ()}


@dataclass(frozen=True)
class Augmentation:
    """A random square, resized."""

    smallest: float = 1.0
    """The square's side is at least this share of the photograph's short side."""
    flip: bool = False
    """Mirror half of them."""

    @classmethod
    def parse(cls, text: str) -> Augmentation:
        """Read what a recipe says, such as `crop:smallest=0.6+flip`; `none` takes the largest squares as they are.

        Raises:
            UsageError: it is malformed, or there is no such augmentation.
        """
        fields: dict[str, float | bool] = {}
        for spec in () if text == "none" else parse_sum(text):
            if spec.name not in _KNOWN:
                raise UsageError(
                    f"augment = {text}: there is no augmentation {spec.name!r}{did_you_mean(spec.name, _KNOWN)} "
                    f"(there is: {', '.join(_KNOWN)}, and none)"
                )
            for option in spec.options:
                if option not in _KNOWN[spec.name]:
                    raise UsageError(f"augment = {text}: {spec.name} has no option {option!r}")
            if spec.name == "flip":
                fields["flip"] = True
            else:
                fields["smallest"] = _share(text, spec.options.get("smallest", "0.6"))
        return cls(**fields)  # type: ignore[arg-type]

    def __call__(self, photo: Tensor, size: int, rng: np.random.Generator) -> Tensor:
        """Cut a random square out of a photograph and resize it.

        Args:
            photo: uint8 (3, H, W). Smaller ones than `size` are enlarged.
            size: side of the result in pixels.
            rng: decides.

        Returns:
            uint8 (3, size, size).
        """
        height, width = photo.shape[1:]
        side = max(1, round(min(height, width) * rng.uniform(self.smallest, 1)))
        top = int(rng.integers(height - side + 1))
        left = int(rng.integers(width - side + 1))
        mirrored = bool(rng.random() < 0.5) and self.flip
        crop = resize(photo[:, top : top + side, left : left + side], size, size)
        return crop.flip(-1) if mirrored else crop


def _share(text: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise UsageError(f"augment = {text}: smallest={value} is not a number above 0 and at most 1")
    return share
