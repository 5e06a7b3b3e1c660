"""zoo export: models as ONNX files."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import colourful
from PIL import Image
from torch import nn
from typer.testing import CliRunner, Result
from zoo_export import exporting

import zoo
from zoo import find_recipe, load_model, registry
from zoo.cli.main import app
from zoo.model import save_model
from zoo.photo import read_photo
from zoo.photo.color import rgb_to_lab
from zoo.registry import resolve
from zoo.testing.temporary import registered

onnx, _, onnxruntime = (
    pytest.importorskip(name, reason="the extra `export` is not installed")
    for name in ("onnx", "onnxscript", "onnxruntime")
)

PAGE = Path(zoo.__file__).parents[1] / "docs" / "commands" / "export.md"


def save(path: Path, generator: str) -> Path:
    """Save a model whose colours are arbitrary, and strong enough to be compared."""
    torch.manual_seed(0)
    plan = resolve(find_recipe("demo", generator=generator, size=32, device="cpu"))
    network = plan.generator.make(size=32)
    *_, last = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d))
    with torch.no_grad():
        side = max(64, network.multiple)
        chroma = network.eval()(torch.linspace(-1, 1, side**2).view(1, 1, side, side))
        last.weight.mul_(0.15 / chroma.std())  # some 17 units: most of these colours are in sRGB
        if last.bias is not None:
            last.bias.zero_()
    save_model(path, network.state_dict(), plan, {"images": 7})
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("export") / "model.safetensors", "unet-shallow:base=4")


@pytest.fixture(scope="module")
def graph(model: Path) -> Any:
    """Its generator's graph, exported once: that takes some seconds."""
    loaded = load_model(model, "cpu")
    loaded.generator.to(memory_format=torch.contiguous_format)
    return exporting._generator_graph(loaded, 16)


@pytest.fixture
def fast(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_generator_graph", lambda *_: onnx.ModelProto.FromString(graph.SerializeToString()))


def export(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, words)])


@pytest.fixture
def exported(fast: None, model: Path, tmp_path: Path) -> Path:
    result = export(model, tmp_path / "portraits.onnx")
    assert result.exit_code == 0, result.output
    return tmp_path / "portraits.onnx"


def same_colours(model: Path, file: Path, height: int, width: int, number: int = 1) -> bool:
    """Whether a file gives photographs the colours that the model gives them, and both are some."""
    loaded = load_model(model, "cpu")
    photos = torch.stack([exporting._sample(height, width + i)[:, :, :width] for i in range(number)])
    (ab,) = onnxruntime.InferenceSession(file).run(None, {"lightness": photos.numpy()})
    wanted = torch.stack([exporting.predict(loaded, photo) for photo in photos])
    assert wanted.std() > 1
    return ab.shape == (number, 2, height, width) and float((torch.from_numpy(ab) - wanted).abs().max()) < 1e-3


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 240), (33, 31), (128, 128), (509, 341)])
def test_photographs_of_any_size_get_the_colours_of_the_model(
    model: Path, exported: Path, height: int, width: int
) -> None:
    assert same_colours(model, exported, height, width)


def test_several_at_once(model: Path, exported: Path) -> None:
    assert same_colours(model, exported, 40, 60, number=3)


def test_the_comparison_is_made_with_what_zoo_colorize_does(model: Path) -> None:
    loaded = load_model(model, "cpu")
    colourful(90, 70).save("photo.png")
    photo = read_photo("photo.png")
    ab = exporting.predict(loaded, photo.lightness)
    coloured = rgb_to_lab(loaded.colorize(photo))[1:]
    # Rounded to 8 bits, and some colours brought into sRGB.
    assert (ab - coloured).abs().median() < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("generator", "multiple"),
    [("smp-unet:encoder=tu-test_resnet,weights=none", 32), ("unet-deep:base=2,depth=8", 256)],
)
def test_generators_of_other_multiples(tmp_path: Path, generator: str, multiple: int) -> None:
    model = save(tmp_path / "model.safetensors", generator)
    assert load_model(model, "cpu").generator.multiple == multiple
    result = export(model, "a.onnx")
    assert result.exit_code == 0, result.output
    for height, width in ((61, 100), (32, 300)):
        assert same_colours(model, tmp_path / "a.onnx", height, width)


def test_the_file_says_what_it_is(model: Path, exported: Path) -> None:
    file = onnx.load(exported)
    onnx.checker.check_model(file, full_check=True)
    about = {entry.key: entry.value for entry in file.metadata_props}
    assert about["zoo"] == file.producer_version
    assert (about["size"], about["multiple"]) == ("32", "16")
    assert "L*" in about["lightness"]
    assert "D65" in about["white_point"]
    assert json.loads(about["recipe"])["generator"] == load_model(model, "cpu").recipe.generator
    assert json.loads(about["provenance"]) == {"images": 7}


def test_it_says_nothing_of_this_computer(exported: Path) -> None:
    assert str(PAGE.parents[2]).encode() not in exported.read_bytes()


