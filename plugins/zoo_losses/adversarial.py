"""Both sides of the game between generator and critic, over logits of any shape, in float32.

The critic's side is the mean, not the sum, of what it gets wrong about originals and about fakes, as in pix2pix.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from zoo.registry.contracts import Critic, Picture

Weight = Annotated[float, Field(ge=0)]
Steps = Annotated[int, Field(ge=1)]


class _Penalized:
    """The R1 penalty on the critic's gradient at originals, which all games can have (Mescheder et al. 2018).

    It is half the squared norm of the gradient of a picture's logits with respect to its chroma: the sum of all logits'
    over their number, so that a critic of many patches is held back as one with a single logit is.
    """

    undecided = 0.0
    # A critic with logits of 7.5 and -7.5 is sure to 1 in 2000; the widest in healthy runs was 3.
    healthy_margin = (-2.0, 15.0)

    def __init__(self, *, r1: Weight = 0.0, r1_every: Steps = 16) -> None:
        self.r1 = r1
        self.penalty_every = r1_every if r1 else 0

    def penalty(self, critic: Critic, real: Picture, fake: Picture) -> Tensor:  # noqa: ARG002
        """Hold the critic back where it is steep."""
        chroma = real.chroma.detach().requires_grad_()
        logits = critic(real.lightness, chroma)
        scales = [logits] if isinstance(logits, Tensor) else list(logits)
        norms = []
        for scale in scales:
            (gradient,) = torch.autograd.grad(scale.float().sum(), chroma, create_graph=True)
            norms.append(gradient.square().sum() / scale.numel())
        return self.r1 / 2 * torch.stack(norms).mean()


class CrossEntropy(_Penalized):
    """The non-saturating game of the first GAN (Goodfellow et al. 2014), over each patch.

    Args:
        smooth: By how much the critic's target for originals falls short of 1 (one-sided label smoothing, Salimans
            et al. 2016).
        r1: Weight of the R1 penalty on the critic's gradient at originals (Mescheder et al. 2018); 0 is none.
        r1_every: Steps from one penalty to the next, which counts so many times (Karras et al. 2020, StyleGAN2).
    """

    def __init__(
        self, *, smooth: Annotated[float, Field(ge=0, lt=1)] = 0.0, r1: Weight = 0.0, r1_every: Steps = 16
    ) -> None:
        super().__init__(r1=r1, r1_every=r1_every)
        self.smooth = smooth

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Tell originals from fakes."""
        return (cross_entropy(real, 1 - self.smooth) + cross_entropy(fake, 0.0)) / 2

    def generator(self, fake: Tensor) -> Tensor:
        """Pass for an original."""
        return cross_entropy(fake, 1.0)


class LeastSquares(_Penalized):
    """The game with squared errors: originals towards 1, fakes towards 0 (Mao et al. 2017, LSGAN).

    Args:
        r1: Weight of the R1 penalty on the critic's gradient at originals (Mescheder et al. 2018); 0 is none.
        r1_every: Steps from one penalty to the next, which counts so many times (Karras et al. 2020, StyleGAN2).
    """

    undecided = 0.5
    # Its game is won at 1.
    healthy_margin = (-1.0, 3.0)

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Tell originals from fakes."""
        return ((real.float() - 1).square().mean() + fake.float().square().mean()) / 2

    def generator(self, fake: Tensor) -> Tensor:
        """Pass for an original."""
        return (fake.float() - 1).square().mean()


class Hinge(_Penalized):
    """The game with a margin: originals above 1, fakes below -1 (Lim & Ye 2017, Geometric GAN).

    Args:
        r1: Weight of the R1 penalty on the critic's gradient at originals (Mescheder et al. 2018); 0 is none.
        r1_every: Steps from one penalty to the next, which counts so many times (Karras et al. 2020, StyleGAN2).
    """

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Tell originals from fakes."""
        return (F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()) / 2

    def generator(self, fake: Tensor) -> Tensor:
        """Pass for an original."""
        return -fake.float().mean()


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Return the mean cross-entropy between the sigmoid of logits and one target for all."""
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
