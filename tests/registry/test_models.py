"""Models by name, by path and from the hub; where they come from, and what a run takes from them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sites
import torch
from forking import Forking
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from sites import zoo_each
from tiny import tiny, weights
from typer.testing import CliRunner
from zoo_models import plugin as shipped

from zoo import ZooError, hub, load_model, registry, train
from zoo.cli.main import app
from zoo.errors import UsageError
from zoo.model import load_critic
from zoo.registry import Registry, resolve
from zoo.registry.catalogue import load_catalogue
from zoo.registry.models import find_model
from zoo.registry.plugins import load_plugins
from zoo.run import Run
from zoo.tensors import save_tensors
from zoo.testing import check_model
from zoo.training.fine_tuning import fine_tuning

PACKAGES = Path(__file__).parents[1] / "packages"
WORDS = ["--size", "32", "--batch", "2", "--device", "cpu", "--set", "workers=0", "--set", "precision=float32"]

PLUGIN = """
from zoo import hookimpl

@hookimpl
def zoo_components(register):
    register.model("calm", "zoo_calm_files:calm.safetensors", summary="Calm", critic={critic!r})
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a few steps."""
    return train(tiny(), runs=tmp_path_factory.mktemp("trained"), name="first")


@pytest.fixture
def calm(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return what installs a plugin that ships a model, and perhaps its critic."""

    def install(*, critic: bool = True) -> Path:
        site = tmp_path / "site"
        sites.install(site, "calm", PLUGIN.format(critic="zoo_calm_files:calm-critic.safetensors" if critic else ""))
        folder = site / "zoo_calm_files"
        folder.mkdir()
        (folder / "__init__.py").touch()
        shutil.copy(trained.model, folder / "calm.safetensors")
        shutil.copy(trained.path / "critic.safetensors", folder / "calm-critic.safetensors")
        monkeypatch.syspath_prepend(str(site))
        for module in ("zoo_calm", "zoo_calm_files"):
            sys.modules.pop(module, None)
        registry.get.cache_clear()
        return folder

    return install


# ------------------------------------------------------------------------------------------------- finding


def test_a_name_is_found_before_a_folder_of_that_name(calm: Callable[..., Path], trained: Run) -> None:
    folder = calm()
    shutil.copytree(trained.path, "calm")
    for name in ("calm", "calm/calm"):
        source = find_model(name)
        assert source.file == folder / "calm.safetensors"
        assert str(source) == f"{name} of zoo-calm 1.0"
    assert find_model(Path("calm")).file == Path("calm/model.safetensors")
    assert find_model("./calm").folder == Path("calm")
    assert find_model("calm/last.safetensors").file == Path("calm/last.safetensors")
    assert find_model("calm", last=True).file == Path("calm/last.safetensors")
    assert find_model(find_model("calm")) == find_model("calm")
    assert load_model("calm", "cpu").recipe == load_model(trained.path, "cpu").recipe


def test_of_a_run_the_best_model_colours_and_with_last_the_newest(trained: Run, photos: Path) -> None:
    shutil.copytree(trained.path, "mine")
    newest, photo = Path("mine/last.safetensors"), photos / "00.png"
    with safe_open(newest, "pt") as file:
        told = file.metadata()
    save_tensors(newest, {name: 2 * tensor for name, tensor in load_file(newest).items()}, told)
    pictures = []
    for words, file in (([], "model.safetensors"), (["--last"], "last.safetensors")):
        out = f"{file}.png"
        done = CliRunner().invoke(
            app, ["colorize", str(photo), "-o", out, "--model", "mine", "--device", "cpu", *words]
        )
        assert done.exit_code == 0, done.stderr
        wanted = load_model(Path("mine", file), "cpu").colorize(photo)
        assert Image.open(out).tobytes() == wanted.tobytes()
        pictures.append(wanted.tobytes())
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("clam", r"^there is no model 'clam': did you mean 'calm'\?"),
        ("./clam", "^there is no model clam$"),
        ("x/clam", "^there is no model x/clam$"),
        ("clam.safetensors", r"^there is no model clam\.safetensors$"),
        (".", r"^the folder \. holds no model\.safetensors"),
        ("hf://someone", "write hf://owner/repository"),
        ("hf://someone/net/../../x", "write hf://owner/repository"),
    ],
)
def test_what_is_no_model_is_explained(asked: str, message: str, calm: Callable[..., Path]) -> None:
    calm()
    with pytest.raises(UsageError, match=message):
        find_model(asked)


def test_a_package_without_its_file_is_said(calm: Callable[..., Path]) -> None:
    (calm() / "calm.safetensors").unlink()
    with pytest.raises(ZooError, match=r"^model calm of .*zoo-calm 1\.0\) lacks its file calm\.safetensors: install"):
        find_model("calm")


