"""A trained model as one file: save, load, colorize.

The file is safetensors: the generator's weights, and in its metadata, under the key `zoo`, JSON with all that it takes
to use them: recipe, component, colour conventions, provenance.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.beside import Beside, check_beside, conditions_of, make_beside
from zoo.conditioning import NOISE, names_taken, noise_of
from zoo.device import pick_device, pick_dtype, pick_memory_format
from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error, quoted, replacing, sha256_of
from zoo.memory import memory_for
from zoo.networks import predict_chroma
from zoo.photo import Hint, Mark, Photo, color, photo_of
from zoo.photo.in_memory import image_of
from zoo.photo.scaling import resize
from zoo.recipe import Recipe
from zoo.registry import ModelSource, Plan, find_model
from zoo.registry.offers import Component
from zoo.registry.spec import names_in
from zoo.restoring import About, Shapes, check_numbers, make_critic_again, make_generator
from zoo.tensors import save_tensors
from zoo.versions import zoo_version

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

FORMAT = 1
_KEY = "zoo"
MAX_PIXELS = 8
"""A photograph is shown to the generator at no more than this many times size², however long it is."""


@dataclass(frozen=True)
class Model:
    """A trained generator, ready to colour photographs."""

    generator: nn.Module = field(repr=False)
    recipe: Recipe
    provenance: Mapping[str, Any] = field(repr=False)
    """Images seen, data set and its fingerprint, metrics, versions."""
    device: torch.device
    name: str = ""
    """What people call it: the name of its plugin's component, of its run's folder, or of its file."""
    file: Path | None = None
    """Where it was loaded from."""

    @cached_property
    def mark(self) -> Mark:
        """What photographs that it coloured say of it: see `zoo.photo.save_photo`.

        Raises:
            OSError: its file cannot be read any more.
        """
        return Mark(zoo_version(), self.name, "" if self.file is None else sha256_of(self.file))

    @overload
    def colorize(
        self,
        photo: Photo | Tensor,
        *,
        size: int | None = None,
        saturation: float = 1.0,
        seed: int = 0,
        hints: Sequence[Hint] = (),
        extras: Mapping[str, Tensor] | None = None,
        bits: int = 8,
    ) -> Tensor: ...
    @overload
    def colorize(
        self,
        photo: str | os.PathLike[str] | Image | NDArray[Any],
        *,
        size: int | None = None,
        saturation: float = 1.0,
        seed: int = 0,
        hints: Sequence[Hint] = (),
        extras: Mapping[str, Tensor] | None = None,
    ) -> Image: ...
    def colorize(
        self,
        photo: Photo | Tensor | str | os.PathLike[str] | Image | NDArray[Any],
        *,
        size: int | None = None,
        saturation: float = 1.0,
        seed: int = 0,
        hints: Sequence[Hint] = (),
        extras: Mapping[str, Tensor] | None = None,
        bits: int = 8,
    ) -> Tensor | Image:
        """Give a photograph its colours, at its own size and with its own lightness.

        The generator sees it with its short side near the model's size (the training crops' one), see `network_input`;
        the chroma that it predicts is enlarged and joined to the full-size lightness. Colours outside sRGB lose chroma,
        not lightness.

        Args:
            photo: a path, a picture of Pillow's, an array or a tensor, see `zoo.photo.photo_of`; or a `Photo`.
            size: another short side for the generator, in pixels.
            saturation: what the chroma is multiplied by: less than 1 is calmer, 0 grey, more bolder.
            seed: of the noise, for a generator that takes some; another one may give other colours.
            hints: colours that somebody gave, for a generator that takes hints.
            extras: RGB pictures, float (3, h, w) in [0, 1], of any size, by the names that the generator takes.
            bits: 8 or 16; a photograph's own are `Photo.bits`.

        Returns:
            Of a `Photo` or a tensor, uint8, or uint16, (3, H, W), sRGB. Of everything else a picture of Pillow's, RGB
            or RGBA, of 8 bits, which notebooks display.

        Raises:
            UsageError: there is a hint or an extra that the generator does not take, or one is missing; or what was
                given is no photograph.
            PhotoError: a file cannot be read.
            ZooError: as `predict`.
        """
        taken = photo_of(photo)
        seen = self.network_input(taken, size)
        given = self.beside(taken, seen, hints, extras or {})
        chroma = saturation * self.predict(seen[None], seed=seed, beside=[given])[0]
        if isinstance(photo, Photo | Tensor):
            return join_chroma(taken, chroma, bits=bits)
        return image_of(join_chroma(taken, chroma), taken)

    @property
    def takes(self) -> tuple[str, ...]:
        """What the generator takes beside lightness: noise, hints, and extras by their names."""
        return names_taken(self.generator)

    def check_beside(self, *, hints: bool, extras: Collection[str]) -> None:
        """See that the generator takes what there is beside photographs, and lacks nothing.

        Args:
            hints: whether there are any.
            extras: the names of those that there are.

        Raises:
            UsageError: otherwise.
        """
        check_beside(self.generator, names_in(self.recipe.generator), hints=hints, extras=extras)

    def beside(
        self, photo: Photo, seen: Tensor, hints: Sequence[Hint] = (), extras: Mapping[str, Tensor] | None = None
    ) -> Beside:
        """Make what there is beside a photograph's lightness as the generator takes it.

        Args:
            photo: the photograph.
            seen: from `network_input`.
            hints: see `colorize`.
            extras: see `colorize`.

        Raises:
            UsageError: as `check_beside`, or a hint is outside of the photograph.
        """
        self.check_beside(hints=bool(hints), extras=extras or {})
        return make_beside(photo, seen, hints, extras or {})

    def network_input(self, photo: Photo, size: int | None = None) -> Tensor:
        """Make a photograph as small as the generator sees it.

        Each side becomes a multiple of what the generator needs, the nearest one, so that nothing has to be padded;
        a photograph of 3:2 is squeezed into a square by a generator that needs multiples of its size.

        Args:
            photo: of any size.
            size: its short side for the generator, in pixels; by default that of the training crops.

        Returns:
            Lightness (1, h, w), L*/50 - 1.
        """
        sides = photo.lightness.shape[1:]
        side = size or self.recipe.size
        scale = min(side / min(sides), side * (MAX_PIXELS / math.prod(sides)) ** 0.5)
        multiple = getattr(self.generator, "multiple", 1)
        height, width = (max(1, math.ceil(pixels * scale / multiple - 0.5)) * multiple for pixels in sides)
        return (resize(photo.lightness, height, width) / 50 - 1).clamp(-1, 1)

    @torch.inference_mode()
    def predict(self, lightness: Tensor, *, seed: int = 0, beside: Sequence[Beside] = ()) -> Tensor:
        """Predict the colours of photographs that the generator sees at the same size.

        Args:
            lightness: (N, 1, h, w), from `network_input`.
            seed: of the noise, which is each photograph's own: the same alone and among others.
            beside: what there is beside each, from `beside`.

        Returns:
            Chroma (N, 2, h, w), a*/110 and b*/110, float32, on the CPU.

        Raises:
            ZooError: see `zoo.networks.predict_chroma`; or what it predicts are not numbers.
        """
        dtype = pick_dtype(self.recipe.precision, self.device, self.generator)
        noise = noise_of(lightness, seed, self.device) if NOISE in self.takes else None
        conditions = conditions_of(beside, noise, lightness, self.device)
        chroma = predict_chroma(self.generator, lightness.to(self.device), dtype, conditions).cpu()
        if not chroma.isfinite().all():  # would be black
            raise ZooError("the generator predicts colours that are not numbers")
        return chroma


def join_chroma(photo: Photo, chroma: Tensor, *, bits: int = 8) -> Tensor:
    """Join predicted colours to a photograph's lightness, at its own size.

    Args:
        photo: (H, W) pixels.
        chroma: (2, h, w), from `Model.predict`.
        bits: 8 or 16.

    Returns:
        uint8, or uint16, (3, H, W), sRGB.
    """
    ab = F.interpolate(chroma[None], photo.lightness.shape[1:], mode="bilinear", align_corners=False)[0]
    return color.join(photo.lightness, ab * color.AB_SCALE, bits=bits)


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
    _save(path, weights, "generator", [plan.generator.component], plan, provenance)


def save_critic(path: Path, weights: Mapping[str, Tensor], plan: Plan, provenance: Mapping[str, Any]) -> None:
    """Write the state dict of the critic that goes with a model, as `save_model` does.

    Raises:
        OSError: it cannot be written; what stood there before still does.
    """
    assert plan.critics
    _save(path, weights, "critic", [critic.component for critic in plan.critics], plan, provenance)


def _save(
    path: Path,
    weights: Mapping[str, Tensor],
    what: str,
    components: Sequence[Component],
    plan: Plan,
    provenance: Mapping[str, Any],
) -> None:
    about = {
        "format": FORMAT,
        "zoo": zoo_version(),
        "recipe": plan.recipe.to_table(),
        # Of several critics, all: patch+pixel.
        what: {
            key: "+".join(getattr(component, key) for component in components)
            for key in ("name", "plugin", "distribution", "version")
        },
        "color": color.CONVENTIONS,
        "provenance": dict(provenance),
    }
    with replacing(path) as new:
        save_tensors(new, weights, {_KEY: json.dumps(about)})


def load_model(path: ModelSource | Path | str | None = None, device: str = "auto") -> Model:
    """Load a model from its file, or from a folder that has one in it, such as that of the run that made it.

    Args:
        path: the .safetensors file, the folder, or, as text, whatever `zoo.registry.find_model` finds, or what it
            found. Without one, the model that registry.toml names, which is the one that comes with zoo unless somebody
            says otherwise.
        device: where it shall run: auto, cuda, cuda:1, mps or cpu.

    Raises:
        UsageError: there is no such file, or it is not one of zoo's.
        ZooError: it is damaged, newer than this zoo, or needs a plugin that is not installed.
    """
    found = find_model(path)
    path = found.file
    place = pick_device(device)
    with memory_for(f"to load the model {path}", "close other programs, or use a computer with more"):
        about, shapes = _read_header(path)
        recipe = _recipe(path, about)
        generator = make_generator(path, about, recipe, shapes)
        generator.load_state_dict(_read_weights(path, shapes))
        check_numbers(path, generator)
        generator = generator.to(memory_format=pick_memory_format(place)).to(place).eval()
    return Model(generator, recipe, about["provenance"], place, found.name, path)


def copy_model(path: Path, target: Path, about: Mapping[str, Any]) -> None:
    """Write the tensors of a model's file, or of its critic's, into another one that says something else of itself.

    Args:
        path: the file.
        target: the other one; what is there is replaced.
        about: from `read_about`, changed.

    Raises:
        ZooError: the file cannot be read.
        OSError: the other one cannot be written; what stood there before still does.
    """
    with _opened(path) as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    with replacing(target) as new:
        save_tensors(new, weights, {_KEY: json.dumps(about)})


def read_about(path: Path | str, what: str = "generator") -> dict[str, Any]:
    """Read what a model file says of itself, without its weights' values.

    Args:
        path: whatever `zoo.registry.find_model` finds.
        what: the network that it holds: generator or critic.

    Raises:
        UsageError: there is no such file, or it is not one of zoo's.
        ZooError: it is damaged, or newer than this zoo.
    """
    return _read_header(find_model(path).file, what)[0]


def read_recipe(path: Path) -> Recipe:
    """Read what a model was trained with. Errors are those of `read_about`."""
    about, _ = _read_header(path)
    return _recipe(path, about)


def load_critic(path: Path) -> tuple[Recipe, dict[str, Tensor]]:
    """Read the critic that goes with a model: the recipe that it was trained with, and its state dict.

    Raises:
        UsageError: there is no such file, or it is not one of zoo's.
        ZooError: it is damaged, or newer than this zoo.
    """
    about, shapes = _read_header(path, "critic")
    return _recipe(path, about), _read_weights(path, shapes)


def open_critic(path: Path, device: torch.device) -> tuple[Recipe, nn.Module]:
    """Load the critic that goes with a model, ready to judge pictures at the size that its recipe says.

    Raises:
        UsageError: there is no such file, or it is not one of zoo's.
        ZooError: it is damaged, newer than this zoo, or needs a plugin that is not installed.
    """
    with memory_for(f"to load the critic {path}", "close other programs, or use a computer with more"):
        about, shapes = _read_header(path, "critic")
        recipe = _recipe(path, about)
        critic = make_critic_again(path, about, recipe, shapes)
        critic.load_state_dict(_read_weights(path, shapes))
        return recipe, critic.to(memory_format=pick_memory_format(device)).to(device).eval().requires_grad_(False)


def describe_model(path: Path) -> list[tuple[str, str]]:
    """Say what a model file says of its training: what, and how it was. It may be somebody else's.

    Raises:
        UsageError: there is no such file, or it is not one of zoo's.
        ZooError: it is damaged, or newer than this zoo.
    """
    about, _ = _read_header(path)
    recipe, said = _recipe(path, about), about["provenance"]

    def number(key: str) -> float:
        value = said.get(key)
        return value if isinstance(value, float) or (isinstance(value, int) and value < 2**63) else math.nan

    def count(key: str) -> str:
        return "?" if math.isnan(number(key)) else f"{number(key):,.0f}"

    metrics = said.get("metrics")
    init = said.get("init")
    rows = {
        "file": f"{path} ({path.stat().st_size / 1e6:.1f} MB)",
        "generator": names_in(recipe.generator),
        "critic": names_in(recipe.critic),
        "loss": names_in(recipe.loss),
        "data": f"{names_in(recipe.data)}, {count('photographs')} photographs",
        "trained": f"{count('steps')} steps, {count('images')} crops of {recipe.size} pixels, "
        f"{number('seconds') / 3600:.1f} hours",
        "began with": quoted(str(init["model"])) if isinstance(init, dict) and "model" in init else "",
        "measured": ", ".join(f"{quoted(k)} {v:.4g}" for k, v in metrics.items() if isinstance(v, int | float))
        if isinstance(metrics, dict)
        else "",
        "saved": f"{quoted(str(said['saved']))} by zoo {quoted(about['zoo'])}" if "saved" in said else "",
    }
    return [(name, text) for name, text in rows.items() if text]


# ------------------------------------------------------------------------------------------------- what it says


def _read_header(path: Path, what: str = "generator") -> tuple[About, Shapes]:
    """Read what a model says of itself, and the shapes of its tensors by name. No value is read.

    Args:
        path: the file.
        what: the network that it holds: generator or critic.
    """
    with _opened(path) as file:
        metadata = file.metadata() or {}
        if _KEY not in metadata:
            raise UsageError(f"{path} is a safetensors file, but not a model that zoo saved")
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a dict
    return _parse(path, metadata[_KEY], what), shapes


def _read_weights(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in names}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise _not_a_model(path, error) from None
    except OSError as error:
        raise ZooError(f"{path} cannot be read: {explain_os_error(error)}") from None


def _parse(path: Path, text: str, what: str) -> About:
    """Read what a model says of itself, and see that it says what is needed to load it."""

    def damaged(problem: str) -> ZooError:
        return ZooError(f"{path} is damaged: what it says of itself cannot be read ({problem})")

    try:
        about = json.loads(text)
    except json.JSONDecodeError as error:
        raise damaged(str(error)) from None
    except ValueError:  # Python's limit of digits
        raise damaged("there is a number of more digits than can be read") from None
    except RecursionError:
        raise damaged("it is nested too deeply") from None
    _check_kinds(about, {"format": int, "zoo": str}, damaged)
    if about["format"] > FORMAT:
        raise ZooError(
            f"{path} was saved by zoo {quoted(about['zoo'])} in a newer format ({quoted(str(about['format']))}; this "
            f"zoo reads up to {FORMAT}): install a newer zoo, as its README says"
        )
    if what not in about and (other := {"generator", "critic"} & about.keys()):
        raise UsageError(f"{path} holds a {other.pop()}, not a {what}")
    _check_kinds(about, {"recipe": dict, what: dict, "provenance": dict}, damaged)
    _check_kinds(about[what], dict.fromkeys(("name", "plugin", "distribution", "version"), str), damaged)
    return dict(about)


def _check_kinds(table: Any, kinds: Mapping[str, type], damaged: Callable[[str], ZooError]) -> None:
    for key, kind in kinds.items():
        if not isinstance(table, dict) or key not in table:
            raise damaged(f"{key} is missing")
        if not isinstance(table[key], kind):
            raise damaged(f"{key} is a {type(table[key]).__name__}, not a {kind.__name__}")


def _recipe(path: Path, about: About) -> Recipe:
    try:
        return Recipe.from_table(about["recipe"], "its recipe")
    except UsageError as error:
        raise ZooError(
            f"{path} was saved by zoo {quoted(about['zoo'])}, which this zoo does not understand: "
            f"{shorten(str(error), 300, placeholder=' …')}"
        ) from None


def _not_a_model(path: Path, error: Exception) -> ZooError:
    """Tell a truncated model from something else altogether: a safetensors file opens with its header's length."""
    with path.open("rb") as file:
        start = file.read(9)
    if len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < 100_000_000:
        return ZooError(f"{path} is damaged or cut short: fetch or copy it again ({error})")
    return UsageError(f"{path} is not a safetensors file, so not a model of zoo's")
