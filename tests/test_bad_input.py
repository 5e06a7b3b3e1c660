"""What people get wrong: each mistake gets a clear sentence and the right exit code, and nothing is destroyed."""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from copies import Copy, zoo_copy
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import zoo.files
import zoo.registry.plugins
from zoo import UsageError, find_recipe, registry
from zoo.cli.main import app
from zoo.model import save_model
from zoo.registry import resolve
from zoo.run import Run

MISUSE, FAILURE, INTERRUPTED = 2, 1, 130
TINY = shlex.split(
    "run --gen unet-shallow:base=4 --critic patch:base=4,layers=1 --loss l1+adv --size 32 --batch 2 --steps 2 "
    "--device cpu --set workers=0 --set precision=float32"
)


def fails(exit_code: int, *words: str | Path) -> str:
    """Run a command that must fail, and return what it complains of."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    assert "fault of zoo" not in result.output
    return result.stderr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = find_recipe("demo", generator="unet-shallow:base=4", size=32, device="cpu", precision="float32")
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, registry.get().build("generator", recipe.generator, size=32).state_dict(), resolve(recipe), {})
    return path


# ------------------------------------------------------------------------------------------------- what is typed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--gen unet-dep", "there is no generator 'unet-dep': did you mean 'unet-deep'?"),
        ("--critic pach", "there is no critic 'pach': did you mean 'patch'?"),
        ("--loss l1+advv", "there is no loss 'advv': did you mean 'adv"),
        ("--data scnes", "there is no dataset 'scnes': did you mean 'scenes'?"),
        ("--data foldr:path=photos/", "there is no dataset 'foldr': did you mean 'folder'?"),
        ("--data elsewhere", "there is no dataset 'elsewhere', nor a folder of that name"),
        ("--data elsewhere/", "there is no folder"),
        ("--data photos/00.png", "00.png is a file, not a folder of photographs"),
        ("--data folder", "dataset folder needs the option 'path'"),
        ("--recipe=", "there is no recipe ''"),
        ("--recipe dmeo", "there is no recipe 'dmeo': did you mean 'demo'?"),
        ("--recipe gone.toml", "gone.toml cannot be read: there is no such file"),
        ("--gen unet-shallow:bsae=3", "generator unet-shallow has no option 'bsae': did you mean 'base'?"),
        ("--gen unet-shallow:base=wide", "option base=wide: input should be a valid integer"),
        ("--gen unet-shallow:base=0", "option base=0: input should be greater than"),
        ("--loss l1", "has no part in --loss l1: add an adversarial loss (adv"),
        ("--critic none", "adv needs a critic: write --critic NAME (patch"),
        ("--loss l1+adv+2*l1", "l1 is there twice"),
        ("--loss 1e999*l1+adv", "expected a weight"),
        ("--size 8", "size = 8: input should be greater than or equal to 16"),
        ("--batch 0", "batch = 0: write a number from 1 on, or auto"),
        ("--steps -1", "steps = -1: input should be greater than or equal to 1"),
        ("--lr nan", "lr = nan: input should be"),
        ("--lr inf", "lr = inf: input should be"),
        ("--epochs inf", "epochs = inf: input should be a finite number"),
        ("--minutes nan", "minutes = nan: input should be"),
        ("--device gpu", "device = 'gpu': expected auto, cuda, cuda:1, mps or cpu"),
        ("--set flip", "--set flip: write --set key=value"),
        ("--set =1", "--set =1: write --set key=value"),
        ("--set augmnt=flip", "a recipe has no 'augmnt': did you mean 'augment'?"),
        ("--set sync_batch_norm=maybe", "sync_batch_norm = 'maybe': input should be a valid boolean"),
        ("--set crop=0.5 --set crop=0.6", "--set crop=0.6: crop is given twice"),
        ("--set size=64", "--set size=64: size is given twice"),
        ("--name a/b", "'a/b' cannot be a run's name"),
        ("--name ..", "'..' cannot be a run's name"),
        (
            "--critic patch:layers=5",
            "it needs at least 96 on every side. Train on larger crops, or give it fewer layers",
        ),
        ("--stepz 3", "No such option: --stepz"),
        ("--steps many", "Invalid value for '--steps'"),
    ],
)
def test_a_mistake_in_a_run_is_named(photos: Path, words: str, message: str) -> None:
    assert message in fails(MISUSE, *TINY, "--data", "photos/", *words.split())


@pytest.mark.parametrize(
    ("option", "spec", "place"),
    [
        ("--gen", "unet-deep:", 10),
        ("--gen", "unet-deep:base", 10),
        ("--gen", "unet-deep:base=4,base=5", 17),
        ("--gen", "", 0),
        ("--data", "", 0),
        ("--loss", "l1++adv", 3),
        ("--loss", "l1+adv+", 7),
        ("--loss", "-1*l1+adv", 2),
        ("--loss", "l1+vgg:layers='1", 14),
        ("--critic", "patch layers=3", 5),
    ],
)
def test_a_malformed_spec_is_shown_with_the_place_marked(photos: Path, option: str, spec: str, place: int) -> None:
    message = fails(MISUSE, *TINY, "--data", "photos/", f"{option}={spec}")
    lines = message.splitlines()
    assert lines[1] == f"    {spec}"
    assert lines[2].index("^") == place + 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a computer without CUDA")
def test_cuda_is_not_there(photos: Path, model: Path) -> None:
    assert "sees no CUDA device here" in fails(MISUSE, *TINY, "--data", "photos/", "--device", "cuda")
    assert "sees no CUDA device here" in fails(
        MISUSE, "colorize", photos, "-m", model, "-o", "out", "--device", "cuda:1"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("lsit", "No such command 'lsit'. Did you mean 'list'?"),
        ("list --kind gen", "'gen' is not one of 'generator'"),
        ("show nope", "there is no component 'nope'"),
        ("show unet-dep", "did you mean 'unet-deep'?"),
        ("show unet-deep:bsae=2", "has no option 'bsae'"),
        ("show unet-deep:", "expected option=value"),
        ("recipe nope", "there is no recipe 'nope'"),
        ("recipe photos", "there is no recipe 'photos'"),
        ("resume photos", "photos is not the folder of a run"),
        ("resume", "Missing argument"),
        ("colorize", "Missing"),
        ("colorize photos -m nope", "Missing option '--out'"),
        ("colorize photos -o out -m nope", "there is no model 'nope'"),
        ("colorize photos -o out -m photos", "the folder photos holds no model.safetensors"),
        ("colorize photos -o out -m photos/00.png", "00.png is not a safetensors file"),
        ("colorize nothing.png -o out -m photos/00.png", "there is no file or folder nothing.png"),
        ("colorize empty -o out -m photos/00.png", "no photographs in empty"),
        ("colorize photos -o photos/00.png -m x", "photos/00.png is a file; give a folder"),
        ("colorize photos -o photos/00.png/out -m x", "photos/00.png is a file; give a folder"),
        ("colorize photos -o out -m x --size 3", "Invalid value for '--size'"),
    ],
)
def test_a_mistake_in_other_commands_is_named(photos: Path, words: str, message: str) -> None:
    Path("empty").mkdir()
    assert message in " ".join(fails(MISUSE, *words.split()).split())


def test_a_pattern_that_matches_nothing() -> None:
    assert "no component matches 'nope'" in fails(FAILURE, "list", "nope")


def test_a_path_may_be_too_long(photos: Path) -> None:
    assert "there is no dataset" in fails(MISUSE, *TINY, "--data", "x" * 300)
    assert "the name is too long" in fails(FAILURE, *TINY, "--data", "photos/", "--name", "x" * 300)
    assert "the name is too long" in fails(FAILURE, "colorize", "x" * 300, "-m", "m", "-o", "out")


def test_debug_shows_the_traceback() -> None:
    result = CliRunner().invoke(app, ["--debug", "show", "nope"])
    assert isinstance(result.exception, UsageError)
    shown = subprocess.run(
        [sys.executable, "-m", "zoo", "--debug", "show", "nope"], capture_output=True, text=True, check=False
    )
    assert shown.returncode != 0
    assert "Traceback" in shown.stderr


# ------------------------------------------------------------------------------------------------- recipes, registry


def test_a_recipe_file_with_values_of_other_types() -> None:
    Path("wrong.toml").write_text('generator = 3\ncritic = "none"\nloss = ["l1"]\ndata = "scenes"\nsteps = "many"\n')
    message = fails(MISUSE, "run", "--recipe", "wrong.toml")
    assert message.startswith("error: wrong.toml: generator = 3: input should be a valid string; loss = ['l1']: ")
    assert "steps = 'many'" in message


def test_files_that_are_no_recipes() -> None:
    Path("binary.toml").write_bytes(b"\xff\xfe\0")
    assert "binary.toml is not text in UTF-8" in fails(MISUSE, "run", "--recipe", "binary.toml")
    Path("folder.toml").mkdir()
    assert "folder.toml cannot be read: that is a folder" in fails(MISUSE, "recipe", "folder.toml")
    Path("broken.toml").write_text('generator = "x"\nsteps 3\n')
    assert "broken.toml, line 2: " in fails(MISUSE, "recipe", "broken.toml")
    for text in ("steps = " + "[" * 5000, "steps = " + "9" * 5000, "steps." + "a." * 5000 + "a = 1"):
        Path("endless.toml").write_text(text)
        assert "endless.toml cannot be read: " in fails(MISUSE, "recipe", "endless.toml")


@pytest.mark.parametrize("command", ["list", "run", "show patch", "recipe demo"])
def test_a_malformed_registry_is_named_with_its_line(command: str) -> None:
    Path("registry.toml").write_text('default = "demo"\n\ndisabeld = ["smp"]\n')
    message = fails(MISUSE, *command.split())
    assert "registry.toml, line 3: disabeld: unknown: did you mean 'disabled'?" in message


def test_an_endless_registry_is_named() -> None:
    Path("registry.toml").write_text("recipes.x.steps = " + "9" * 5000)
    assert "registry.toml cannot be read: there is a number of more digits" in fails(MISUSE, "list")


def test_a_configuration_that_may_not_be_looked_into_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/" + "x" * 300)
    assert CliRunner().invoke(app, ["list", "patch"]).exit_code == 0


def test_the_working_folder_was_deleted(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    command = f"mkdir {gone} && cd {gone} && rmdir {gone} && {sys.executable} -m zoo list"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == FAILURE
    assert result.stderr.splitlines()[-1] == "error: the working folder was deleted: go to another one"


def test_a_broken_plugin_takes_nothing_down(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    class Broken:
        name, value, dist = "fishy", "fishy", SimpleNamespace(name="zoo-fishy", version="9.9", requires=None)

        def load(self) -> Any:
            raise ImportError("no module named [red]fish")

    real = list(zoo.registry.plugins.entry_points(group="zoo"))
    monkeypatch.setattr(zoo.registry.plugins, "entry_points", lambda group: [*real, Broken()])
    registry.get.cache_clear()
    shown = CliRunner().invoke(app, ["list"])
    assert shown.exit_code == 0
    assert "broken plugin fishy (zoo-fishy 9.9): ImportError: no module named [red]fish" in " ".join(
        shown.stdout.split()
    )
    assert CliRunner().invoke(app, [*TINY, "--data", "photos/", "--dry-run"]).exit_code == 0
    assert "broken plugins: fishy; `zoo list` shows why" in fails(MISUSE, *TINY, "--data=photos/", "--gen=fish")


# ------------------------------------------------------------------------------------------------- photographs


def bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")


@pytest.fixture
def ruined(photos: Path) -> Path:
    """A folder of files that look like photographs, none of which can be used."""
    folder = Path("ruined")
    folder.mkdir()
    (folder / "zero.jpg").touch()
    (folder / "text.png").write_text("not a picture")
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "cut.png").write_bytes((photos / "00.png").read_bytes()[:900])
    (folder / "nowhere.jpg").symlink_to("gone.jpg")
    (folder / "circle").symlink_to(".")
    return folder


def test_no_photograph_to_learn_from(ruined: Path) -> None:
    message = fails(MISUSE, *TINY, "--data", "ruined/")
    assert "ruined holds 5 files, none usable: 5 unreadable" in message
    Path("empty").mkdir()
    assert "holds no photographs" in fails(MISUSE, *TINY, "--data", "empty/")
    assert not Path("runs").exists()


def test_ruined_photographs_among_good_ones(ruined: Path, photos: Path) -> None:
    for file in ruined.iterdir():
        file.rename(photos / file.name)
    result = CliRunner().invoke(app, [*TINY, "--data", "photos/", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "11 for training, 1 for validation" in result.stdout
    assert "left out" in result.stdout


def test_ruined_photographs_cannot_be_coloured(ruined: Path, model: Path) -> None:
    (ruined / "nowhere.jpg").unlink()
    message = fails(FAILURE, "colorize", ruined, "-m", model, "-o", "out")
    for name, reason in [
        ("zero.jpg", "empty"),
        ("text.png", "not a picture"),
        ("bomb.png", "60000"),
        ("cut.png", "cut"),
    ]:
        assert any(name in line and reason in line for line in message.splitlines())
    assert not Path("out").exists()


def test_originals_are_never_overwritten(photos: Path, model: Path) -> None:
    before = {path: path.read_bytes() for path in photos.iterdir()}
    Path("link").symlink_to("photos")
    for words in (
        ["photos", "-o", "photos"],
        ["photos", "-o", "link"],
        ["link", "-o", "photos"],
        ["photos/00.png", "-o", "photos/../photos"],
        ["photos/00.png", "photos/01.png", "-o", "photos"],
    ):
        assert "is one of the originals" in fails(MISUSE, "colorize", *words, "-m", model, "--overwrite")
    assert {path: path.read_bytes() for path in photos.iterdir()} == before


def test_two_photographs_for_one_place(photos: Path, model: Path) -> None:
    Path("more").mkdir()
    (photos / "00.png").rename("more/01.png")
    assert "two photographs would both become" in fails(MISUSE, "colorize", "photos", "more", "-m", model, "-o", "out")


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_the_name_of_a_photograph_does_not_act_on_the_terminal(photos: Path, model: Path) -> None:
    (photos / "00.png").rename(photos / "\x1b[31mred\x07.png")
    (photos / "\x1b]0;title.jpg").write_text("not a picture")
    result = CliRunner().invoke(app, ["colorize", "photos", "-m", str(model), "-o", "out"])
    assert result.exit_code == FAILURE
    assert r"cannot read photos/\x1b]0;title.jpg" in result.stderr
    assert "\x1b" not in result.output
    assert r"no file or folder \x1b[2J" in fails(MISUSE, "colorize", "\x1b[2J", "-m", model, "-o", "out")


# ------------------------------------------------------------------------------------------------- sizes


def test_batch_norm_needs_more_than_one_value(photos: Path) -> None:
    words = [*TINY, "--data=photos/", "--gen=smp-unet:encoder=resnet18,weights=none", "--batch=1"]
    message = fails(MISUSE, *words)
    assert "batch norm cannot learn from one value per channel: --batch 1 at --size 32" in message


def test_no_way_on_is_offered_where_there_is_none(photos: Path) -> None:
    words = [*TINY, "--data=photos/", "--critic=patch:layers=5"]
    assert "zoo resume" not in CliRunner().invoke(app, words).output


# ------------------------------------------------------------------------------------------------- folders, disks


def test_the_name_of_a_run_is_taken(photos: Path) -> None:
    Path("runs/mine").mkdir(parents=True)
    Path("runs/mine/precious").write_text("kept")
    assert "runs/mine exists already" in fails(MISUSE, *TINY, "--data", "photos/", "--name", "mine")
    assert Path("runs/mine/precious").read_text() == "kept"


def test_runs_cannot_be_made_below_a_file(photos: Path) -> None:
    Path("file").touch()
    message = fails(FAILURE, *TINY, "--data", "photos/", "--runs", "file/runs")
    assert "no run can be made in file/runs: a part of that path is a file" in message


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Fill the disk: from now on, nothing that is written gets there."""

    def fill() -> None:
        def fsync(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(zoo.files.os, "fsync", fsync)

    return fill


def test_the_disk_is_full_before_a_run(photos: Path, full_disk: Callable[[], None]) -> None:
    full_disk()
    assert "no run can be made in runs: the disk is full" in fails(FAILURE, *TINY, "--data", "photos/")
    assert list(Path("runs").iterdir()) == []


def test_the_disk_is_full_while_colouring(photos: Path, model: Path, full_disk: Callable[[], None]) -> None:
    full_disk()
    message = fails(FAILURE, "colorize", photos, "-m", model, "-o", "out")
    assert message.count("the disk is full") == 12
    assert [path.name for path in Path("out").iterdir()] == [".zoo-album.jsonl"]


# ------------------------------------------------------------------------------------------------- model files


def edited(model: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Write a copy of a model file whose description is changed."""
    with safe_open(model, framework="pt") as file:
        about = json.loads(file.metadata()["zoo"])
    change(about)
    save_file(load_file(model), "edited.safetensors", metadata={"zoo": json.dumps(about)})
    return Path("edited.safetensors")


def name_another_plugin(about: dict[str, Any]) -> None:
    about["recipe"]["generator"] = "fishnet:base=8"
    about["generator"] = {"name": "fishnet", "plugin": "fish", "distribution": "zoo-fish", "version": "0.3"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (name_another_plugin, "needs the generator fishnet of the plugin fish: pip install 'zoo-fish==0.3'"),
        (lambda about: about.update(format=99), "in a newer format (99; this zoo reads up to"),
        (lambda about: about["recipe"].update(generator="unet-shallow:base=8"), "do not fit unet-shallow:base=8"),
        (lambda about: about.pop("format"), "is damaged"),
    ],
)
def test_a_model_that_cannot_be_used(model: Path, photos: Path, change: Any, message: str) -> None:
    assert message in fails(FAILURE, "colorize", photos, "-m", edited(model, change), "-o", "out")
    assert not Path("out").exists()


def test_a_model_that_is_cut_short(model: Path, photos: Path) -> None:
    whole = model.read_bytes()
    for length in (len(whole) - 1, 2000, 100):
        Path("cut.safetensors").write_bytes(whole[:length])
        message = fails(FAILURE, "colorize", photos, "-m", "cut.safetensors", "-o", "out")
        assert "cut.safetensors is damaged or cut short" in message


def test_files_that_are_no_models(photos: Path) -> None:
    save_file({"weight": torch.zeros(3)}, "foreign.safetensors")
    assert "not a model that zoo saved" in fails(MISUSE, "colorize", photos, "-m", "foreign.safetensors", "-o", "out")
    Path("empty.safetensors").touch()
    assert "is not a safetensors file" in fails(MISUSE, "colorize", photos, "-m", "empty.safetensors", "-o", "out")


# ------------------------------------------------------------------------------------------------- interruptions


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_saves_and_goes_on(photos: Path, number: signal.Signals) -> None:
    process = zoo_copy(*TINY, "--data", "photos/", "--name", "mine", "--steps", "100000")
    wait_until(lambda: Path("runs/mine/metrics.jsonl").exists(), process)
    os.kill(process.pid, number)
    output = process.wait()
    assert process.poll() == INTERRUPTED
    assert "Traceback" not in output
    assert "interrupted: runs/mine" in output
    assert "zoo resume runs/mine" in output
    run = Run("runs/mine")
    assert run.info["state"] == "interrupted"
    assert run.model.is_file()

    done = run.info["progress"]["steps"]
    recipe = Path("runs/mine/recipe.toml")
    recipe.write_text(recipe.read_text().replace("100000", str(done + 2)))
    result = CliRunner().invoke(app, ["resume", "runs/mine"])
    assert result.exit_code == 0, result.output
    assert run.info["progress"]["steps"] == done + 2


def test_a_run_goes_on_when_nobody_reads_its_output(photos: Path) -> None:
    command = f"{sys.executable} -m zoo {' '.join(TINY)} --data photos/ | head -1"
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    wait_until(lambda: Run("runs/unet-shallow-1").info["state"] == "finished")


def wait_until(condition: Callable[[], bool], process: Copy | None = None) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        assert process is None or process.poll() is None, process.wait()
        time.sleep(0.05)
