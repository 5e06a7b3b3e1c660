"""Metrics that compare the distribution of pictures with that of originals, in the features of a network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.features import Weights
from zoo.registry.contracts import Picture
from zoo_metrics.inception import Inception
from zoo_metrics.networks import LITE0, Pooled
from zoo_metrics.precision import in_float64

ENOUGH = 5000
"""Pictures from which on the bias of a Fréchet distance is small beside the differences that people ask for."""


class FrechetDistance(nn.Module):
    """Fréchet distance between the features of pictures and originals, as normal distributions. Lower is better.

    The formula of FID (Heusel et al. 2017), over a network of your choice: so it is not FID, and comparable only to
    itself. Pictures are resized to what the network was trained with, and its last features averaged over each.

    With few pictures it is biased, upwards, by an amount that depends on their number: under 5,000 it is called
    `biased`, otherwise `distance`. Beside it stands `kid`, which is unbiased: see `KernelDistance`.

    Args:
        net: A network of timm's.
        weights: `pretrained`, `random` (always the same ones) or the path of a .safetensors file.
    """

    smallest = 2
    resampled = False  # pictures that are drawn twice look like less variance, and each time it takes a decomposition

    def __init__(self, *, net: str, weights: Weights = "pretrained") -> None:
        super().__init__()
        self.pooled = Pooled(net, weights)

    def forward(self, fake: Picture, real: Picture) -> dict[str, Tensor]:
        """Return `biased` or `distance`, and `kid`."""
        return self.compare(self.features(fake), self.features(real))

    def features(self, picture: Picture) -> Tensor:
        """Return the pooled features of each picture, (N, F), F being the network's."""
        features: Tensor = self.pooled(picture)
        return features

    def compare(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return the same of two sets of features, (N, F) each."""
        return _compared(fake, real)


class FID(nn.Module):
    """Fréchet Inception distance (Heusel et al. 2017): that of normal distributions of Inception's features.

    Over the network of 2015 and the weights that FID is defined by, and pictures as they are, resized as its authors
    did. Lower is better. The weights are fetched (95 MB); `fd-lite0` does without.

    With few pictures it is biased, upwards, by an amount that depends on their number: under 5,000 it is called
    `biased`, otherwise `distance`. Beside it stands `kid`, which is unbiased: see `KernelDistance`.

    Args:
        weights: `pretrained`, or the path of a .safetensors file that has them under torchvision's names. `random` is
            for tests: the number is called `untrained` then, for it is no FID.
    """

    smallest = 2
    resampled = False  # as of `FrechetDistance`

    def __init__(self, *, weights: Weights = "pretrained") -> None:
        super().__init__()
        self.inception = Inception(weights)
        self.trained = weights != "random"

    def forward(self, fake: Picture, real: Picture) -> dict[str, Tensor]:
        """Return `biased` or `distance`, and `kid`."""
        return self.compare(self.features(fake), self.features(real))

    def features(self, picture: Picture) -> Tensor:
        """Return the pooled features of each picture, (N, 2048)."""
        features: Tensor = self.inception(picture)
        return features

    def compare(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return the same of two sets of features, (N, 2048) each."""
        return _compared(fake, real) if self.trained else {"untrained": frechet_distance(fake, real)}


class KernelDistance(nn.Module):
    """Squared maximum mean discrepancy between features, with the kernel (x·y/F + 1)³. Lower is better.

    The formula of KID (Bińkowski et al. 2018), over all pictures at once and a network of your choice: so it is
    comparable only to itself. It is unbiased, whatever the number of pictures, and thus may be a little below 0.

    Args:
        net: A network of timm's.
        weights: `pretrained`, `random` (always the same ones) or the path of a .safetensors file.
    """

    smallest = 2
    resampled = False  # pictures that are drawn twice look like themselves, which adds a bias

    def __init__(self, *, net: str, weights: Weights = "pretrained") -> None:
        super().__init__()
        self.pooled = Pooled(net, weights)

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar."""
        return self.compare(self.features(fake), self.features(real))

    def features(self, picture: Picture) -> Tensor:
        """Return the pooled features of each picture, (N, F), F being the network's."""
        features: Tensor = self.pooled(picture)
        return features

    def compare(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the same of two sets of features, (N, F) each."""
        return kernel_distance(fake, real)


def frechet_lite0() -> FrechetDistance:
    """Fréchet distance over EfficientNet-Lite0, whose weights come in a package: it needs no network, and is no FID."""
    return FrechetDistance(net=LITE0)


def kernel_lite0() -> KernelDistance:
    """Kernel distance over EfficientNet-Lite0, whose weights come in a package: it needs no network, and is no KID."""
    return KernelDistance(net=LITE0)


def _compared(fake: Tensor, real: Tensor) -> dict[str, Tensor]:
    name = "distance" if min(len(fake), len(real)) >= ENOUGH else "biased"
    return {name: frechet_distance(fake, real), "kid": kernel_distance(fake, real)}


def frechet_distance(first: Tensor, second: Tensor) -> Tensor:
    """Compare the means and covariances of features, (N, F) and (M, F): |Δμ|² + tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½), in float64.

    With Σ = XᵀX, the eigenvalues of Σ₁Σ₂ are the squared singular values of X₁X₂ᵀ: so nothing needs to be as large
    as F × F where pictures are few, and no root is taken of what rounding made negative.
    """
    known = first.isfinite().all() & second.isfinite().all()
    first, second = (in_float64(one).nan_to_num() for one in (first, second))
    means = [one.mean(dim=0) for one in (first, second)]
    roots = [_short((one - mean) / math.sqrt(len(one) - 1)) for one, mean in zip((first, second), means, strict=True)]
    shared = torch.linalg.svdvals(roots[0] @ roots[1].mT).sum()
    spreads = roots[0].square().sum() + roots[1].square().sum()
    distance = ((means[0] - means[1]).square().sum() + spreads - 2 * shared).clamp_min(0)
    return torch.where(known.to(distance.device), distance, math.nan)


def _short(root: Tensor) -> Tensor:
    """Return a root of the same covariance, with no more rows than columns."""
    return torch.linalg.qr(root, mode="r").R if len(root) > root.shape[1] else root


def kernel_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the unbiased squared MMD between features, (N, F) and (M, F), N and M at least 2; in float64."""
    x, y = in_float64(first), in_float64(second)
    within = [(kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1)) for kernel in
              (_kernel(x, x), _kernel(y, y))]  # fmt: skip
    return within[0] + within[1] - 2 * _kernel(x, y).mean()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.mT / x.shape[1] + 1) ** 3
