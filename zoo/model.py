"""A trained model as one file: save, load, colorize.

The file is safetensors: the generator's weights, and in its metadata, under the key `zoo`, JSON with all that it takes
to use them: recipe, component, colour conventions, provenance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo import registry
from zoo.device import pick_device, pick_dtype, pick_memory_format
from zoo.errors import UsageError, ZooError
from zoo.files import MODEL, explain_os_error, replacing
from zoo.networks import predict_chroma
from zoo.photo import Photo, color
from zoo.photo.scaling import resize
from zoo.recipe import Recipe
from zoo.registry import Plan
from zoo.tensors import save_tensors
from zoo.versions import zoo_version

FORMAT = 1
_KEY = "zoo"
_MAX_PIXELS = 8
"""A photograph is shown to the generator at no more than this many times size², however long it is."""


@dataclass(frozen=True)
class Model:
    """A trained generator, ready to colour photographs."""

    generator: nn.Module
    recipe: Recipe
    provenance: Mapping[str, Any]
    """Images seen, data set and its fingerprint, metrics, versions."""
    device: torch.device

    def colorize(self, photo: Photo, *, size: int | None = None) -> Tensor:
        """Give a photograph its colours, at its own size and with its own lightness.

        The generator sees it with its short side at the model's size (the training crops' one) and its aspect kept;
        the chroma that it predicts is enlarged and joined to the full-size lightness. Colours outside sRGB lose chroma,
        not lightness.

        Args:
            photo: from `zoo.photo.read_photo`.
            size: another short side for the generator, in pixels.

        Returns:
            uint8 (3, H, W), sRGB.
        """
        return join_chroma(photo, self.predict(self.network_input(photo, size)[None])[0])

    def network_input(self, photo: Photo, size: int | None = None) -> Tensor:
        """Make a photograph as small as the generator sees it.

        Args:
            photo: of any size.
            size: its short side for the generator, in pixels; by default that of the training crops.

        Returns:
            Lightness (1, h, w), L*/50 - 1.
        """
        height, width = photo.lightness.shape[1:]
        side = size or self.recipe.size
        scale = min(side / min(height, width), side * (_MAX_PIXELS / (height * width)) ** 0.5)
        small = resize(photo.lightness, max(1, round(height * scale)), max(1, round(width * scale)))
        return (small / 50 - 1).clamp(-1, 1)

    @torch.inference_mode()
    def predict(self, lightness: Tensor) -> Tensor:
        """Predict the colours of photographs that the generator sees at the same size.

        Args:
            lightness: (N, 1, h, w), from `network_input`.

        Returns:
            Chroma (N, 2, h, w), a*/110 and b*/110, float32, on the CPU.

        Raises:
            ZooError: see `zoo.networks.predict_chroma`.
        """
        dtype = pick_dtype(self.recipe.precision, self.device)
        return predict_chroma(self.generator, lightness.to(self.device), dtype).cpu()


def join_chroma(photo: Photo, chroma: Tensor) -> Tensor:
    """Join predicted colours to a photograph's lightness, at its own size.

    Args:
        photo: (H, W) pixels.
        chroma: (2, h, w), from `Model.predict`.

    Returns:
        uint8 (3, H, W), sRGB.
    """
    ab = F.interpolate(chroma[None], photo.lightness.shape[1:], mode="bilinear", align_corners=False)[0]
    return color.join(photo.lightness, ab * color.AB_SCALE)


def save_model(path: Path, weights: Mapping[str, Tensor], plan: Plan, provenance: Mapping[str, Any]) -> None:
    """Write a generator's state dict as one self-describing file.

    Args:
        path: the file.
        weights: the state dict.
        plan: what it was trained from.
        provenance: see `Model.provenance`.

    Raises:
        OSError: it cannot be written; what stood there before still does.
    """
    component = plan.generator.component
    about = {
        "format": FORMAT,
        "zoo": zoo_version(),
        "recipe": plan.recipe.to_table(),
        "generator": {
            "name": component.name,
            "plugin": component.plugin,
            "distribution": component.distribution,
            "version": component.version,
        },
        "color": color.CONVENTIONS,
        "provenance": dict(provenance),
    }
    with replacing(path) as new:
        save_tensors(new, weights, {_KEY: json.dumps(about)})


def load_model(path: Path | str, device: str = "auto") -> Model:
    """Load a model from its file, or from a folder that has one in it, such as that of the run that made it.

    Args:
        path: the .safetensors file, or the folder.
        device: where it shall run: auto, cuda, cuda:1, mps or cpu.

    Raises:
        UsageError: there is no such file, or it is not one of zoo's.
        ZooError: it is damaged, newer than this zoo, or needs a plugin that is not installed.
    """
    path = _model_file(Path(path))
    about, weights = _read(path)
    component = about["generator"]
    try:
        recipe = Recipe.from_table(about["recipe"], "its recipe")
    except UsageError as error:
        raise ZooError(f"{path} was saved by zoo {about['zoo']}, which this zoo does not understand: {error}") from None
    try:
        part = registry.get().part("generator", recipe.generator)
        generator = part.make(size=recipe.size, restoring=True)
    except UsageError as error:
        raise ZooError(
            f"{path} needs the generator {component['name']} of the plugin {component['plugin']}: pip install "
            f"'{component['distribution']}=={component['version']}' ({error})"
        ) from None
    own = generator.state_dict()
    wrong = [name for name in own if name not in weights or own[name].shape != weights[name].shape]
    wrong += [name for name in weights if name not in own]
    if wrong:
        installed = part.component
        raise ZooError(
            f"the weights in {path} do not fit {recipe.generator} ({len(wrong)} of {len(own)} tensors, the first is "
            f"{wrong[0]}); they were saved with {component['distribution']} {component['version']}, installed is "
            f"{installed.distribution} {installed.version}"
        )
    generator.load_state_dict(weights)
    place = pick_device(device)
    layout = pick_memory_format(pick_dtype(recipe.precision, place))
    return Model(generator.to(device=place, memory_format=layout).eval(), recipe, about["provenance"], place)


def read_about(path: Path | str) -> dict[str, Any]:
    """Read what a model file says of itself, without its weights' values.

    Raises:
        UsageError: there is no such file, or it is not one of zoo's.
        ZooError: it is damaged, or newer than this zoo.
    """
    return _read(_model_file(Path(path)))[0]


def _model_file(path: Path) -> Path:
    file = path / MODEL if path.is_dir() else path
    if not file.exists():
        if file == path:
            raise UsageError(f"there is no model {path}")
        raise UsageError(
            f"the folder {path} holds no {MODEL}: give a model's file, or the folder of a run that has saved one"
        )
    return file


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise UsageError(f"{path} is a safetensors file, but not a model that zoo saved")
            about: dict[str, Any] = json.loads(metadata[_KEY])
            if about["format"] > FORMAT:
                raise ZooError(
                    f"{path} was saved by zoo {about['zoo']} in a newer format ({about['format']}; this zoo reads up "
                    f"to {FORMAT}): pip install -U gan-zoo"
                )
            for key in ("generator", "recipe", "provenance"):
                about[key]
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise _not_a_model(path, error) from None
    except OSError as error:
        raise ZooError(f"{path} cannot be read: {explain_os_error(error)}") from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ZooError):
            raise
        raise ZooError(f"{path} is damaged: what it says of itself cannot be read ({error})") from None


def _not_a_model(path: Path, error: Exception) -> ZooError:
    """Tell a truncated model from something else altogether: a safetensors file opens with its header's length."""
    with path.open("rb") as file:
        start = file.read(9)
    if len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < 100_000_000:
        return ZooError(f"{path} is damaged or cut short: fetch or copy it again ({error})")
    return UsageError(f"{path} is not a safetensors file, so not a model of zoo's")
