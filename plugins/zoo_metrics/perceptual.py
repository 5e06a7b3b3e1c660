"""Metrics that compare each picture with its original by the features of a network, place by place."""

from __future__ import annotations

import re

from torch import Tensor, nn

from zoo.features import FeatureNetwork, Weights, load
from zoo.packaged import PackagedWeights, read_packaged
from zoo.registry.contracts import Picture
from zoo_metrics.networks import LITE0, unit_distance
from zoo_metrics.parts import mean_over_parts

LAYERS = (0, 1, 2, 3, 4)
_PIXELS = 2**19  # the first features of VGG are 64 numbers a pixel

HEADS = PackagedWeights(
    "vgg16",
    "torchmetrics",
    "torchmetrics/functional/image/lpips_models/vgg.pth",
    "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
)
"""The heads of LPIPS, version 0.1, by its authors (BSD-2-Clause)."""


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1, over VGG-16. Lower is better.

    0 for the original itself; people saw more difference where it is larger. The weights of its heads come with
    torchmetrics, those of the network are fetched.

    Args:
        weights: Of VGG-16: `pretrained`, or the path of a .safetensors file with torchvision's or timm's. `random` is
            for tests: the heads fit the trained network alone.
    """

    def __init__(self, *, weights: Weights = "pretrained") -> None:
        super().__init__()
        heads = read_packaged(HEADS, what="the heads of LPIPS", instead="lite0-distance, which has none")
        self.network = FeatureNetwork(load("vgg16", weights))
        self.network.wanted = set(LAYERS)
        for name, head in heads.items():
            # lin0.model.1.weight, (1, C, 1, 1)
            self.register_buffer(f"head{re.findall('[0-9]+', name)[0]}", head.flatten().float(), persistent=False)

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar."""
        heads = {layer: self.get_buffer(f"head{layer}") for layer in LAYERS}
        return mean_over_parts(
            lambda a, b: unit_distance(self.network(a), self.network(b), heads), fake.rgb, real.rgb, pixels=_PIXELS
        )


class Lite0Distance(nn.Module):
    """Perceptual distance over the features of EfficientNet-Lite0, without learned heads. Lower is better.

    Computed as LPIPS is, with 1 in place of what LPIPS learned from people's judgements, over the five stages of a
    network whose weights come in a package: it needs no network, and is not LPIPS. From 0, the original itself, to 20.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = FeatureNetwork(load(LITE0, "pretrained"))
        self.network.wanted = set(LAYERS)

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        """Return a scalar."""
        return mean_over_parts(
            lambda a, b: unit_distance(self.network(a), self.network(b)), fake.rgb, real.rgb, pixels=_PIXELS
        )
