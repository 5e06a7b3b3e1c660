"""What zoo does with any network: run a generator at any size, in a precision, and count parameters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import BrokenContractError


def predict_chroma(generator: nn.Module, lightness: Tensor, dtype: torch.dtype) -> Tensor:
    """Run a generator on pictures of any size, in the given precision.

    Args:
        generator: see `zoo.registry.contracts.Generator`.
        lightness: (N, 1, H, W). Padded by repeating its edge to the multiple that the generator needs.
        dtype: what it computes in; the result is float32.

    Returns:
        Chroma (N, 2, H, W).

    Raises:
        BrokenContractError: what the generator returns is no tensor, or has another shape.
    """
    height, width = lightness.shape[2:]
    # Several processes that train together put a wrapper around it.
    multiple = getattr(getattr(generator, "module", generator), "multiple", 1)
    down, right = -height % multiple, -width % multiple
    padded = F.pad(lightness, (0, right, 0, down), mode="replicate") if down or right else lightness
    with torch.autocast(lightness.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        chroma = generator(padded)
    wanted = (len(lightness), 2, *padded.shape[2:])
    if not isinstance(chroma, Tensor):
        what = type(chroma).__name__
        raise BrokenContractError(f"the generator returned a {what}, expected a tensor of shape {wanted}")
    if tuple(chroma.shape) != wanted:
        raise BrokenContractError(f"the generator returned chroma of shape {tuple(chroma.shape)}, expected {wanted}")
    if not chroma.is_floating_point():
        raise BrokenContractError(f"the generator returned {chroma.dtype}, expected floating point")
    cut: Tensor = chroma[:, :, :height, :width].float()
    return cut


def count_parameters(network: nn.Module | None) -> int:
    """Return how many numbers a network is made of."""
    return 0 if network is None else sum(parameter.numel() for parameter in network.parameters())