def test_a_target_that_leaves_the_package_is_refused() -> None:
    from zoo.registry.registering import Registration

    offered = Registration("calm", "zoo-calm", "1.0")
    for target in ("package:../x.safetensors", "package:/x.safetensors", "package:x.pth", "x.safetensors"):
        with pytest.raises(ValueError, match="not of the form package:file"):
            offered.model("calm", target, summary="")
        with pytest.raises(ValueError, match=r"its critic .* is not of the form"):
            offered.model("calm", "package:x.safetensors", summary="", critic=target)


# ------------------------------------------------------------------------------------------------- the default


def test_the_default_is_taken_and_named(calm: Callable[..., Path], photos: Path) -> None:
    calm()
    Path("registry.toml").write_text('model = "calm"\n')
    registry.get.cache_clear()
    done = CliRunner().invoke(app, ["colorize", str(photos), "-o", "out", "--device", "cpu"])
    assert done.exit_code == 0, done.stderr
    assert done.stderr == "model: calm of zoo-calm 1.0\n"
    assert len(list(Path("out").glob("*.png"))) == 12
    assert "Calm (the default)" in CliRunner().invoke(app, ["list", "--kind", "model"]).stdout
    assert 'model = "calm"' in CliRunner().invoke(app, ["registry"]).stdout


@pytest.mark.parametrize("said", ['model = "calm"\n', 'model = "runs/calm"\n'])
def test_a_default_that_is_not_there_says_what_to_do(said: str, photos: Path) -> None:
    Path("registry.toml").write_text(said)
    done = CliRunner().invoke(app, ["colorize", str(photos), "-o", "out"])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: there is no model ")
    assert "registry.toml, line 1, names it where no --model is given: train one with `zoo run`" in done.stderr
    last = CliRunner().invoke(app, ["colorize", str(photos), "-o", "out", "--last"])
    assert last.stderr == "error: --last is of a run: give its folder with --model\n"


def test_without_a_default_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    known = registry.get()
    monkeypatch.setattr(known.catalogue, "model", "")
    with pytest.raises(UsageError, match=r"^no --model is given, and no registry\.toml names one"):
        find_model()


# ------------------------------------------------------------------------------------------------- the hub


