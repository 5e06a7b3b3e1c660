"""The features of a network that metrics look at."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.features import FeatureNetwork, Weights, load
from zoo.registry.contracts import Picture
from zoo_metrics.parts import over_parts

LITE0 = "tf_efficientnet_lite0"
"""The network whose weights come in a package that zoo depends on."""
_PIXELS = 2**21  # that go through a network at a time


class Pooled(nn.Module):
    """The means of a network's last features over a picture that is resized to what the network was trained with."""

    def __init__(self, net: str, weights: Weights) -> None:
        super().__init__()
        self.key = (Pooled, net, weights)
        network = load(net, weights)
        self.network = FeatureNetwork(network)
        self.last = len(network.feature_info) - 1  # type: ignore[arg-type]
        self.network.wanted = {self.last}
        settings = getattr(network, "pretrained_cfg", None) or {}
        self.size: tuple[int, int] = tuple((settings.get("input_size") or (3, 224, 224))[1:])

    def forward(self, picture: Picture) -> Tensor:
        """Return the features of each picture, (N, F), computed once for all metrics over this network."""
        return picture.cached(self.key, lambda: over_parts(self._of, picture.rgb))

    def _of(self, rgb: Tensor) -> Tensor:
        resized = F.interpolate(rgb, self.size, mode="bilinear", antialias=True)
        features: Tensor = self.network(resized)[self.last]
        return features.mean(dim=(2, 3))


def unit_distance(fake: dict[int, Tensor], real: dict[int, Tensor], heads: dict[int, Tensor] | None = None) -> Tensor:
    """Compare the features of pictures, each of length 1 over its channels, as LPIPS does (Zhang et al. 2018).

    Args:
        fake: (N, C, H, W) by layer.
        real: The same of the originals.
        heads: Weights of the channels of each layer, (C,): 1 without them.

    Returns:
        (N,): weighted squared differences, the mean over places, the sum over layers.
    """
    total = torch.zeros((), device=next(iter(fake.values())).device)
    for layer in fake:
        a, b = (features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10) for features in
                (fake[layer], real[layer]))  # fmt: skip
        difference = (a - b).square()
        if heads is not None:
            difference = difference * heads[layer].view(-1, 1, 1)
        total = total + difference.sum(dim=1).mean(dim=(1, 2))
    return total
