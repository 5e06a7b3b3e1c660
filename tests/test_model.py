from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from zoo import Recipe, load_model, registry
from zoo.errors import UsageError, ZooError
from zoo.model import Model, predict_chroma, read_about, save_model
from zoo.photo import Photo, color
from zoo.registry import resolve

RECIPE = Recipe(generator="unet-shallow:base=4", critic="none", loss="l1", data="scenes", size=32, steps=1)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    generator = registry.get().build("generator", RECIPE.generator, size=RECIPE.size)
    path = tmp_path / "model.safetensors"
    save_model(path, generator.state_dict(), resolve(RECIPE), {"images": 7})
    return path


def about(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()["zoo"])
    return found


def rewrite(path: Path, **changes: Any) -> None:
    save_file(load_file(path), path, metadata={"zoo": json.dumps({**about(path), **changes})})


def test_the_file_describes_itself(saved: Path) -> None:
    found = about(saved)
    assert found == read_about(saved)
    assert found["format"] == 1
    assert found["recipe"]["generator"] == "unet-shallow:base=4"
    assert found["generator"]["plugin"] == "unet"
    assert found["generator"]["distribution"] == "gan-zoo"
    assert found["color"] == color.CONVENTIONS
    assert found["provenance"] == {"images": 7}


def test_it_is_loaded_with_the_weights_it_was_saved_with(saved: Path) -> None:
    model = load_model(saved, "cpu")
    assert model.recipe == resolve(RECIPE).recipe
    assert not model.generator.training
    weights = load_file(saved)
    assert all(torch.equal(weights[name], value) for name, value in model.generator.state_dict().items())


@pytest.mark.parametrize(("precision", "layout"), [("float32", torch.contiguous_format), ("bf16", torch.channels_last)])
def test_its_weights_lie_in_the_layout_that_suits_its_precision(
    saved: Path, precision: str, layout: torch.memory_format
) -> None:
    rewrite(saved, recipe=RECIPE.to_table() | {"precision": precision})
    kernels = [weight for weight in load_model(saved, "cpu").generator.parameters() if weight.ndim == 4]
    assert all(kernel.is_contiguous(memory_format=layout) for kernel in kernels)


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (lambda path: path.unlink(), UsageError, "there is no model"),
        (lambda path: path.write_bytes(b""), UsageError, "is not a safetensors file"),
        (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0 a photograph"), UsageError, "is not a safetensors file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-10]), ZooError, "is damaged or cut short"),
        (lambda path: path.write_bytes(path.read_bytes()[:300]), ZooError, "is damaged or cut short"),
        (lambda path: save_file({"a": torch.zeros(1)}, path), UsageError, "but not a model that zoo saved"),
        (lambda path: save_file({"a": torch.zeros(1)}, path, {"zoo": "?"}), ZooError, "is damaged: what it says"),
        (lambda path: rewrite(path, format=2, zoo="9.0"), ZooError, "saved by zoo 9.0 in a newer format"),
        (
            lambda path: rewrite(path, recipe=RECIPE.to_table() | {"generator": "unet-shallow:base=8"}),
            ZooError,
            "do not fit unet-shallow:base=8 .* saved with gan-zoo",
        ),
        (
            lambda path: rewrite(
                path,
                recipe=RECIPE.to_table() | {"generator": "gone"},
                generator={"name": "gone", "plugin": "theirs", "distribution": "zoo-theirs", "version": "2.1"},
            ),
            ZooError,
            "needs the generator gone of the plugin theirs: pip install 'zoo-theirs==2.1'",
        ),
    ],
    ids=["missing", "empty", "photo", "cut", "header", "foreign", "garbled", "newer", "weights", "plugin"],
)
def test_a_bad_file_gets_one_clear_sentence(saved: Path, damage: Any, kind: type[ZooError], message: str) -> None:
    damage(saved)
    with pytest.raises(ZooError, match=message) as caught:
        load_model(saved, "cpu")
    assert caught.type is kind
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no model\.safetensors"):
        load_model(tmp_path)


def test_a_header_length_from_outer_space_is_no_model(saved: Path) -> None:
    saved.write_bytes(struct.pack("<Q", 2**62) + b"{")
    with pytest.raises(UsageError, match="is not a safetensors file"):
        load_model(saved)


class Recorder(nn.Module):
    """Predicts constant chroma and remembers what it was shown."""

    multiple = 16

    def __init__(self, a: float = 0.2, b: float = -0.1) -> None:
        super().__init__()
        self.shown: list[Tensor] = []
        self.chroma = torch.tensor([a, b]).view(1, 2, 1, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        self.shown.append(lightness)
        return self.chroma.expand(len(lightness), 2, *lightness.shape[2:])


def model_of(generator: nn.Module, size: int = 32) -> Model:
    return Model(generator, RECIPE.model_copy(update={"size": size}), {}, torch.device("cpu"))


@pytest.mark.parametrize(("height", "width"), [(100, 100), (90, 120), (200, 31), (8, 5), (1, 1), (3, 900)])
def test_any_photograph_keeps_its_size_and_its_lightness(height: int, width: int) -> None:
    lightness = torch.rand(1, height, width, generator=torch.Generator().manual_seed(1)) * 90 + 5
    recorder = Recorder()
    rgb = model_of(recorder).colorize(Photo(lightness=lightness))
    assert rgb.shape == (3, height, width)
    assert rgb.dtype == torch.uint8
    shown = recorder.shown[0]
    assert shown.shape[2] % 16 == shown.shape[3] % 16 == 0
    assert shown.shape[2] * shown.shape[3] <= 8 * 32**2 + 16 * (shown.shape[2] + shown.shape[3])
    after = color.rgb_to_lab(rgb)[0]
    assert (after - lightness[0]).abs().mean() < 0.3


def test_the_aspect_is_kept_and_the_short_side_is_the_models(saved: Path) -> None:
    recorder = Recorder()
    model_of(recorder, size=64).colorize(Photo(lightness=torch.full((1, 300, 450), 50.0)))
    assert recorder.shown[0].shape == (1, 1, 64, 96)
    model_of(recorder, size=64).colorize(Photo(lightness=torch.full((1, 300, 450), 50.0)), size=32)
    assert recorder.shown[1].shape == (1, 1, 32, 48)


def test_colours_outside_srgb_lose_chroma_not_lightness() -> None:
    lightness = torch.linspace(2, 98, 64).repeat(64, 1)[None]
    rgb = model_of(Recorder(a=-1.0, b=-1.0)).colorize(Photo(lightness=lightness))
    lab = color.rgb_to_lab(rgb)
    assert (lab[0] - lightness[0]).abs().max() < 1.0
    assert lab[1:].norm(dim=0).mean() > 5


def test_padding_is_cropped_again() -> None:
    class Copy(nn.Module):
        multiple = 8

        def forward(self, lightness: Tensor) -> Tensor:
            assert lightness.shape[2] % 8 == lightness.shape[3] % 8 == 0
            return lightness.repeat(1, 2, 1, 1)

    lightness = torch.rand(2, 1, 13, 17)
    assert torch.equal(predict_chroma(Copy(), lightness, torch.float32), lightness.repeat(1, 2, 1, 1))


def test_a_generator_of_the_wrong_shape_is_told() -> None:
    with pytest.raises(ZooError, match=r"returned chroma of shape \(1, 3, 8, 8\), expected \(1, 2, 8, 8\)"):
        predict_chroma(nn.Conv2d(1, 3, 1), torch.zeros(1, 1, 8, 8), torch.float32)
