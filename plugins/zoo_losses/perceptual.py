"""Losses over the features of a network: what is seen (perceptual) and how it looks (style)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from zoo.features import Weights, shared_network
from zoo.registry.contracts import Picture

# The last ReLU before each of VGG's first four poolings: relu1_2, relu2_2, relu3_3 and relu4_3 of VGG-16.
LAYERS = (0, 1, 2, 3)


class Perceptual(nn.Module):
    """Distance between the features of two pictures, summed over layers (Johnson et al. 2016).

    Args:
        net: A network of timm's.
        layers: The stages of the network to take features from, by timm's index, from 0.
        weights: `pretrained`, `random` (always the same ones) or the path of a .safetensors file.
        distance: Mean squared difference as in the paper, or mean absolute difference.
    """

    def __init__(
        self,
        *,
        net: str = "vgg16",
        layers: tuple[int, ...] = LAYERS,
        weights: Weights = "pretrained",
        distance: Literal["l2", "l1"] = "l2",
    ) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.network = shared_network(net, weights, self.layers)
        self.distance = distance

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        """Compare two batches of pictures."""
        with torch.no_grad():
            wanted = self.network.of(real)
        found = self.network.of(fake)
        total = torch.zeros((), device=fake.rgb.device)
        for layer in self.layers:
            difference = found[layer].float() - wanted[layer].float()
            total = total + (difference.square() if self.distance == "l2" else difference.abs()).mean()
        return total


class Gram(nn.Module):
    """Distance between the Gram matrices of the features of two pictures: style (Gatys et al. 2016).

    Per layer, it is the squared Frobenius norm of the difference, the mean over pictures; layers are summed.

    Args:
        net: A network of timm's.
        layers: The stages of the network to take features from, by timm's index, from 0.
        weights: `pretrained`, `random` (always the same ones) or the path of a .safetensors file.
    """

    def __init__(
        self, *, net: str = "vgg16", layers: tuple[int, ...] = LAYERS, weights: Weights = "pretrained"
    ) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.network = shared_network(net, weights, self.layers)

    def forward(self, fake: Picture, real: Picture) -> Tensor:
        """Compare two batches of pictures."""
        with torch.no_grad():
            wanted = self.network.of(real)
        found = self.network.of(fake)
        total = torch.zeros((), device=fake.rgb.device)
        for layer in self.layers:
            with torch.no_grad():
                goal = gram(wanted[layer])
            total = total + (gram(found[layer]) - goal).square().sum(dim=(1, 2)).mean()
        return total


def gram(features: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, C): how strongly channels go together, over C·H·W; in float32, also under autocast."""
    with torch.autocast(features.device.type, enabled=False):
        flat = features.float().flatten(2)
        return flat @ flat.mT / (flat.shape[1] * flat.shape[2])
