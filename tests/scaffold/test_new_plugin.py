"""`zoo plugin new`: what it writes installs, is listed, keeps its contract, passes its tests and trains."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from environment import Environment
from hatchling.build import build_editable
from typer.testing import CliRunner, Result

from zoo.cli.main import app
from zoo.registry import contracts
from zoo.scaffold import TEMPLATES

KINDS = [kind for kind in contracts.KINDS if kind != "model"]


def new(*words: str) -> Result:
    return CliRunner().invoke(app, ["plugin", "new", *words])


def files(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_kind_has_templates() -> None:
    assert {path.name for path in TEMPLATES.iterdir()} == {*KINDS, "common"}


def test_of_every_kind_one_works_at_once(tmp_path: Path) -> None:
    names = [f"my-{kind}" for kind in KINDS]
    for kind, name in zip(KINDS, names, strict=True):
        written = new(name, "--kind", kind)
        assert written.exit_code == 0, written.output
        assert f"zoo check {name}\n" in written.stdout
        # What `pip install -e` does, without three processes for each.
        with contextlib.chdir(name):
            build_editable("..")
    environment = Environment(tmp_path / "env")
    environment.run("pip install *.whl", tmp_path)
    listed = json.loads(environment.run("zoo list my- --json", tmp_path))["components"]
    assert [(c["kind"], c["name"], c["distribution"]) for c in listed] == [
        (kind, name, f"zoo-{name}") for kind, name in zip(KINDS, names, strict=True)
    ]
    said = environment.run_together(
        [
            f"pytest {' '.join(names)}",
            *(f"zoo check {name}" for name in names),
            "zoo run --recipe demo --gen my-generator:width=4 --critic my-critic:width=4 --loss l1+adv+my-loss "
            "--data my-dataset:length=4 --augment crop+my-augmentation --optimizer my-optimizer --size 16 --batch 2 "
            "--steps 2 --device cpu --set workers=0 "
            "--set metrics=my-metric,psnr --track my-tracker --name mine",
        ],
        tmp_path,
    )
    assert f"{2 * len(KINDS)} passed" in said
    assert (tmp_path / "runs" / "mine" / "model.safetensors").is_file()
    assert "my-metric" in (tmp_path / "runs" / "mine" / "diary.txt").read_text()


def test_it_says_what_comes_next() -> None:
    result = new("my-critic", "--kind", "critic", "--out", "some where")
    assert result.exit_code == 0, result.output
    for line in ("pip install -e 'some where/my-critic'", "zoo check my-critic", "pytest 'some where/my-critic'"):
        assert f"  {line}\n" in result.stdout


def test_nothing_is_overwritten() -> None:
    assert new("mine", "--kind", "loss").exit_code == 0
    before = files(Path("mine"))
    Path("empty").mkdir()
    Path("link").symlink_to("nowhere")
    for name in ("mine", "empty", "link"):
        refused = new(name, "--kind", "critic")
        assert refused.exit_code == 2
        assert f"{name} is there already, and stays as it is" in refused.stderr
    assert files(Path("mine")) == before
    assert not list(Path("empty").iterdir())


@pytest.mark.parametrize("name", ["", "3d", "My-Critic", "my_critic", "a b", "-x", "a--b", "a/b", "..", "ü"])
def test_names_that_cannot_be(name: str) -> None:
    refused = new("--kind", "critic", "--", name)
    assert refused.exit_code == 2
    assert f"{name!r} cannot be the name of a component and its package: write small letters" in refused.stderr


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("patch", "critic", "the critic patch of the plugin critics"),
        ("patchgan", "critic", "the critic patch of the plugin critics"),
        ("losses", "critic", "the plugin losses"),
        ("none", "critic", "none stands for no component at all"),
    ],
)
def test_names_that_are_taken(name: str, kind: str, words: str) -> None:
    refused = new(name, "--kind", kind)
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert not Path(name).exists()


def test_a_model_is_not_written() -> None:
    refused = new("mine", "--kind", "model")
    assert refused.exit_code == 2
    assert "a model is trained, not written" in refused.stderr
    assert not Path("mine").exists()


def test_a_class_hides_nothing_that_its_module_imports() -> None:
    assert new("tensor", "--kind", "critic").exit_code == 0
    assert "class TensorCritic(nn.Module):" in Path("tensor/zoo_tensor/critic.py").read_text()


def test_a_failure_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo.scaffold.write_text", full)
    failed = new("mine", "--kind", "critic", "--out", "here")
    assert failed.exit_code == 1
    assert "the disk is full" in failed.stderr
    assert not list(Path("here").iterdir())
