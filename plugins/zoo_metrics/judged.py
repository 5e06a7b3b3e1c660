"""Metrics that ask the critic which a model was trained against."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.registry.contracts import Critic, Picture
from zoo_metrics.parts import over_parts


class CriticMargin:
    """Mean logit that a model's own critic gives to originals, less that which it gives to coloured pictures.

    Around 0 it cannot tell them apart; below 0 it takes what is coloured for originals. Logits have no unit, so this
    compares with what the same critic says of grey pictures, and never with the margin of another critic.
    """

    def __call__(self, fake: Picture, real: Picture, critic: Critic) -> Tensor:
        """Return a scalar: the mean over scales, of that over all logits of each."""
        return _mean_logit(critic, real) - _mean_logit(critic, fake)


def _mean_logit(critic: Critic, picture: Picture) -> Tensor:
    def means(lightness: Tensor, chroma: Tensor) -> Tensor:
        judged = critic(lightness, chroma)
        scales = [judged] if isinstance(judged, Tensor) else judged
        return torch.stack([scale.float().mean() for scale in scales]).mean().expand(len(lightness))

    return over_parts(means, picture.lightness, picture.chroma).mean()
