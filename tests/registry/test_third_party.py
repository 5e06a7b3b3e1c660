"""A plugin of somebody else's, really installed: a package of its own, which zoo learns of by its entry point."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from sites import python, zoo_, zoo_each
from typer.testing import CliRunner

from zoo.cli.main import app
from zoo.errors import INTERRUPTED
from zoo.model import read_about
from zoo.photo import read_rgb

PACKAGES = Path(__file__).parents[1] / "packages"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that zoo-tiny is installed in."""
    return installed("zoo-tiny", tmp_path_factory)


@pytest.fixture(scope="module")
def odd_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that zoo-odd is installed in."""
    return installed("zoo-odd", tmp_path_factory)


def installed(package: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a package; return the folder that it is in."""
    # A build leaves things behind in its source.
    source = shutil.copytree(PACKAGES / package, tmp_path_factory.mktemp("source") / package)
    target = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *options, "--target", target, source],
        check=True,
        capture_output=True,
    )
    return target


def names(answer: subprocess.CompletedProcess[str]) -> set[str]:
    return {component["name"] for component in json.loads(answer.stdout)["components"]}


TINY = {"tiny-gen", "tiny-critic", "tiny-mean", "tiny-wgan", "tiny-stripes"}


def test_list_shows_whose_it_is(site: Path) -> None:
    answer = zoo_("list", "tiny", "--json", site=site)
    components = json.loads(answer.stdout)["components"]
    assert {c["name"] for c in components} == TINY
    assert {(c["plugin"], c["distribution"], c["version"]) for c in components} == {("tiny", "zoo-tiny", "0.3.0")}
    assert not TINY & names(zoo_("list", "--json"))


def test_the_environment_and_the_catalogue_can_leave_it_out(site: Path) -> None:
    assert not TINY & names(zoo_("list", "--json", site=site, ZOO_PLUGINS="none"))
    assert names(zoo_("list", "--json", site=site, ZOO_PLUGINS="tiny")) >= TINY
    Path("registry.toml").write_text('disabled = ["tiny"]\n')
    assert not TINY & names(zoo_("list", "--json", site=site))


def test_all_of_it_is_shown_checked_trained_and_colours(site: Path, photos: Path) -> None:
    parts = (
        "--gen tiny-gen:width=4 --critic tiny-critic --loss tiny-mean:power=2+tiny-wgan --data tiny-stripes:length=6"
    )
    small = "--size 16 --batch 2 --steps 2 --device cpu --set workers=0 --set precision=float32"
    shown, checked, trained, coloured, misspelt = zoo_each(
        ["show", "tiny-gen", "--size", "64"],
        ["check", "tiny", "--json"],
        ["run", *parts.split(), *small.split(), "--name", "theirs"],
        ["colorize", photos, "--model", "runs/theirs", "--out", "out"],
        ["run", "--gen", "tiny-gen:widht=3", "--data", "tiny-stripes", "--steps", "1"],
        site=site,
    )

    # Its options are in its docstring.
    assert shown.returncode == 0, shown.stderr
    words = " ".join(shown.stdout.split())
    for text in ("plugin tiny of zoo-tiny 0.3.0", "width integer 8 channels between them.", "at 64×64", "GFLOP"):
        assert text in words

    reports = {report["spec"]: report["results"] for report in json.loads(checked.stdout)}
    assert set(reports) == TINY
    assert [row for results in reports.values() for row in results if row["verdict"] == "failed"] == []
    assert checked.returncode == 0

    assert trained.returncode == 0, trained.stderr
    assert "finished: runs/theirs" in trained.stdout
    about = read_about("runs/theirs")
    assert about["recipe"]["loss"] == "5*tiny/tiny-mean:power=2+1*tiny/tiny-wgan"
    assert about["generator"] == {
        "name": "tiny-gen",
        "plugin": "tiny",
        "distribution": "zoo-tiny",
        "version": "0.3.0",
    }
    assert coloured.returncode == 0, coloured.stderr
    assert len(list(Path("out").glob("*.png"))) == 12

    # They are checked like zoo's own.
    assert misspelt.returncode == 2
    assert "generator tiny-gen has no option 'widht': did you mean 'width'? (it has: width)" in misspelt.stderr

    # Where it is not installed, as here.
    refused = CliRunner().invoke(app, ["colorize", str(photos), "--model", "runs/theirs", "--out", "elsewhere"])
    assert refused.exit_code == 1
    assert "needs the generator tiny-gen of the plugin tiny: pip install 'zoo-tiny==0.3.0'" in refused.stderr
    assert "Traceback" not in refused.output
    assert not Path("elsewhere").exists()

    # Nor does its run go on there: what to install is said, of all that took part.
    before = {path: path.read_bytes() for path in Path("runs/theirs").rglob("*") if path.is_file()}
    for words in (
        ["resume", "runs/theirs", "--extend", "--steps", "3"],
        ["run", "--recipe", "runs/theirs/recipe.toml"],
    ):
        refused = CliRunner().invoke(app, words, env={"COLUMNS": "300"})
        assert refused.exit_code in (1, 2), refused.output
        assert "Traceback" not in refused.output
        if words[0] == "resume":
            assert "pip install 'zoo-tiny==0.3.0'" in refused.stderr
        else:
            assert "there is no generator 'tiny/tiny-gen'" in refused.stderr
    assert {path: path.read_bytes() for path in Path("runs/theirs").rglob("*") if path.is_file()} == before


