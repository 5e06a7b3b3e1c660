"""The commands, as people type them."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

import zoo
from zoo import find_recipe
from zoo.cli import commands
from zoo.cli.main import app
from zoo.photo import read_photo
from zoo.registry import resolve
from zoo.run import Run

ROOT = Path(zoo.__file__).parent.parent
TINY = shlex.split(
    "--gen unet-shallow:base=4 --critic patch:base=4,layers=1 --loss l1+adv --size 32 --batch 2 "
    "--device cpu --set workers=0 --set precision=float32"
)


def zoo_(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_every_command_has_a_module_of_its_name() -> None:
    """A plugin's command of such a name is refused by that."""
    group: Any = typer.main.get_command(app)
    assert commands.names() == set(group.commands)


def train(*words: str | Path) -> Run:
    result = zoo_("run", *TINY, "--data", "photos/", *words)
    assert result.exit_code == 0, result.output
    return Run(next(line for line in result.stdout.splitlines() if line.startswith("finished: "))[10:])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model's file: colours are arbitrary, and nothing else matters here."""
    import torch

    from zoo import registry
    from zoo.model import save_model

    recipe = find_recipe("demo", generator="unet-shallow:base=4", size=32, device="cpu", precision="float32")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, registry.get().build("generator", recipe.generator, size=32).state_dict(), resolve(recipe), {})
    return path


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ------------------------------------------------------------------------------------------------- list, show


def test_list_shows_components_by_kind_and_recipes() -> None:
    result = zoo_("list")
    assert result.exit_code == 0
    for word in ("generator", "unet-deep", "critic", "patch", "100*l1", "dataset", "scenes", "recipe", "demo"):
        assert word in result.stdout


def test_list_by_pattern_and_kind() -> None:
    result = zoo_("list", "unet-*", "--kind", "generator")
    assert "unet-deep" in result.stdout
    assert "unet-shallow" in result.stdout
    assert "smp-unet" not in result.stdout
    assert "recipe" not in result.stdout


def test_list_for_programs() -> None:
    answer = json.loads(zoo_("list", "--json").stdout)
    assert answer["broken"] == []
    (l1,) = (c for c in answer["components"] if c["name"] == "l1")
    assert (l1["kind"], l1["plugin"], l1["weight"], l1["adversarial"]) == ("loss", "losses", 100.0, False)


def test_show_names_options_and_costs() -> None:
    result = zoo_("show", "unet-deep:base=8", "--size", "64")
    assert result.exit_code == 0
    for word in ("plugin unet", "norm", "dropout", "parameters", "GFLOP", "multiple"):
        assert word in result.stdout


def test_show_takes_aliases_and_other_kinds() -> None:
    assert "critic patch" in zoo_("show", "patchgan", "--size", "64").stdout
    assert "weight 100" in zoo_("show", "l1").stdout
    assert "required" in zoo_("show", "folder").stdout


# ------------------------------------------------------------------------------------------------- run, runs, recipe


def test_run_trains_and_says_what_comes_next(photos: Path) -> None:
    result = zoo_("run", *TINY, "--data", "photos/", "--steps", "3")
    assert result.exit_code == 0, result.output
    run = Run("runs/unet-shallow-1")
    assert run.info["state"] == "finished"
    assert run.info["progress"]["steps"] == 3
    assert run.model.is_file()
    assert list(run.samples.glob("*.png"))
    assert "zoo colorize PHOTO… --model runs/unet-shallow-1 -o coloured/" in result.stdout


def test_run_numbers_its_runs_or_takes_a_name(photos: Path) -> None:
    assert train("--steps", "1").name == "unet-shallow-1"
    assert train("--steps", "1").name == "unet-shallow-2"
    assert train("--steps", "1", "--name", "Mit Ümläuten 1.0", "--runs", "my [runs]").path.is_dir()


def test_run_ends_after_minutes(photos: Path) -> None:
    run = train("--minutes", "0.005")
    assert run.info["state"] == "finished"
    assert run.info["progress"]["seconds"] < 10


