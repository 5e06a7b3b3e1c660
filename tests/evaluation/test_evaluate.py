"""Models, baselines and photographs: what is measured, against what others compute."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import colourful
from evaluation.conftest import save
from PIL import Image
from skimage.color import lab2rgb, rgb2lab
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from zoo import registry
from zoo.errors import UsageError, ZooError
from zoo.evaluation import Evaluation, Protocol, evaluate, find_protocol
from zoo.evaluation.baselines import Sepia, grey
from zoo.evaluation.measure import _hash, spread, without_colours
from zoo.evaluation.photographs import find_photographs
from zoo.model import load_model
from zoo.photo import read_photo, read_rgb
from zoo.photo.scaling import central_crop
from zoo.registry import Part
from zoo.registry.contracts import Picture
from zoo.registry.offers import Component
from zoo.registry.spec import Spec


def judge(*models: Path, data: Path | str, metrics: str = "chroma_error,psnr,colourfulness", **more: Any) -> Evaluation:
    fields = {key: more.pop(key) for key in ("limit", "seed", "size") if key in more}
    return evaluate(list(models), data, protocol=find_protocol(None, metrics, **fields), device="cpu", **more)


def values(evaluation: Evaluation, name: str) -> dict[str, float]:
    (number,) = (number for number in evaluation.numbers if number.name == name)
    return {method: estimate.value for method, estimate in number.estimates.items()}


def lab(path: Path | Tensor) -> Any:
    rgb = np.asarray(Image.open(path).convert("RGB")) if isinstance(path, Path) else path.permute(1, 2, 0).numpy()
    return rgb2lab(rgb)


# ------------------------------------------------------------------------------------------------- what is measured


def test_it_measures_what_colorize_makes(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    for number, size in enumerate([(48, 64), (90, 50)]):
        colourful(*size, seed=number).save(folder / f"{number}.png")
    found = judge(model, data=folder)
    loaded, errors, decibels = load_model(model, "cpu"), [], []
    for path in sorted(folder.iterdir()):
        coloured, original = loaded.colorize(read_photo(path)), np.asarray(Image.open(path))
        errors.append(np.linalg.norm(lab(coloured)[..., 1:] - lab(path)[..., 1:], axis=-1).mean())
        decibels.append(peak_signal_noise_ratio(original, coloured.permute(1, 2, 0).numpy(), data_range=255))
    name = str(model)
    assert found.models == (name,)
    assert values(found, "chroma_error")[name] == pytest.approx(np.mean(errors), rel=1e-4)
    assert values(found, "psnr")[name] == pytest.approx(np.mean(decibels), rel=1e-4)
    assert [row.numbers["psnr"][name] for row in found.rows] == pytest.approx(decibels, rel=1e-4)
    assert [(row.name, row.width, row.height) for row in found.rows] == [("0.png", 64, 48), ("1.png", 50, 90)]


def test_grey_is_the_photographs_own_lightness(photos: Path, model: Path) -> None:
    found = judge(model, data=photos)
    expected = [np.linalg.norm(lab(path)[..., 1:], axis=-1).mean() for path in sorted(photos.iterdir())]
    assert values(found, "chroma_error")["grey"] == pytest.approx(np.mean(expected), rel=2e-3)
    assert values(found, "colourfulness")["grey"] < 0.01
    path = next(photos.iterdir())
    assert np.abs(lab(grey(read_photo(path)))[..., 0] - lab(path)[..., 0]).max() < 0.5


def test_sepia_is_the_median_colour_of_each_lightness() -> None:
    level = torch.linspace(0, 100, 101).repeat(16, 1)
    colours = np.stack([level, torch.full_like(level, 10), level / 4], -1)
    toned = torch.from_numpy((lab2rgb(colours) * 255).round().astype(np.uint8)).permute(2, 0, 1)
    odd = torch.randint(256, (3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sepia = Sepia.learned([toned, toned, toned, odd])
    learned = sepia.ab.T[4:17]
    assert torch.allclose(learned[:, 0], torch.full((13,), 10.0), atol=1.5)
    assert torch.allclose(learned[:, 1], torch.linspace(20, 80, 13) / 4, atol=2)
    coloured = sepia.colorize(without_colours(toned))
    assert (coloured.int() - toned.int()).abs()[:, :, 20:80].float().mean() < 3


def test_sepia_learns_from_the_training_photographs_and_from_nothing_that_it_colours(photos: Path, model: Path) -> None:
    alone = judge(model, data=photos)
    assert alone.protocol["sepia"]["photographs"] == 12
    assert "each half from the other half" in alone.protocol["sepia"]["split"]
    for split in ("train", "val"):
        (photos / split).mkdir()
        for path in photos.glob("*.png"):
            shutil.copy(path, photos / split)
    divided = judge(model, data=photos)
    assert divided.protocol["photographs"]["split"] == "val"
    assert divided.protocol["sepia"] == {"learned from": str(photos / "train"), "split": "train", "photographs": 12}
    # It has seen the very same photographs.
    assert values(divided, "chroma_error")["sepia"] < values(alone, "chroma_error")["sepia"]
    elsewhere = judge(model, data=photos / "val", train=photos / "train")
    assert values(elsewhere, "chroma_error") == values(divided, "chroma_error")


def test_models_are_compared_with_the_baselines_and_each_other(photos: Path, model: Path, another: Path) -> None:
    found = judge(model, another, data=photos)
    one, two = found.models
    assert found.methods == ("grey", "sepia", one, two)
    (number,) = (number for number in found.numbers if number.name == "chroma_error")
    assert set(number.differences) == {
        (two, one), (two, "sepia"), (two, "grey"), (one, "sepia"), (one, "grey"), ("sepia", "grey"),
    }  # fmt: skip
    for (method, other), difference in number.differences.items():
        expected = number.estimates[method].value - number.estimates[other].value
        assert difference.value == pytest.approx(expected)
        assert difference.low is not None
        assert difference.low <= expected
    again = judge(model, another, data=photos)
    assert again.to_csv() == found.to_csv()
    assert judge(model, another, data=photos, seed=1).to_csv() != found.to_csv()


def test_a_model_that_is_called_as_a_baseline_is_is_told_from_it(photos: Path, tmp_path: Path) -> None:
    save(tmp_path / "grey" / "model.safetensors")
    found = evaluate(["grey"], photos, protocol=find_protocol(None, "psnr"), device="cpu")
    assert found.methods == ("grey", "sepia", "model grey")


def test_the_same_model_is_not_judged_twice(photos: Path, model: Path) -> None:
    with pytest.raises(UsageError, match="is given twice"):
        judge(model, model, data=photos)


# ------------------------------------------------------------------------------------------------- metrics


class Several:
    """Two numbers of each picture."""

    def __call__(self, fake: Picture, real: Picture) -> dict[str, float]:
        return {"one": 1.0, "mean": float(fake.rgb.mean())}


class Together:
    smallest = 3

    def __call__(self, fake: Picture, real: Picture) -> float:
        return 1.0


class Needy:
    smallest = 100

    def __call__(self, fake: Picture, real: Picture) -> float:
        raise AssertionError

    def features(self, picture: Picture) -> Tensor:
        return picture.rgb.mean((2, 3))

    def compare(self, fake: Tensor, real: Tensor) -> float:
        raise AssertionError


class Wrong:
    def __call__(self, fake: Picture, real: Picture) -> Any:
        return None


class Greedy:
    def __call__(self, fake: Picture, real: Picture) -> Any:
        raise MemoryError


class Given(Part):
    """A metric that was made already."""

    def make(self, **_: Any) -> Any:
        return next(kind for kind in (Several, Together, Needy, Wrong, Greedy) if kind.__name__.lower() == self.name)()

    @property
    def spec(self) -> Spec:
        return Spec(self.name)


def given(*names: str) -> Protocol:
    parts = [
        Given(Component(name, "of:test", "of a test", "test", "zoo-test", "1", kind="metric"), name, {}, None, {})
        for name in names
    ]
    return Protocol("standard", tuple(parts))


def test_what_a_third_party_measures_is_measured_picture_by_picture(photos: Path, model: Path) -> None:
    found = evaluate([model], photos, protocol=given("several", "together", "needy"), device="cpu")
    assert [number.name for number in found.numbers] == ["several.one", "several.mean"]
    assert values(found, "several.one") == dict.fromkeys(found.methods, 1.0)
    assert set(found.rows[0].numbers) == {"several.one", "several.mean"}
    assert "together is left out: it needs 3 pictures at once, and has no features of each" in found.notes
    assert "needy needs 100 photographs at least, and there are 12" in found.notes


def test_whose_metric_breaks_its_contract_is_said(photos: Path, model: Path) -> None:
    with pytest.raises(ZooError, match=r"metric wrong of the plugin test .* it returns NoneType"):
        evaluate([model], photos, protocol=given("wrong"), device="cpu")
    with pytest.raises(UsageError, match="nothing is left to measure by: together"):
        evaluate([model], photos, protocol=given("together"), device="cpu")


def test_what_needs_too_much_memory_is_named(photos: Path, model: Path) -> None:
    with pytest.raises(ZooError, match=r"^not enough memory to measure greedy of \d+×\d+ pixels: leave it out of --m"):
        evaluate([model], photos, protocol=given("greedy"), device="cpu")


def test_numbers_of_whole_sets_have_intervals_too(photos: Path, model: Path) -> None:
    found = judge(model, data=photos, metrics="colourfulness,bins")
    assert [number.name for number in found.numbers] == ["colourfulness", "bins.effective", "bins.covered"]
    for number in found.numbers:
        assert not number.is_mean
        if number.name != "bins.covered":  # of a few tiny photographs, draws have fewer colours
            estimate = number.estimates[str(model)]
            assert estimate.low is not None
            assert estimate.low <= estimate.value
    assert values(found, "bins.effective")["grey"] == pytest.approx(1, abs=0.01)
    assert all(not row.numbers for row in found.rows)


def test_a_metric_with_other_options_has_a_name_of_its_own(photos: Path, model: Path) -> None:
    with pytest.raises(UsageError, match="psnr is given twice"):
        judge(model, data=photos, metrics="psnr,psnr")
    found = judge(model, data=photos, metrics="fd:net=resnet10t,weights=random,fd:net=resnet14t,weights=random")
    assert len({number.name for number in found.numbers}) == len(found.numbers) == 4


# ------------------------------------------------------------------------------------------------- photographs


def test_what_cannot_be_measured_is_listed_and_stops_nothing(photos: Path, model: Path) -> None:
    before = judge(model, data=photos)
    (photos / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    Image.new("RGB", (40, 40), (90, 90, 90)).save(photos / "grey.png")
    colourful(9, 40).save(photos / "tiny.png")
    ramp = np.linspace(20, 230, 64 * 64).reshape(64, 64)
    Image.fromarray(np.stack([ramp, ramp * 0.8, ramp * 0.6], -1).astype(np.uint8)).save(photos / "toned.png")
    found = judge(model, data=photos)
    reasons = {item.path: item.reason for item in found.left_out}
    assert set(reasons) == {"bad.png", "grey.png", "tiny.png", "toned.png"}
    assert "damaged" in reasons["bad.png"]
    assert reasons["grey.png"] == "already grey"
    assert reasons["toned.png"] == "toned in a single colour"
    assert values(found, "chroma_error") == pytest.approx(values(before, "chroma_error"), rel=0.02)
    assert found.protocol["photographs"]["measured"] == 12


def test_where_nothing_can_be_measured_that_is_said(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "greys"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (40, 40), (number, number, number)).save(folder / f"{number}.png")
    with pytest.raises(ZooError, match=r"no photograph of .*greys can be measured.*2\.png: already grey"):
        judge(model, data=folder)


def test_a_folder_is_taken_whole_unless_a_model_learned_from_it(photos: Path, tmp_path: Path, model: Path) -> None:
    assert len(judge(model, data=photos).rows) == 12
    pupil = save(tmp_path / "pupil.safetensors", data=f"folder:path={photos},val=0.3")
    found = judge(model, pupil, data=photos)
    kept = find_photographs(f"folder:path={photos},val=0.3", "val").photographs.names
    assert [row.name for row in found.rows] == list(kept)
    assert len(kept) < 12
    assert any("learned from" in note and "kept for validation" in note for note in found.notes)
    assert any("learned from these photographs" in note for note in judge(pupil, data=photos, split="train").notes)
    assert found.protocol["sepia"]["split"] == "train"


def test_a_data_set_is_taken_as_a_run_takes_it(model: Path) -> None:
    found = judge(model, data="scenes:side=48,length=10,val=4")
    assert [row.name for row in found.rows] == [f"photograph {index}" for index in range(4)]
    assert found.protocol["photographs"]["split"] == "val"
    assert found.protocol["sepia"]["split"] == "train"


def test_a_preset_crops_and_takes_the_first(photos: Path, tmp_path: Path, model: Path) -> None:
    (tmp_path / "registry.toml").write_text(
        '[presets.small]\nmetrics = "psnr"\nfirst = 5\ncrop = 32\ngreys = true\n', encoding="utf-8"
    )
    registry.get.cache_clear()
    Image.new("L", (80, 60), 99).save(photos / "01.png")
    nested = photos / "a"
    nested.mkdir()
    (photos / "03.png").rename(nested / "03.png")
    found = evaluate([model], photos, protocol=find_protocol("small"), device="cpu")
    assert [row.name for row in found.rows] == ["00.png", "01.png", "02.png", "a/03.png", "04.png"]
    assert {(row.width, row.height) for row in found.rows} == {(32, 32)}
    assert found.protocol["first"] == 5
    middle = central_crop(read_rgb(photos / "00.png"), 32)
    assert found.rows[0].pixels == _hash(middle)
    with pytest.raises(UsageError, match="there is no preset 'smal': did you mean 'small'"):
        find_protocol("smal")


def test_the_literatures_preset_ships() -> None:
    protocol = find_protocol("val5k")
    assert (protocol.first, protocol.crop, protocol.greys) == (5000, 256, True)


def test_a_large_photograph_is_scaled_down_and_that_is_said(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    colourful(600, 700).save(folder / "a.png")
    found = judge(model, data=folder)
    assert (found.rows[0].width, found.rows[0].height) == (597, 512)
    assert found.protocol["photographs"]["largest"] == 512
    assert found.numbers[0].estimates["grey"].low is None  # of a single one


def test_a_limit_is_spread_over_all() -> None:
    assert spread(10, None) == list(range(10))
    assert spread(10, 20) == list(range(10))
    assert spread(10, 3) == [0, 3, 6]


def test_the_protocol_says_what_it_takes_to_do_it_again(photos: Path, model: Path) -> None:
    import hashlib

    said = judge(model, data=photos, limit=5, seed=7).to_json()
    protocol = said["protocol"]
    assert protocol["models"][0]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (protocol["seed"], protocol["limit"], protocol["models"][0]["size"]) == (7, 5, 32)
    assert {"gan-zoo", "torch", "numpy", "python"} <= protocol["versions"].keys()
    assert len(said["photographs"]) == protocol["photographs"]["measured"] == 5
    before = protocol["photographs"]["fingerprint"]
    picture = Image.open(photos / said["photographs"][0]["name"])
    picture.putpixel((3, 3), (1, 2, 3))
    picture.save(photos / said["photographs"][0]["name"])
    after = judge(model, data=photos, limit=5, seed=7)
    assert after.protocol["photographs"]["fingerprint"] != before
