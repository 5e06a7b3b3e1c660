"""Inception as FID is defined by: the network of 2015, in the form that its weights were published in."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import ZooError
from zoo.features import SEED, Weights
from zoo.files import sha256_of
from zoo.hub import download
from zoo.registry.contracts import Picture
from zoo.tensors import load_matching, read_pickled
from zoo_metrics.parts import over_parts

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
_DIGEST = "6726825d"
"""What the SHA-256 of that file begins with, as its name says."""
WHAT = "the weights of Inception that FID is defined by"
INSTEAD = "fd-lite0, which needs none and is no FID, or fid:weights=FILE.safetensors"
SIDE = 299
_CLASSES = 1008
"""Those of the network of 2015. Later ones have 1,000 or 1,001, and make no FID."""
_COUNTER = "num_batches_tracked"  # of no use to whoever reads them; some files have them
_PIXELS = 2**20  # of what goes through the network at a time


class Inception(nn.Module):
    """2,048 features of a picture: means over the last layer, as FID's authors took them (Heusel et al. 2017).

    torchvision's Inception, but for three habits of the network of 2015: its average pooling does not count what lies
    outside of the picture, its last block takes a maximum where the others average, and pictures of any size are
    resized as TensorFlow 1 did it, without antialiasing.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.key = (Inception, weights)
        self.network = _network(weights).requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Inception:  # noqa: ARG002
        """Stay as in evaluation: nothing here is trained."""
        return super().train(False)

    def forward(self, picture: Picture) -> Tensor:
        """Return the features of each picture, (N, 2048)."""
        return picture.cached(self.key, lambda: over_parts(self._of, picture.rgb, pixels=_PIXELS))

    def _of(self, rgb: Tensor) -> Tensor:
        # In [-1, 1), as 8 bits of which 128 are the middle.
        features: Tensor = self.network((resized_as_in_2015(255 * rgb.float(), SIDE) - 128) / 128)
        return features


def resized_as_in_2015(pictures: Tensor, side: int) -> Tensor:
    """Resize (N, C, H, W) to (N, C, side, side) between the nearest pixels, counted from the corner, not the middle."""
    for dim in (-2, -1):
        old = pictures.shape[dim]
        place = torch.arange(side, device=pictures.device) * (old / side)
        before = place.long().clamp(max=old - 1)
        share = place - before
        first, second = pictures.index_select(dim, before), pictures.index_select(dim, (before + 1).clamp(max=old - 1))
        pictures = first + (second - first) * (share if dim == -1 else share[:, None])
    return pictures


def _network(weights: Weights) -> nn.Module:
    from torchvision.models import inception

    def pooling_inside(block: Any) -> Any:
        """Have a block average over what is inside of the picture; the last of its branches is that one."""

        class Block(block):  # type: ignore[misc]
            takes_maximum = False

            def _forward(self, x: Tensor) -> list[Tensor]:
                *others, _ = super()._forward(x)
                if self.takes_maximum:
                    pooled = F.max_pool2d(x, 3, 1, 1)
                else:
                    pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
                return [*others, self.branch_pool(pooled)]

        return Block

    a, c, e = (pooling_inside(block) for block in (inception.InceptionA, inception.InceptionC, inception.InceptionE))
    blocks = [inception.BasicConv2d, a, inception.InceptionB, c, inception.InceptionD, e, inception.InceptionAux]
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.default_generator.manual_seed(SEED)
        warnings.simplefilter("ignore")
        network: Any = inception.Inception3(_CLASSES, aux_logits=False, inception_blocks=blocks, init_weights=False)
    network.Mixed_7c.takes_maximum = True
    if weights != "random":
        wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(_COUNTER)}
        network.load_state_dict({**network.state_dict(), **_read(weights, wanted)})
    network.fc = nn.Identity()  # with the classes, another network of the same form would pass for this one
    made: nn.Module = network
    return made


def _read(weights: Weights, wanted: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    if isinstance(weights, Path):
        return load_matching(weights, wanted, "FID's Inception")
    file = download(URL, what=WHAT, instead=INSTEAD)
    if not sha256_of(file).startswith(_DIGEST):
        raise ZooError(f"{file} does not hold {WHAT}: remove it, and it is fetched again. Or write {INSTEAD}")
    state = read_pickled(file)
    if missing := [name for name, tensor in wanted.items() if name not in state or state[name].shape != tensor.shape]:
        raise ZooError(f"{file} does not hold {WHAT}: {missing[0]} is missing. Write {INSTEAD}")
    return {name: state[name] for name in wanted}
