"""A component under test, and what it is tried on."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.data.picture import LabPicture
from zoo.registry.contracts import Kind
from zoo.registry.offers import Component
from zoo.registry.options import filled_in
from zoo.testing.report import SIZE

CPU = torch.device("cpu")


class ContractError(AssertionError):
    """The contract is broken: the message says by what, in one sentence."""


class Note(str):
    """Something found that is worth knowing, and no failure."""


@dataclass(frozen=True)
class Subject:
    """A component under test."""

    kind: Kind
    factory: Callable[..., Any]
    options: Mapping[str, Any]
    component: Component | None = None
    """None for a factory that no plugin registered."""
    device: torch.device = CPU
    size: int = SIZE
    clock: tuple[float, float] = (100.0, 0.75)
    """The number and the progress of the step that losses are told."""

    def make(self, *, seed: int = 0, **offered: Any) -> Any:
        """Make one: the same seed makes the same one."""
        torch.manual_seed(seed)
        # A generator's pretrained weights are not worth fetching here; a loss's statistics are what is to be tried.
        restoring = self.kind != "loss"
        offered = {"size": self.size, "restoring": restoring, "split": "train", "photos": Album(self.size), **offered}
        made = self.factory(**self.options, **filled_in(self.factory, self.kind, offered))
        return made.to(self.device) if isinstance(made, nn.Module) else made

    @functools.cached_property
    def made(self) -> Any:
        """One for all checks that leave its weights as they are."""
        return self.make()


Check: TypeAlias = Callable[[Subject], str]
"""Returns a sentence, or a `Note`; raises where the contract is broken."""


def pictures(*, batch: int = 2, size: int = SIZE, seed: int = 0, device: str | torch.device = "cpu") -> LabPicture:
    """Return smooth, colourful pictures, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 4, 4, generator=generator)
    smooth = F.interpolate(coarse, (size, size), mode="bilinear", align_corners=True)
    return LabPicture.of_photos((smooth * 255).round().to(torch.uint8).to(device))


class Album:
    """A few photographs for losses that look at some: smooth ones, in all colours."""

    def __init__(self, size: int = SIZE) -> None:
        self._photos = [
            (pictures(batch=1, size=size, seed=seed).rgb[0] * 255).round().to(torch.uint8) for seed in range(6)
        ]

    def __len__(self) -> int:
        """As many as there are."""
        return len(self._photos)

    def __getitem__(self, index: int) -> Tensor:
        """Return one, uint8 (3, size, size)."""
        return self._photos[index]


def noise(subject: Subject, batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Noise as lightness and as chroma."""
    generator = torch.Generator().manual_seed(0)
    lightness = torch.rand(batch, 1, height, width, generator=generator) * 2 - 1
    chroma = torch.randn(batch, 2, height, width, generator=generator) * 0.3
    return lightness.to(subject.device), chroma.to(subject.device)


def expect(truth: object, otherwise: str) -> None:
    """Fail, in these words, unless something is true."""
    if not truth:
        raise ContractError(otherwise)


def names(names: Sequence[str], most: int = 3) -> str:
    """Join the first few names, and count the rest."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def short(text: str) -> str:
    """Bring an error's text to a length that a table can show."""
    return textwrap.shorten(text, 300, placeholder=" …")