@pytest.fixture
def on_hub(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of the hub's that was fetched before; the hub is away now."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "reachable", lambda: False)
    repository = tmp_path / "cache" / "models--someone--calm"
    snapshot = repository / "snapshots" / ("0" * 40)
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(snapshot.name)
    (repository / "refs" / "v1").write_text(snapshot.name)
    (snapshot / "large").mkdir(parents=True)
    for folder in (snapshot, snapshot / "large"):
        shutil.copy(trained.model, folder)
    shutil.copy(trained.path / "critic.safetensors", snapshot / "large")
    return snapshot


def test_what_was_fetched_before_is_found_without_the_hub(on_hub: Path) -> None:
    for text in ("hf://someone/calm", "hf://someone/calm@v1", f"hf://someone/calm@{'0' * 40}"):
        source = find_model(text)
        assert source.file == on_hub / "model.safetensors"
        assert source.critic() is None
        assert source.provenance == {"model": text}
    source = find_model("hf://someone/calm@v1/large/model.safetensors")
    assert source.file == on_hub / "large" / "model.safetensors"
    assert source.critic() == on_hub / "large" / "critic.safetensors"
    assert load_model("hf://someone/calm", "cpu").generator


def test_what_was_not_fetched_is_one_clear_sentence(on_hub: Path) -> None:
    for text in ("hf://someone/else", "hf://someone/calm@v2", "hf://someone/calm/other.safetensors"):
        with pytest.raises(ZooError, match=r"^Could not fetch the weights of hf://someone/.* a model's file or the"):
            find_model(text)


def test_what_only_a_registry_toml_names_is_not_downloaded(on_hub: Path, photos: Path) -> None:
    Path("registry.toml").write_text('model = "hf://someone/else"\n')
    done = CliRunner().invoke(app, ["colorize", str(photos), "-o", "out"])
    assert done.exit_code == 2
    assert "the weights of hf://someone/else would be downloaded." in done.stderr
    assert "line 1, asks for that, and the command line does not: write --model hf://someone/else" in done.stderr
    Path("registry.toml").write_text('model = "hf://someone/calm"\n')
    registry.get.cache_clear()
    assert find_model().file == on_hub / "model.safetensors"


# ------------------------------------------------------------------------------------------------- fine-tuning


@pytest.mark.parametrize("critic", [True, False])
def test_a_run_begins_with_a_named_model_and_its_critic(critic: bool, calm: Callable[..., Path], trained: Run) -> None:
    calm(critic=critic)
    run = train(tiny(steps=1, lr=1e-9, ema_decay=0, seed=5), name="second", init="calm")
    found = weights(run)
    assert all(torch.allclose(value, found[name], atol=1e-6) for name, value in weights(trained).items())
    ours, theirs = (load_critic(one.path / "critic.safetensors")[1] for one in (run, trained))
    alike = all(torch.allclose(value, theirs[name], atol=1e-6) for name, value in ours.items())
    assert alike == critic
    whose = {"model": "calm", "plugin": "calm", "distribution": "zoo-calm", "version": "1.0"}
    assert load_model(run.path).provenance["init"] == run.info["init"] == whose


def test_what_became_of_the_critic_is_said_in_one_line(calm: Callable[..., Path], trained: Run) -> None:
    calm()
    common = ["run", "--gen", trained.recipe.generator, "--data", "scenes:length=4,side=40", *WORDS, "--dry-run"]
    base = ["--critic", "patch:base=4,layers=1,norm=none"]
    for words, note in [
        ([*base, "--init", "calm"], "calm of zoo-calm 1.0; its critic comes along"),
        ([*base, "--init", str(trained.path)], "; its critic comes along"),
        ([*base, "--init", str(trained.model)], "; the critic begins anew, for the model brings none"),
        (["--critic", "pixel", "--init", "calm"], "anew, for the model was trained with another patch"),
        (["--critic", "none", "--loss", "l1", "--init", "calm"], "begins with  calm of zoo-calm 1.0\n"),
    ]:
        done = CliRunner().invoke(app, [*common, *words], env={"COLUMNS": "400"})
        assert done.exit_code == 0, done.stderr
        assert note in "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"
    missing = CliRunner().invoke(app, [*common, *base, "--init", "clam"])
    assert missing.exit_code == 2
    assert "there is no model 'clam': did you mean 'calm'?" in missing.stderr


def test_without_a_recipe_it_is_the_models_own(calm: Callable[..., Path], trained: Run) -> None:
    calm()
    words = ["--init", "calm", "--data", "scenes:length=4,side=40", "--steps", "1", "--set", "workers=0"]
    done = CliRunner().invoke(app, ["run", *words, "--device", "cpu", "--name", "tuned"])
    assert done.exit_code == 0, done.stderr
    tuned = Run(Path("runs/tuned")).recipe
    old = trained.recipe
    assert (tuned.generator, tuned.critic, tuned.loss) == (old.generator, old.critic, old.loss)
    assert (tuned.size, tuned.batch, tuned.steps) == (old.size, old.batch, 1)
    assert tuned.lr == pytest.approx(0.1 * old.lr)
    done = CliRunner().invoke(app, ["run", *words, "--lr", "3e-4", "--name", "faster"])
    assert done.exit_code == 0, done.stderr
    assert Run(Path("runs/faster")).recipe.lr == 3e-4


def test_how_often_to_validate_is_not_the_models_to_say() -> None:
    """It learned from 65,000 photographs: of 200, its interval would be 130 rounds."""
    tuned = fine_tuning(find_model("natural"))
    assert tuned.val_every is None
    assert tuned.val_images == type(tuned).model_fields["val_images"].default


def test_what_only_a_models_recipe_asks_for_is_not_downloaded(calm: Callable[..., Path], trained: Run) -> None:
    calm()
    plan = resolve(fine_tuning(find_model("calm")).changed(loss="l1+vgg:net=vgg16", critic="none"))
    asked = plan.asked_for(None, {"loss": "l1+vgg:net=vgg16", "critic": "none"}, "the recipe of calm")
    assert {part.unasked for part in asked.losses} == {""}
    assert asked.generator.unasked == "the recipe of calm"


def test_a_critic_is_no_model(trained: Run) -> None:
    with pytest.raises(UsageError, match=r"critic\.safetensors holds a critic, not a generator"):
        load_model(trained.path / "critic.safetensors")
    with pytest.raises(UsageError, match=r"model\.safetensors holds a generator, not a critic"):
        load_critic(trained.model)


# ------------------------------------------------------------------------------------------------- cards and checks


def test_a_card_shows_what_the_file_and_its_author_say(calm: Callable[..., Path]) -> None:
    folder = calm()
    (folder / "calm.md").write_text("# Calm\n\nLicence: CC0 [of all]\n")
    done = CliRunner().invoke(app, ["show", "calm"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.stderr
    words = " ".join(done.stdout.split())
    for text in (
        "model calm: Calm",
        "of zoo-calm 1.0",
        "generator unet-shallow",
        "loss 100*l1+1*adv",
        "data scenes, 10 photographs",
        "4 steps, 16 crops of 32 pixels",
        "chroma_error",
        "Licence: CC0 [of all]",
    ):
        assert text in words
    refused = CliRunner().invoke(app, ["show", "calm:base=3"])
    assert refused.exit_code == 2
    assert "model calm is made already: it has no options" in refused.stderr


def test_a_model_can_be_checked(calm: Callable[..., Path], trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = calm()
    monkeypatch.setattr("zoo.testing.apart.multiprocessing", Forking())
    done = CliRunner().invoke(app, ["check", "calm", "--json"])
    verdicts = {row["check"]: row["verdict"] for report in json.loads(done.stdout) for row in report["results"]}
    assert done.exit_code == 0
    assert verdicts["model loads"] == verdicts["critic"] == "passed"
    assert verdicts["card"] == "noted"
    check_model("calm")
    check_model(str(trained.path))
    (folder / "calm.safetensors").write_bytes(b"none")
    with pytest.raises(AssertionError, match=r"model loads: .*is not a safetensors file"):
        check_model("calm")


# ------------------------------------------------------------------------------------------------- packages


def test_zoos_own_plugin_offers_what_is_in_its_folder(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    (own,) = (plugin for plugin in load_plugins() if plugin.name == "models")
    assert (own.state, own.components) == ("loaded", [])
    for name in ("sea.safetensors", "sea-critic.safetensors", "sky.safetensors"):
        shutil.copy(trained.model, tmp_path / name)
    (tmp_path / "sea.md").write_text("# The sea\n\nLicence: CC0\n")
    known = Registry(tuple(load_plugins()), load_catalogue())
    assert [(c.name, c.target, c.summary, c.critic) for c in known.select(kind="model")] == [
        ("sea", "zoo_models:sea.safetensors", "The sea", "zoo_models:sea-critic.safetensors"),
        ("sky", "zoo_models:sky.safetensors", "A trained model", ""),
    ]


@pytest.mark.slow
def test_somebody_elses_package_ships_a_model(tmp_path: Path, photos: Path) -> None:
    def install(name: str) -> None:
        # A build leaves things behind in its source.
        options = ["--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "--disable-pip-version-check"]
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", *options, "--target", site, tmp_path / "source" / name],
            check=True,
            capture_output=True,
        )

    site = tmp_path / "site"
    for name in ("zoo-tiny", "zoo-tiny-model"):
        shutil.copytree(PACKAGES / name, tmp_path / "source" / name)
    install("zoo-tiny")
    parts = "--gen tiny-gen:width=4 --critic tiny-critic --loss tiny-mean+tiny-wgan --data tiny-stripes:length=6"
    small = [*parts.split(), *WORDS[2:], "--size", "16", "--steps", "2"]
    (made,) = zoo_each(["run", *small, "--name", "theirs"], site=site)
    assert made.returncode == 0, made.stderr
    weights = tmp_path / "source" / "zoo-tiny-model" / "zoo_tiny_model" / "weights"
    for name in ("model.safetensors", "critic.safetensors"):
        shutil.copy(Path("runs/theirs", name), weights)
    install("zoo-tiny-model")

    listed, shown, coloured, tuned = zoo_each(
        ["list", "--kind", "model", "--json"],
        ["show", "tiny-stripes-model"],
        ["colorize", photos, "-m", "tiny-stripes-model", "-o", "out"],
        ["run", *small, "--init", "tiny-stripes-model", "--name", "tuned"],
        site=site,
    )
    components = json.loads(listed.stdout)["components"]
    assert [(c["name"], c["distribution"], c["version"]) for c in components if c["plugin"] == "tiny-model"] == [
        ("tiny-stripes-model", "zoo-tiny-model", "0.2.0")
    ]
    assert "Licence: MIT." in shown.stdout
    assert coloured.returncode == 0, coloured.stderr
    assert len(list(Path("out").glob("*.png"))) == 12
    assert tuned.returncode == 0, tuned.stderr
    assert "tiny-stripes-model of zoo-tiny-model 0.2.0; its critic comes along" in tuned.stdout
    assert Run.open("runs/tuned").info["init"]["distribution"] == "zoo-tiny-model"

    # Where neither is installed, as here.
    refused = CliRunner().invoke(app, ["colorize", str(photos), "-m", "runs/tuned", "-o", "elsewhere"])
    assert refused.exit_code == 1
    assert "needs the generator tiny-gen of the plugin tiny: pip install 'zoo-tiny==0.3.0'" in refused.stderr
    refused = CliRunner().invoke(app, ["colorize", str(photos), "-m", "tiny-stripes-model", "-o", "elsewhere"])
    assert refused.exit_code == 2
    assert "there is no model 'tiny-stripes-model'" in refused.stderr