def write_tars() -> None:
    """The folder tars, with three files."""
    Path("tars").mkdir()
    for number in range(3):
        with tarfile.open(f"tars/{number}.tar", "w") as archive:
            for place in range(4):
                coarse = np.random.default_rng(4 * number + place).integers(0, 256, (4, 5, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((48, 40), Image.Resampling.BICUBIC).save(f"{place}.png")
                archive.add(f"{place}.png")
                archive.add(__file__, f"{place}.txt")


def test_a_stream_of_theirs_goes_on_and_a_tracker_ends_it(odd_site: Path) -> None:
    write_tars()
    parts = "--gen unet-shallow:base=4,norm=none,dropout=false --critic none --loss l1"
    small = "--size 32 --batch 2 --device cpu --set threads=1 --set precision=float32 --set val_every=2"
    run = ["run", *f"{parts} {small} --set val_images=2 --set lr_decay=0".split()]
    stream = ["--data", "odd-tars:buffer=5"]
    stopped, runs, endless, whole, half, resumed, hints, clips = zoo_each(
        [*run, *stream, "--steps", "900", "--name", "stopped", "--track", "odd-enough:step=4"],
        ["runs"],
        [*run, *stream, "--epochs", "2", "--name", "endless"],
        [*run, *stream, "--set", "workers=0", "--steps", "5", "--name", "whole"],
        [*run, *stream, "--set", "workers=1", "--steps", "3", "--name", "half"],
        ["resume", "runs/half", "--extend", "--steps", "5"],
        [*run, "--data", "odd-hints", "--steps", "2", "--name", "hints"],
        [*run, "--data", "odd-clips:frames=2", "--steps", "2", "--name", "clips"],
        site=odd_site,
    )
    info = json.loads(Path("runs/stopped/run.json").read_text())
    assert stopped.returncode == INTERRUPTED, stopped.stderr
    assert 4 <= info["progress"]["steps"] < 900
    assert info["photographs"]["train"] is None
    reason = r"the listener odd-enough asked for it: \d+ is good enough"
    assert re.fullmatch(reason, info["reason"])
    assert re.search(f"stopped: {reason}", " ".join((stopped.stdout + stopped.stderr).split()))
    assert re.search(reason, runs.stdout)
    assert endless.returncode == 2
    assert "does not say how many photographs make an epoch, so epochs means nothing" in " ".join(
        endless.stderr.split()
    )
    for trained in (whole, half, resumed, hints, clips):
        assert trained.returncode == 0, trained.stderr
    name = "last.safetensors"
    mine, theirs = (load_file(f"runs/{run}/{name}") for run in ("whole", "half"))
    assert all(torch.equal(value, theirs[key]) for key, value in mine.items())


def test_an_augmentation_and_an_optimizer_of_theirs(odd_site: Path, photos: Path) -> None:
    write_tars()
    parts = "--gen unet-shallow:base=4,norm=none,dropout=false --critic patch:base=4,layers=1,norm=none"
    theirs = "--augment flip+odd-lamp:most=0.8+crop --optimizer odd-sgd:bias_lr=0.25 --lr 0.05 --set lr_decay=0"
    small = "--data scenes:side=48,length=10,val=4 --size 32 --batch 4 --device cpu --set workers=0 --set threads=1"
    run = ["run", *f"{parts} {theirs} {small} --set val_every=3 --set precision=float32".split()]
    shown, whole, half, resumed, coloured, misspelt = zoo_each(
        ["show", "odd-sgd"],
        [*run, "--steps", "6", "--name", "whole"],
        [*run, "--steps", "3", "--name", "half"],
        ["resume", "runs/half", "--extend", "--steps", "6"],
        ["colorize", photos, "--model", "runs/half", "--out", "out"],
        ["run", "--augment", "flip+odd-lmp", "--dry-run"],
        site=odd_site,
    )
    words = " ".join(shown.stdout.split())
    assert shown.returncode == 0, shown.stderr
    assert "bias_lr number 0.5 the learning rate of biases" in words
    assert "params" not in words
    for trained in (whole, half, resumed):
        assert trained.returncode == 0, trained.stderr
        assert "odd-sgd averages the weights itself, so ema_decay has no part in this run\n" in (
            trained.stdout + trained.stderr
        )
    about = read_about("runs/half")
    assert about["recipe"]["augment"] == "augmentations/flip+odd/odd-lamp:most=0.8+augmentations/crop:smallest=0.6"
    assert about["recipe"]["optimizer"] == "odd/odd-sgd:beta=0.9,bias_lr=0.25,clip=1.0"
    # Interrupted in the middle or not, every bit is the same: of the weights, of the average, of what it has seen.
    for name in ("last.safetensors", "checkpoints/step-00000006/generator-optimizer.safetensors",
                 "checkpoints/step-00000006/critic-optimizer.safetensors"):  # fmt: skip
        first, second = (load_file(f"runs/{run}/{name}") for run in ("whole", "half"))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), name
    assert {value.dtype for value in second.values()} == {torch.float32, torch.float64, torch.int64}
    assert coloured.returncode == 0, coloured.stderr
    assert len(list(Path("out").glob("*.png"))) == 12
    assert misspelt.returncode == 2
    assert "there is no augmentation 'odd-lmp': did you mean 'odd-lamp'?" in misspelt.stderr
    # Its model colours without it: only the generator's plugin is needed.
    without = CliRunner().invoke(app, ["colorize", str(photos), "--model", "runs/half", "--out", "elsewhere"])
    assert without.exit_code == 0, without.output


def test_generators_of_theirs_that_know_more(odd_site: Path, photos: Path) -> None:
    small = "--data scenes:side=48,length=10,val=4 --size 32 --batch 4 --device cpu --set workers=0 --set threads=1"
    steps = f"{small} --set precision=float32 --set val_every=3 --set lr_decay=0 --critic none"
    flow = ["run", "--gen", "odd-flow", "--loss", "none", *steps.split()]
    hinted = ["run", "--gen", "odd-hinted", "--loss", "l1", *steps.split()]
    colorize, photo = ["colorize", photos / "03.png", "--device", "cpu"], ["--hint", "40,30,#b0402a"]
    *made, refused, unlearned = zoo_each(
        [*flow, "--steps", "6", "--name", "whole"],
        [*flow, "--steps", "3", "--name", "half"],
        ["resume", "runs/half", "--extend", "--steps", "6"],
        ["colorize", photos, "-m", "runs/half", "--out", "album", "--device", "cpu"],
        [*colorize, "-m", "runs/half", "--out", "alone"],
        [*colorize, "-m", "runs/half", "--out", "other", "--seed", "1"],
        ["evaluate", "runs/half", "--data", photos, "--seed", "2", "-o", "numbers"],
        [*hinted, "--steps", "2", "--name", "hinted"],
        [*colorize, "-m", "runs/hinted", "--out", "hinted", *photo],
        [*colorize, "-m", "runs/half", "--out", "never", *photo],
        ["run", "--gen", "odd-hinted", "--loss", "none", *steps.split(), "--steps", "1"],
        site=odd_site,
    )
    for done in made:
        assert done.returncode == 0, done.stderr
    first, second = (load_file(f"runs/{run}/last.safetensors") for run in ("whole", "half"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    album, alone, other = (read_rgb(f"{folder}/03.png").int() for folder in ("album", "alone", "other"))
    assert (album - alone).abs().max() <= 1
    assert (other - alone).abs().max() > 1
    assert json.loads(Path("numbers/evaluation.json").read_text())["protocol"]["seed"] == 2
    assert refused.returncode == 2
    assert "the generator odd-flow takes no hints: train one whose forward" in " ".join(refused.stderr.split())
    assert unlearned.returncode == 2
    assert "--loss none is for generators that bring losses of their own" in unlearned.stderr


def test_losses_of_theirs_that_know_more(odd_site: Path) -> None:
    parts = "--gen unet-shallow:base=4,norm=none,dropout=false --critic odd-telling+0.5*patch:base=4,layers=1,norm=none"
    losses = "--loss odd-warm+odd-uncertain+odd-matching+0.1*odd-rare+odd-relativistic"
    small = "--data scenes:side=48,length=10,val=4 --size 32 --batch 4 --device cpu --set workers=0 --set threads=1"
    dry, trained, longer, missed = zoo_each(
        ["run", *f"{parts} {losses} {small}".split(), "--dry-run"],
        ["run", *f"{parts} {losses} {small} --steps 4 --set critic_steps=2 --name theirs".split()],
        ["resume", "runs/theirs", "--extend", "--steps", "8"],
        ["run", *f"--critic pixel:base=4 --loss odd-matching+odd-relativistic {small} --steps 2 --name not".split()],
        site=odd_site,
    )
    assert dry.returncode == 0, dry.stderr
    assert "1*odd-telling+0.5*patch:base=4,layers=1,norm=none" in " ".join(dry.stdout.split())
    for each in (trained, longer):
        assert each.returncode == 0, each.stderr
    tensors = load_file(next(Path("runs/theirs/checkpoints").glob("step-00000008/loss.safetensors")))
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
        "loss/odd-rare.weights": (4,),
        "loss/odd-uncertain.log_scale": (2,),
    }
    assert not torch.equal(tensors["loss/odd-uncertain.log_scale"], torch.zeros(2))
    assert len(set(tensors["loss/odd-rare.weights"].tolist())) > 1
    assert missed.returncode == 2
    assert "loss odd-matching asks for a critic's features, and this critic offers none" in missed.stderr
    assert not Path("runs/not").exists()


def test_its_command_is_one_of_zoos(site: Path) -> None:
    assert re.search(
        "^  tiny-photo +Save one of the striped photographs.$", zoo_("--help", site=site).stdout, re.MULTILINE
    )
    assert "tiny-photo" not in zoo_("--help").stdout
    helped, saved, refused = zoo_each(
        ["tiny-photo", "--help"],
        ["tiny-photo", "stripes.png", "--index", "3"],
        ["tiny-photo", "stripes.png", "--index", "-1"],
        site=site,
    )
    assert "--index" in helped.stdout
    assert (saved.returncode, saved.stdout) == (0, "stripes.png is written\n"), saved.stderr
    assert Path("stripes.png").stat().st_size
    assert refused.returncode == 2
    assert "--index" in refused.stderr


@pytest.mark.parametrize("words", ["--help", "list", "plugins", "tiny-foto"])
def test_its_command_is_not_imported_before_it_is_called(site: Path, words: str) -> None:
    script = f"""
import sys
from zoo.cli.main import app
try:
    app({words.split()}, prog_name="zoo")
except SystemExit:
    print([name for name in ("zoo_tiny.plugin", "zoo_tiny.commands", "torch") if name in sys.modules])
"""
    assert python("-c", script, site=site).stdout.splitlines()[-1] == "['zoo_tiny.plugin']"
