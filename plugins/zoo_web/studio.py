"""What colours photographs: models by name, one of them in memory, and a folder that is gone in the end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from zoo.errors import PhotoError, UsageError, ZooError
from zoo.photo import Hint, read_rgb
from zoo.photo.modes import quiet
from zoo.photo.opening import open_picture
from zoo.registry import ModelSource, find_model, get
from zoo_web import limits

if TYPE_CHECKING:
    from zoo.model import Model

PREVIEW = 1400
"""Short side of what the page shows of an original, in pixels, at most."""


class TooLargeError(ZooError):
    """A photograph has more bytes or pixels than are taken."""


class UnknownModelError(ZooError):
    """There is no model of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no model {name[:100]!r} here: GET /api/models lists them")


@dataclass(frozen=True)
class Wish:
    """How a photograph shall be coloured."""

    model: str
    saturation: float = 1.0
    size: int | None = None
    seed: int = 0
    hints: tuple[Hint, ...] = ()


@dataclass(frozen=True)
class Coloured:
    """A coloured photograph."""

    name: str
    """What its file is called."""
    data: bytes
    seconds: float
    """That it took, without waiting for others."""


class Studio:
    """Models by name, of which one is in memory. Its methods are slow: they want a thread, one at a time.

    Args:
        first: the model that counts where none is named. It is loaded at once.
        device: where models run.

    Raises:
        UsageError: the first one is no model.
        ZooError: it cannot be loaded.
    """

    def __init__(self, first: ModelSource, device: str) -> None:
        registry = get()
        installed = {registry.name_of(one): one.summary for one in registry.select(kind="model")}
        self.first = first.text
        self.summaries: Mapping[str, str] = {first.text: installed.get(first.text, "given with --model"), **installed}
        self._sources = {first.text: first}
        self._device = device
        self._loaded: tuple[str, Model] | None = None
        self._known: dict[str, dict[str, Any]] = {}
        self._load(first.text)

    def models(self) -> list[dict[str, Any]]:
        """Say what models there are, as JSON. None is loaded for it: what only its file knows is null until it was."""
        loaded = self._loaded[0] if self._loaded else None
        return [
            {
                "name": name,
                "summary": summary,
                "default": name == self.first,
                "loaded": name == loaded,
                **self._known.get(name, {"size": None, "takes": None}),
            }
            for name, summary in self.summaries.items()
        ]

    def describe(self, name: str) -> dict[str, Any]:
        """Say what a model is, and load it.

        Raises:
            UnknownModelError: there is none of that name.
            ZooError: it cannot be loaded.
        """
        self._load(name)
        return next(one for one in self.models() if one["name"] == name)

    def colour(self, photo: Path, wish: Wish) -> Coloured:
        """Colour a photograph as `zoo colorize` does: same name, same camera's notes, same words where it fails.

        Args:
            photo: its file, in a folder in one that may be written to, and that errors do not mention.
            wish: how.

        Raises:
            UnknownModelError: there is no such model.
            TooLargeError: it has too many pixels.
            UsageError: the model takes no hints, or more than a page can give.
            ZooError: the photograph or the model cannot be read, or memory runs out.
        """
        from zoo.colorize import colorize_all, plan

        check_pixels(photo)
        model = self._load(wish.model)
        start = time.monotonic()
        try:
            jobs = plan([photo], photo.parent.with_name("coloured"))
            if len(jobs) > 1:
                raise UsageError(f"{photo.name} has {len(jobs)} pages: colour it with `zoo colorize`")
            (outcome,) = colorize_all(
                model,
                jobs,
                size=wish.size,
                saturation=wish.saturation,
                seed=wish.seed,
                hints={photo: wish.hints} if wish.hints else {},
            )
        except UsageError as error:
            raise UsageError(_without_folder(error, photo)) from error
        if outcome.error is not None:
            raise PhotoError(_without_folder(outcome.error, photo))
        target = outcome.job.target
        return Coloured(target.name, target.read_bytes(), time.monotonic() - start)

    def _load(self, name: str) -> Model:
        from zoo.model import load_model

        if name not in self.summaries:
            raise UnknownModelError(name)
        if self._loaded is None or self._loaded[0] != name:
            self._loaded = None  # first: two may be too much
            model = load_model(self._sources.setdefault(name, find_model(name)).file, self._device)
            self._loaded = name, model
            self._known[name] = {"size": model.recipe.size, "takes": list(model.takes)}
        return self._loaded[1]


def preview(photo: Path) -> bytes:
    """Return a photograph as browsers can show it, of whatever kind it is: a JPEG file, upright, not too large.

    Raises:
        TooLargeError: it has too many pixels.
        PhotoError: it cannot be read.
    """
    check_pixels(photo)
    try:
        rgb = read_rgb(photo, min_side=PREVIEW)
    except PhotoError as error:
        raise PhotoError(_without_folder(error, photo)) from error
    image = Image.fromarray(rgb.permute(1, 2, 0).numpy())
    image.thumbnail((4 * PREVIEW, 4 * PREVIEW))  # a strip of a panorama
    data = BytesIO()
    image.save(data, "JPEG", quality=88)
    return data.getvalue()


def check_pixels(photo: Path) -> None:
    """See that a photograph has no more pixels than are taken. One that cannot be read passes: reading it says why.

    Raises:
        TooLargeError: it has more.
    """
    try:
        with quiet(), open_picture(photo) as image:
            width, height = image.size
    except Image.DecompressionBombError:
        raise TooLargeError(f"{photo.name} has more than {limits.MEGAPIXELS} megapixels: make it smaller") from None
    except Exception:
        return
    if width * height > limits.MEGAPIXELS * 10**6:
        raise TooLargeError(
            f"{photo.name} is {width}×{height} pixels ({width * height // 10**6} megapixels), and the page takes "
            f"{limits.MEGAPIXELS}: colour it with `zoo colorize`"
        )


def about() -> str:
    """Return what the page must know, as JSON."""
    from zoo.photo import PHOTO_SUFFIXES

    return json.dumps(
        {
            "photographs": limits.PHOTOGRAPHS,
            "megabytes": limits.MEGABYTES,
            "hints": limits.HINTS,
            "suffixes": sorted(PHOTO_SUFFIXES),
        }
    )


def _without_folder(error: object, photo: Path) -> str:
    """Leave out where a file lies for a moment: people know it by its name."""
    text = str(error)
    for folder in (photo.parent, photo.parent.with_name("coloured")):
        text = text.replace(f"{folder}{os.sep}", "")
    return text