def test_the_example_on_its_page(model: Path, exported: Path, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code.count("\n") <= 12
    (tmp_path / "example.py").write_text(code)
    colourful(90, 70).save("grandmother.jpg")
    runpy.run_path("example.py")
    with Image.open("coloured.png") as image:
        ours = torch.from_numpy(np.array(image)).movedim(2, 0).int()
    theirs = load_model(model, "cpu").colorize(read_photo("grandmother.jpg")).int()
    assert ours.shape == (3, 90, 70)
    # What is not in sRGB is clipped by one, and loses saturation in the other.
    assert (ours - theirs).abs().float().quantile(0.9) <= 2


# ------------------------------------------------------------------------------------------------- when it fails


def test_a_run_stands_for_its_model(fast: None, model: Path, tmp_path: Path) -> None:
    shutil.copy(model, tmp_path)
    assert export(tmp_path, "run.onnx").exit_code == 0
    assert Path("run.onnx").is_file()


@pytest.mark.parametrize(
    ("prepare", "words", "code", "message"),
    [
        (lambda: None, ("nope", "a.onnx"), 2, "there is no model nope"),
        (lambda: Path("m").write_text("?"), ("m", "a.onnx"), 2, "not a safetensors file"),
        (lambda: Path("m").mkdir(), ("m", "a.onnx"), 2, "the folder m holds no model.safetensors"),
        (lambda: Path("a").mkdir(), ("MODEL", "a"), 2, "a is a folder: give the name of a file in it"),
        (lambda: None, ("MODEL", "a.safetensors"), 2, "must end in .onnx"),
        (lambda: Path("a.onnx").touch(), ("MODEL", "a.onnx"), 2, "a.onnx is there already"),
        (lambda: None, ("MODEL", "nowhere/a.onnx"), 1, "cannot write nowhere/a.onnx: there is no such file or folder"),
        (lambda: Path("b").touch(), ("MODEL", "b/a.onnx"), 1, "a part of that path is a file"),
    ],
)
def test_mistakes_get_one_sentence(
    model: Path, prepare: Callable[[], object], words: tuple[str, str], code: int, message: str
) -> None:
    prepare()
    result = export(*(str(model) if word == "MODEL" else word for word in words))
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert not [path for path in Path().rglob("*.onnx") if path.stat().st_size]


def test_missing_packages_are_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None if name.startswith("onnxr") else name)
    result = export(model, "a.onnx")
    assert result.exit_code == 2
    assert result.stderr == "error: onnxruntime is not installed: pip install onnxruntime\n"
    monkeypatch.setattr(exporting, "find_spec", lambda _: None)
    assert "pip install onnx onnxscript onnxruntime\n" in export(model, "a.onnx").stderr


def test_a_file_that_gives_other_colours_is_not_kept(
    fast: None, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo_export.graph.AB_SCALE", 111.0)
    Path("a.onnx").write_text("older")
    result = export(model, "a.onnx", "--overwrite")
    assert result.exit_code == 1
    assert "the exported model gives other colours: at " in result.stderr
    assert Path("a.onnx").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir() if path.name != ".xdg"] == ["a.onnx"]


def test_overwriting(fast: None, model: Path) -> None:
    Path("a.onnx").write_text("older")
    assert export(model, "a.onnx", "--overwrite").exit_code == 0
    assert onnx.load("a.onnx").producer_name == "zoo"


def test_a_generator_that_cannot_be_exported(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        print("class GraphModule(torch.nn.Module): …")
        raise RuntimeError("no decomposition\nfor frog") from ValueError("frogs are data-dependent")

    monkeypatch.setattr(torch.onnx, "export", fail)
    result = export(model, "a.onnx")
    assert result.exit_code == 1
    assert "cannot be exported to ONNX by torch" in result.stderr
    assert "ValueError: frogs are data-dependent" in result.stderr
    assert "GraphModule" not in result.output
    assert not list(tmp_path.glob("*.onnx"))


def test_one_that_is_too_large(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "LARGEST", 1000)
    result = export(model, "a.onnx")
    assert result.exit_code == 1
    assert "too large for one ONNX file" in result.stderr


def test_the_command_is_a_plugins() -> None:
    command = registry.get().commands["export"]
    assert (command.plugin, command.distribution) == ("export", "gan-zoo")


def test_a_generator_that_takes_more_than_lightness_is_refused() -> None:
    class Dice(nn.Conv2d):
        def __init__(self) -> None:
            super().__init__(2, 2, 1)

        def forward(self, lightness: Any, noise: Any) -> Any:
            return super().forward(torch.cat([lightness, noise(1, *lightness.shape[2:])], 1))

    with registered() as add:
        add("generator", "dice", Dice)
        save_model(Path("dice.safetensors"), Dice().state_dict(), resolve(find_recipe("demo", generator="dice")), {})
        result = export("dice.safetensors", "dice.onnx")
    assert result.exit_code == 2
    assert "dice takes noise beside lightness, and an exported model has lightness alone" in " ".join(
        result.stderr.split()
    )
    assert not Path("dice.onnx").exists()
