"""What zoo does with any network: run a generator at any size, in a precision, and count parameters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.conditioning import Conditions, bare, filled_in
from zoo.errors import BrokenContractError


def predict_chroma(
    generator: nn.Module, lightness: Tensor, dtype: torch.dtype, conditions: Conditions | None = None
) -> Tensor:
    """Run a generator on pictures of any size, in the given precision.

    Args:
        generator: see `zoo.registry.contracts.Generator`.
        lightness: (N, 1, H, W). Padded by repeating its edge to the multiple that the generator needs.
        dtype: what it computes in; the result is float32.
        conditions: what there is beside lightness, for generators that take more.

    Returns:
        Chroma (N, 2, H, W).

    Raises:
        BrokenContractError: what the generator returns is no tensor, or has another shape.
        UsageError: it needs an extra that is not there.
    """
    network = bare(generator)
    seen = padded(network, lightness)
    filled = filled_in(network, network.forward, seen, size_of(lightness), conditions or Conditions())
    with torch.autocast(lightness.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        chroma = generator(seen, **filled)
    return checked_chroma(chroma, seen, size_of(lightness))


def padded(generator: nn.Module, pictures: Tensor) -> Tensor:
    """Repeat the right and the lower edge of pictures (N, C, H, W) up to the multiple that a generator needs."""
    multiple = getattr(generator, "multiple", 1)
    height, width = size_of(pictures)
    down, right = -height % multiple, -width % multiple
    return F.pad(pictures, (0, right, 0, down), mode="replicate") if down or right else pictures


def size_of(pictures: Tensor) -> tuple[int, int]:
    """Return height and width of pictures (N, C, H, W)."""
    height, width = pictures.shape[2:]
    return height, width


def checked_chroma(chroma: object, seen: Tensor, size: tuple[int, int]) -> Tensor:
    """Return what a generator made of the lightness that it saw, without the padding, in float32.

    Args:
        chroma: what it returned.
        seen: (N, 1, H, W).
        size: height and width without the padding.

    Raises:
        BrokenContractError: it is no tensor, or has another shape.
    """
    wanted = (len(seen), 2, *seen.shape[2:])
    if not isinstance(chroma, Tensor):
        what = type(chroma).__name__
        raise BrokenContractError(f"the generator returned a {what}, expected a tensor of shape {wanted}")
    if tuple(chroma.shape) != wanted:
        raise BrokenContractError(f"the generator returned chroma of shape {tuple(chroma.shape)}, expected {wanted}")
    if not chroma.is_floating_point():
        raise BrokenContractError(f"the generator returned {chroma.dtype}, expected floating point")
    height, width = size
    cut: Tensor = chroma[:, :, :height, :width].float()
    return cut


def count_parameters(network: nn.Module | None) -> int:
    """Return how many numbers a network is made of."""
    return 0 if network is None else sum(parameter.numel() for parameter in network.parameters())
