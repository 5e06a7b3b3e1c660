"""What the critic that a model was trained against makes of its pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny import tiny

from zoo import Recipe, UsageError, registry, train
from zoo.data.picture import LabPicture
from zoo.evaluation import Evaluation, evaluate
from zoo.evaluation.protocol import find_protocol
from zoo.model import copy_model, load_critic, read_about
from zoo.registry.contracts import Picture
from zoo.testing import check_metric, registered
from zoo.testing.subject import pictures

DATA = "scenes:side=48,length=10,val=4"


def judged(critic: str) -> Recipe:
    return tiny(metrics="chroma_error,critic-margin", val_every=8, steps=8, critic=critic, lr_critic=0.03)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps, whose validation measured the same."""
    return train(judged("patch:base=4,layers=1"), runs=tmp_path_factory.mktemp("runs"), name="judged").path


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two critics."""
    recipe = tiny(
        metrics="chroma_error,critic-margin",
        val_every=8,
        steps=8,
        critic="patch:base=4,layers=1+0.5*pixel:base=4",
        lr_critic=0.03,
    )
    return train(recipe, runs=tmp_path_factory.mktemp("runs"), name="of-two").path


def judge(*models: Path, metrics: str = "psnr,critic-margin") -> Evaluation:
    return evaluate(list(models), DATA, protocol=find_protocol(None, metrics), device="cpu")


def margins(found: Evaluation) -> list[float]:
    (number,) = (one for one in found.numbers if one.name == "critic-margin")
    return [estimate.value for estimate in number.estimates.values()]


def validated(run: Path) -> Any:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return next(line["val"] for line in reversed(lines) if "val" in line)


@pytest.mark.parametrize("whose", ["run", "of_two"])
def test_it_is_the_margin_that_validations_tell(whose: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(whose)
    told = validated(run)
    assert told["critic-margin"] == pytest.approx(told["critic.margin"], abs=1e-5)
    assert abs(told["critic-margin"]) > 0.05
    found = judge(run)
    grey, _, own = margins(found)
    # Of eight bits, and of colours that are in sRGB.
    assert own == pytest.approx(told["critic-margin"], rel=0.02)
    assert grey != own
    said = found.to_json()["protocol"]["models"][0]["critic"]
    assert said["file"] == str(run / "critic.safetensors")
    assert not [note for note in found.notes if "critic" in note]


def test_it_is_the_critics_own_logits(run: Path) -> None:
    """Done by hand, without what makes a critic from a file."""
    recipe, weights = load_critic(run / "critic.safetensors")
    critic = registry.get().build("critic", recipe.critic)
    critic.load_state_dict(weights)
    critic.eval()
    photos = registry.get().build("dataset", DATA, split="val")
    logits = {"real": 0.0, "grey": 0.0}
    with torch.inference_mode():
        for index in range(4):
            photo = F.interpolate(photos[index][None], 32, mode="bilinear", antialias=True)
            real = LabPicture.of_photos(photo)
            logits["real"] += critic(real.lightness, real.chroma).mean().item() / 4
            logits["grey"] += critic(real.lightness, 0 * real.chroma).mean().item() / 4
    assert margins(judge(run))[0] == pytest.approx(logits["real"] - logits["grey"], rel=0.02)


def test_a_model_without_a_critic_has_no_number_and_a_reason(run: Path, of_two: Path, tmp_path: Path) -> None:
    alone = run / "model.safetensors"
    found = judge(run, alone)
    grey, sepia, own, none = margins(found)
    assert math.isnan(none)
    assert all(map(math.isfinite, (grey, sepia, own)))
    assert f"critic-margin has no number for {alone}: it brings no critic" in found.notes
    assert f"\ncritic-margin,{alone},,,,,lowest\n" in found.to_csv()
    numbers = found.to_json()["numbers"]["critic-margin"]["methods"]
    assert numbers[str(alone)] == {"value": None, "low": None, "high": None}
    # Of two critics, neither is the one by which grey is judged.
    found = judge(run, of_two)
    assert [math.isnan(margin) for margin in margins(found)] == [True, True, False, False]
    assert (
        "critic-margin has no number for grey and sepia: of several critics, each judges its own model" in found.notes
    )
    # Nobody has one.
    found = judge(alone)
    assert [number.name for number in found.numbers] == ["psnr"]
    assert any("critic-margin is left out: it asks for the critic" in note for note in found.notes)
    with pytest.raises(UsageError, match=r"nothing is left to measure by: critic-margin .* it brings no critic"):
        judge(alone, metrics="critic-margin")


def test_a_critic_that_cannot_be_made_again_is_a_reason(run: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    spoilt.mkdir()
    (spoilt / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    about = read_about(run / "critic.safetensors", "critic")

    def why(**changes: Any) -> str:
        changed = {**about, "recipe": {**about["recipe"], **changes}}
        copy_model(run / "critic.safetensors", spoilt / "critic.safetensors", changed)
        (note,) = (note for note in judge(spoilt).notes if "critic-margin" in note)
        return note

    assert "needs the critic patch of the plugin critics" in why(critic="unheard-of")
    assert "needs the critic patch" in why(critic="none")
    assert "do not fit" in why(critic="patch:base=8,layers=1")
    assert "do not fit" in why(critic="patch:base=512,layers=5")  # and takes no memory for so many numbers


def test_it_does_not_choose_the_best_model() -> None:
    with pytest.raises(UsageError, match=r"critic-margin measures by the critic, .* another metric first"):
        train(tiny(metrics="critic-margin"))


def test_without_a_critic_training_leaves_it_out(tmp_path: Path) -> None:
    recipe = tiny(metrics="chroma_error,critic-margin", critic="none", loss="l1", val_every=4)
    assert "critic-margin" not in validated(train(recipe, runs=tmp_path).path)


class OfASet:
    def __call__(self, fake: Picture, real: Picture, critic: Any) -> float:
        return 0.0

    def features(self, picture: Picture) -> Any:
        raise AssertionError

    compare = features


def of_a_set() -> OfASet:
    """A metric that asks for what it is not given."""
    return OfASet()


def test_it_keeps_the_contract_of_metrics() -> None:
    check_metric("critic-margin")
    with registered() as add:
        add("metric", "of-a-set", of_a_set, summary="Of a set")
        with pytest.raises(Exception, match="a metric of whole sets is given none"):
            registry.get().build("metric", "of-a-set")


def test_a_mean_over_scales() -> None:
    real = pictures(batch=3, size=32)
    metric = registry.get().build("metric", "critic-margin")
    grey = LabPicture(real.lightness, 0 * real.chroma)

    def critic(_: Any, chroma: Any) -> list[Any]:
        return [chroma.abs() + 1, chroma.abs()[..., ::4, ::4] * 3]

    a, b = (scale.mean() for scale in critic(None, real.chroma))
    assert metric(grey, real, critic).item() == pytest.approx(((a - 1 + b) / 2).item(), rel=1e-5)