def test_dry_run_takes_one_step_and_leaves_nothing_behind(photos: Path) -> None:
    before = sorted(Path().iterdir())
    result = zoo_("run", *TINY, "--data", "photos/", "--steps", "1000000", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "everything fits together" in result.stdout
    assert sorted(path for path in Path().iterdir() if path.name != ".xdg") == [p for p in before if p.name != ".xdg"]


@pytest.mark.parametrize("name", ["a+b, c=d:e", "folder with spaces", "ünïcödé", "-dash"])
def test_data_may_be_a_folder_of_any_name(photos: Path, name: str) -> None:
    photos.rename(name)
    for spelling in (f"--data={name}", f"--data={name}/", f"--data={Path(name).absolute()}"):
        result = zoo_("run", *TINY, "--steps", "1", "--dry-run", spelling)
        assert result.exit_code == 0, result.output


def test_photographs_smaller_than_the_crop_are_enlarged(photos: Path) -> None:
    result = zoo_("run", *TINY, "--data", "photos/", "--steps", "1", "--size", "112", "--dry-run")
    assert result.exit_code == 0, result.output


def test_a_size_that_does_not_fit_the_generator_is_padded(photos: Path) -> None:
    result = zoo_("run", *TINY, "--data", "photos/", "--steps", "1", "--size", "33", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "padded from 33 to 48" in " ".join(result.stdout.split())


def test_runs_lists_them(photos: Path) -> None:
    train("--steps", "1", "--name", "one")
    train("--steps", "2", "--name", "two")
    result = zoo_("runs")
    assert result.exit_code == 0
    assert "one" in result.stdout
    assert "finished" in result.stdout
    assert json.loads(zoo_("runs", "--json").stdout)["two"]["progress"]["steps"] == 2
    assert "no runs in elsewhere" in zoo_("runs", "elsewhere").stderr


def test_runs_knows_a_run_whose_process_was_killed(photos: Path) -> None:
    run = train("--steps", "1")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run.write_info({**run.info, "state": "running"})
    assert json.loads(zoo_("runs", "--json").stdout)[run.name]["state"] == "running"
    run.write_info({**run.info, "state": "running", "pid": gone.pid})
    assert json.loads(zoo_("runs", "--json").stdout)[run.name]["state"] == "lost"


def test_a_damaged_run_does_not_hide_the_others(photos: Path) -> None:
    train("--steps", "1", "--name", "good")
    train("--steps", "1", "--name", "bad")
    Path("runs/bad/run.json").write_text("{")
    result = zoo_("runs")
    assert result.exit_code == 0
    assert "good" in result.stdout
    assert "unreadable" in result.stdout


def test_the_recipe_of_a_run_repeats_it(photos: Path) -> None:
    first = train("--steps", "4")
    Path("mine.toml").write_text(zoo_("recipe", first.path).stdout)
    assert zoo_("run", "--recipe", "mine.toml", "--name", "from-file").exit_code == 0
    assert zoo_("run", "--recipe", first.path, "--name", "from-run").exit_code == 0
    weights = load_file(first.model)
    for name in ("from-file", "from-run"):
        again = load_file(Run(f"runs/{name}").model)
        assert weights.keys() == again.keys()
        assert all((weights[key] == again[key]).all() for key in weights)


def test_recipe_by_name() -> None:
    result = zoo_("recipe", "demo")
    assert result.exit_code == 0
    assert 'generator = "unet-shallow:base=32"' in result.stdout


def test_resume_goes_on_where_a_run_stopped(photos: Path) -> None:
    run = train("--steps", "4")
    whole = load_file(run.model)
    # As if its process had been killed after two steps.
    half = train("--steps", "4", "--set", "val_every=2")
    newest = max(half.checkpoints.iterdir())
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    half.write_info({**half.info, "state": "running", "pid": 0})
    result = zoo_("resume", half.path)
    assert result.exit_code == 0, result.output
    assert half.info["state"] == "finished"
    again = load_file(half.model)
    assert all((whole[key] == again[key]).all() for key in whole)


# ------------------------------------------------------------------------------------------------- colorize


def test_colorize_files_and_nested_folders_and_leaves_originals_alone(photos: Path, model: Path) -> None:
    inner = photos / "1931" / "märz"
    inner.mkdir(parents=True)
    (photos / "00.png").rename(inner / "a b.png")
    (photos / "01.png").rename("-lone.png")
    before = hashes(photos)
    result = zoo_("colorize", "-m", model, "-o", "out", "--", photos, "-lone.png")
    assert result.exit_code == 0, result.output
    assert hashes(photos) == before
    assert "12 coloured in out, 0 failed" in result.stdout
    assert {"1931/märz/a b.png", "02.png", "-lone.png"} <= hashes(Path("out")).keys()
    with Image.open("out/02.png") as coloured:
        assert coloured.size == (96, 72)
        assert np.ptp(np.asarray(coloured.convert("RGB")), axis=2).max() > 0


def test_colorize_takes_pictures_of_every_kind(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    ramp = np.tile(np.linspace(0, 65535, 60, dtype=np.uint16), (40, 1))
    Image.fromarray(ramp).save(folder / "deep.tif")
    eight = Image.fromarray((ramp >> 8).astype(np.uint8))
    transparent = eight.convert("LA")
    transparent.putalpha(eight)
    transparent.save(folder / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    eight.save(folder / "turned.jpg", exif=exif)
    result = zoo_("colorize", folder, "-m", model, "-o", "out")
    assert result.exit_code == 0, result.output
    with Image.open("out/deep.png") as deep, Image.open("out/alpha.png") as alpha, Image.open("out/turned.png") as turn:
        assert (deep.mode, deep.size) == ("RGB", (60, 40))
        assert read_photo("out/deep.png").bits == 16
        assert alpha.mode == "RGBA"
        assert np.array_equal(np.asarray(alpha.getchannel("A")), np.asarray(eight))
        assert turn.size == (40, 60)
        assert turn.getexif().get(0x0112, 1) == 1


def test_names_that_would_collide_keep_their_suffix(photos: Path, model: Path) -> None:
    Image.open(photos / "00.png").save("00.jpg")
    result = zoo_("colorize", photos / "00.png", "00.jpg", photos / "01.png", "-m", model, "-o", "out")
    assert result.exit_code == 0, result.output
    assert hashes(Path("out")).keys() == {".zoo-album.jsonl", "00.png.png", "00.jpg.png", "01.png"}


def test_formats_parts_and_proofs(photos: Path, model: Path) -> None:
    for shard in ("1/2", "2/2"):
        result = zoo_("colorize", photos, "-m", model, "-o", "out", "--format", "tiff", "--shard", shard, "--proof")
        assert result.exit_code == 0, result.output
    assert len(list(Path("out").glob("*.tif"))) == 12
    assert [path.name for path in sorted(Path("out").glob("*.jpg"))] == ["zoo-proof-1.jpg", "zoo-proof-2.jpg"]
    result = zoo_("colorize", photos, "-m", model, "-o", "out", "--format", "tiff")
    assert result.exit_code == 0, result.output
    assert "0 coloured in out, 12 done before, 0 failed" in result.stdout
    result = zoo_("colorize", photos / "00.png", "-m", model, "-o", "one.jpg")
    assert result.exit_code == 0, result.output
    assert "one.jpg" in result.stdout
    assert read_photo("one.jpg").stored.format == "JPEG"


def test_results_are_replaced_only_when_told(photos: Path, model: Path) -> None:
    Path("out").mkdir()
    Path("out/00.png").write_bytes(b"precious")
    refused = zoo_("colorize", photos / "00.png", photos / "01.png", "-m", model, "-o", "out")
    assert refused.exit_code == 1
    assert "out/00.png is there already (--overwrite replaces it)" in refused.stderr
    assert Path("out/00.png").read_bytes() == b"precious"
    assert Path("out/01.png").is_file()
    assert zoo_("colorize", photos / "00.png", "-m", model, "-o", "out", "--overwrite").exit_code == 0
    assert Path("out/00.png").read_bytes()[:4] == b"\x89PNG"


def test_one_bad_file_does_not_stop_the_others(photos: Path, model: Path) -> None:
    whole = (photos / "05.png").read_bytes()
    (photos / "05.png").write_bytes(whole[: len(whole) // 2])
    result = zoo_("colorize", photos, "-m", model, "-o", "out")
    assert result.exit_code == 1
    assert "11 coloured in out, 1 failed" in result.stdout
    assert "05.png: it is damaged or cut short" in result.stderr
    assert len(list(Path("out").glob("*.png"))) == 11


def test_the_folder_of_a_run_is_a_model(photos: Path) -> None:
    run = train("--steps", "1")
    result = zoo_("colorize", photos, "--model", run.path, "--out", "out", "--size", "48", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert len(list(Path("out").glob("*.png"))) == 12


# ------------------------------------------------------------------------------------------------- the front doors


def start(*words: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, env=environment, check=False, **more
    )


def test_three_ways_to_start_it_give_the_same() -> None:
    script = Path(sys.executable).with_name("zoo")
    answers = [
        start(*front, "list", "--json")
        for front in ([script], [sys.executable, "-m", "zoo"], [sys.executable, ROOT / "cli.py"])
    ]
    assert {answer.returncode for answer in answers} == {0}
    assert len({answer.stdout for answer in answers}) == 1


def test_output_may_be_cut_off_by_its_reader() -> None:
    zoo_command = f"{sys.executable} -m zoo"
    for command in ("list", "list --json", "show l1"):
        result = start("bash", "-c", f"set -o pipefail; {zoo_command} {command} | head -1")
        assert result.returncode == 0
        assert result.stderr == ""
        assert len(result.stdout.splitlines()) == 1


def test_version() -> None:
    assert zoo_("--version").stdout.startswith("zoo 0.")
