"""zoo card and zoo publish: cards, folders, and a hub that stands on this computer."""

from __future__ import annotations

import errno
import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hubs
import numpy as np
import pytest
import torch
from conftest import colourful
from hubs import OWNER, TOKEN, Hub, Repository
from huggingface_hub import ModelCard
from PIL import Image
from safetensors import safe_open
from sites import zoo_
from tiny import tiny, weights
from typer.testing import CliRunner, Result
from zoo_publish.card import PLACEHOLDER, SHEET, read_words
from zoo_publish.reducing import is_path, reduce_paths

from zoo import find_recipe, load_model, train
from zoo.cli.main import app
from zoo.errors import ZooError
from zoo.files import CRITIC, MODEL
from zoo.model import load_critic, read_about
from zoo.registry import find_model
from zoo.run import Run

SECRET = "of-aunt-mary"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a few steps, whose data set is a folder that says too much."""
    folder = tmp_path_factory.mktemp("home") / SECRET / "portraits"
    folder.mkdir(parents=True)
    for number in range(8):
        colourful(40, 48, seed=number).save(folder / f"{number}.png")
    recipe = tiny(data=f"folder:path={folder},val=0.3,min_side=16", val_every=2)
    return train(recipe, runs=folder.parents[1] / "runs", name="studio")


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.path, tmp_path / "runs" / "studio")).relative_to(tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub that is empty, and a token for it."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hubs.running() as running:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            running.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        yield running


def zoo(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def pixels(file: Path | str, size: tuple[int, int] | None = None) -> Any:
    with Image.open(file) as image:
        picture = image.convert("RGB")
        return np.asarray(picture.resize(size) if size else picture).astype(int)


def published(*words: str | Path) -> Result:
    result = zoo("publish", *words)
    assert result.exit_code == 0, result.output
    return result


# ------------------------------------------------------------------------------------------------- into a folder


def test_what_is_published_can_be_used(run: Path, photos: Path) -> None:
    result = published(run, "out", "--license", "mit", "--photos", photos)
    assert {path.name for path in Path("out").iterdir()} == {MODEL, CRITIC, "recipe.toml", SHEET, "README.md"}
    assert result.stdout == f"out: {MODEL}, {CRITIC}, recipe.toml, {SHEET}, README.md\n"
    for folder in ("out", run):
        assert zoo("colorize", photos / "00.png", "--model", folder, "-o", f"by-{Path(folder).name}").exit_code == 0
    assert (pixels("by-out/00.png") == pixels(f"by-{run.name}/00.png")).all()
    assert load_critic(Path("out", CRITIC))[1].keys() == load_critic(run / CRITIC)[1].keys()
    assert find_recipe("out").steps == 4
    assert find_model("out").critic() == Path("out", CRITIC)


def test_nothing_of_it_names_a_folder(run: Path, trained: Run) -> None:
    whole = tomllib.loads((run / "recipe.toml").read_text())["data"]
    assert SECRET in whole
    result = published(run, "out")
    for file in Path("out").iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
    assert "portraits' there" in result.stderr
    assert read_about("out")["recipe"]["data"].startswith("datasets/folder:path=portraits,val=0.3")
    assert trained.recipe.data.replace(str(trained.path.parents[1] / SECRET) + "/", "") == find_recipe("out").data


def test_the_weights_are_bit_for_bit_the_same(run: Path, trained: Run) -> None:
    published(run, "out")
    ours, theirs = weights(Run("out")), weights(trained)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with safe_open("out/model.safetensors", "pt") as file:
        assert file.metadata().keys() == {"zoo"}


@pytest.mark.parametrize(
    ("text", "reduced"),
    [
        ("folder:path=/home/mary/portraits", "folder:path=portraits"),
        ("folder:path=/home/mary/portraits/", "folder:path=portraits"),
        ("folder:path='C:\\Users\\mary\\portraits',val=0.1", "folder:path=portraits,val=0.1"),
        ("folder:path=~", "folder:path=photographs"),
        ("folder:path=/", "folder:path=photographs"),
        ("folder:path=/home/mary", "folder:path=photographs"),
        ('folder:path="/home/mary/a+b, c"', 'folder:path="a+b, c"'),
        ("scenes:side=48", "scenes:side=48"),
    ],
)
def test_paths_become_their_last_names(text: str, reduced: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/mary"))
    about = {"recipe": tiny(data=text).to_table(), "provenance": {"steps": 3}}
    assert reduce_paths(about).recipe.data == reduced


def test_paths_of_other_parts_and_of_what_it_began_with_go_too() -> None:
    recipe = tiny(
        generator="smp-unet:encoder=resnet18,weights=/home/mary/resnet.safetensors",
        loss="l1+vgg:net=vgg16,weights=/home/mary/vgg.safetensors",
        track="csv,wandb:dir=/home/mary/wandb",
        summary="faces of /home/mary/vgg.safetensors",
    )
    init = {"model": "runs/first/model.safetensors"}
    about = {"recipe": recipe.to_table(), "provenance": {"init": init, "more": ["/home/mary/x", 3]}, "format": 1}
    reduced = reduce_paths(about)
    assert "home" not in json.dumps(reduced.about)
    assert reduced.recipe.loss == "l1+vgg:net=vgg16,weights=vgg.safetensors"
    assert reduced.about["provenance"] == {"init": {"model": "model.safetensors"}, "more": ["x", 3]}
    assert init == {"model": "runs/first/model.safetensors"}
    for kept in ({"model": "hf://someone/portraits"}, {"model": "a/b", "plugin": "a"}):
        assert reduce_paths({**about, "provenance": {"init": kept}}).about["provenance"]["init"] == kept
    with pytest.raises(ZooError, match=r"^the data of its recipe cannot be read"):
        reduce_paths({"recipe": tiny(data="/home/mary").to_table(), "provenance": {}})
    assert not is_path("100*l1")


def test_again_replaces_what_was_published_before(run: Path, photos: Path) -> None:
    published(run, "out", "--photos", photos)
    Path("out", "LICENSE").write_text("mine")
    (run / CRITIC).unlink()
    first = Path("out", "README.md").read_text()
    published(run, "out", "--license", "mit")
    # What would no longer be true goes with it: the critic of another model, a sheet that the card does not show.
    assert {path.name for path in Path("out").iterdir()} == {MODEL, "recipe.toml", "README.md", "LICENSE"}
    assert SHEET in first
    assert SHEET not in Path("out", "README.md").read_text()


def test_what_is_not_ours_stays(run: Path) -> None:
    for name in ("README.md", MODEL):
        folder = Path(f"with-{name}")
        folder.mkdir()
        (folder / name).write_text("mine")
        result = zoo("publish", run, folder)
        assert result.exit_code == 2
        assert f"{folder} has {name} that zoo did not publish" in result.stderr
        assert (folder / name).read_text() == "mine"
        assert [path.name for path in folder.iterdir()] == [name]
        published(run, folder, "--overwrite")
        assert load_model(folder, "cpu")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing", "out"], "there is no model 'nothing'"),
        (["runs/studio", "runs/studio"], "is the folder of a run"),
        (["runs/studio", "file"], "file is a file"),
        (["copy", "copy"], "copy is where the model is already"),
        (["runs/studio", "out", "--private"], "--private is of a repository"),
        (["runs/studio", "out", "--license", "My own"], "--license My own: write the hub's name"),
        (["runs/studio", "out", "--photos", "empty"], "there are no photographs there"),
        (["runs/studio", "out", "--photos", "nowhere"], "there is no such folder"),
    ],
)
def test_misuse_is_said(run: Path, words: list[str], message: str) -> None:
    Path("file").touch()
    Path("empty").mkdir()
    Path("copy").mkdir()
    shutil.copy(run / MODEL, "copy")
    result = zoo("publish", *words)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert not Path("out").exists()


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_and_a_damaged_model_leave_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").touch()
    result = zoo("publish", run, "file/out")
    assert (result.exit_code, "file is a file: give a folder" in result.stderr) == (2, True), result.output
    Path("out").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfile", full)
        result = zoo("publish", run, "out")
    assert (result.exit_code, "cannot write to out: the disk is full" in result.stderr) == (1, True), result.output
    assert not list(Path("out").iterdir())
    Path(run, MODEL).write_bytes(Path(run, MODEL).read_bytes()[:-100])
    result = zoo("publish", run, "out")
    assert (result.exit_code, list(Path("out").iterdir())) == (1, []), result.output


# ------------------------------------------------------------------------------------------------- the card


def test_the_card_is_one_of_the_hub(run: Path, trained: Run) -> None:
    published(run, "out", "--licence", "cc-by-4.0")
    card = ModelCard.load(Path("out", "README.md"))
    assert card.data.license == "cc-by-4.0"
    assert (card.data.library_name, card.data.pipeline_tag, card.data.model_name) == ("zoo", "image-to-image", "studio")
    assert card.data.tags == ["colorization", "gan", "unet-shallow", "zoo"]
    about = read_about(run)["provenance"]
    assert card.data.metrics == list(about["metrics"])
    found = {result.metric_type: result for result in card.data.eval_results}
    for name, value in about["metrics"].items():
        assert found[name].metric_value == pytest.approx(value, abs=1e-4)
        grey = trained.info["grey"].get(name)  # nothing that the critic says has one
        assert found[name].metric_name == (name if grey is None else f"{name} (left grey: {grey:.4g})")
        assert found[name].dataset_name == "portraits (folder)"
        assert f"| `{name}` | {value:.4g} | {'' if grey is None else f'{grey:.4g}'} |" in card.text
    assert about["fingerprint"] in card.text
    assert about["device"] == trained.info["device"]
    assert f"| on | {about['device']} |" in card.text
    assert "zoo colorize album/ --model ./out -o coloured/" in card.text


def test_the_recipe_on_the_card_makes_the_model_again(run: Path, trained: Run) -> None:
    published(run, "out")
    card = Path("out", "README.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", card, re.DOTALL)
    Path("recipe.toml").write_text(block)
    shutil.copytree(trained.path.parents[1] / SECRET / "portraits", "portraits")
    assert "`zoo run --recipe recipe.toml`" in card
    assert "looked for in `portraits`" in card
    again = train(find_recipe("recipe.toml"), runs="again", name="one")
    ours, theirs = weights(again), weights(trained)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert read_about(again.path)["provenance"]["fingerprint"] == read_about(run)["provenance"]["fingerprint"]


def test_what_its_author_says_is_kept(run: Path) -> None:
    asked = published(run, "out")
    card = Path("out", "README.md")
    assert f"write that into {run / 'model.md'}" in asked.stderr
    assert PLACEHOLDER in card.read_text()
    # In the card itself,
    card.write_text(card.read_text().replace(PLACEHOLDER, "Good at faces.\n\nLicence: MIT."))
    assert "note: the card" not in published(run, "out").stderr
    assert "Good at faces." in card.read_text()
    assert ModelCard.load(card).data.license == "mit"
    # which goes with the model when that is published from there;
    published("out", "further")
    assert read_words(Path("further", "README.md").read_text()) == read_words(card.read_text())
    # beside the model, as packages have it.
    Path(run, "model.md").write_text("# Studio\n\nGood at hands.\n\n# Licence: CC0-1.0\n")
    published(run, "out")
    assert "Good at hands." in card.read_text()
    assert "Good at faces" not in card.read_text()
    assert "\n## Licence: CC0-1.0\n" in card.read_text()
    assert ModelCard.load(card).data.license == "cc0-1.0"
    published(run, "out", "--license", "cc-by-4.0")
    assert ModelCard.load(card).data.license == "cc-by-4.0"


def test_the_licence_is_read_where_a_card_says_one() -> None:
    assert read_words("Licence: MIT for these weights").license == "mit"
    assert read_words("**License:** apache-2.0.").license == "apache-2.0"
    assert read_words("---\nlicense: openrail++\n---\nA model").license == "openrail++"
    for nothing in ("", "Licence: whatever", "Licences: MIT", "---\nlicense: [\n---\n", "---\n- 3\n---\n"):
        assert read_words(nothing).license is None


def test_a_model_that_ships_has_its_card() -> None:
    result = zoo("card", "natural")
    assert result.exit_code == 0
    card = ModelCard(result.stdout)
    assert (card.data.model_name, card.data.license) == ("natural", "mit")
    assert "Good at skies" in card.text
    assert "--model natural" in card.text
    assert PLACEHOLDER not in card.text
    assert not result.stderr


def test_a_card_alone(run: Path, photos: Path) -> None:
    result = zoo("card", run, "-o", "card.md", "--photos", photos)
    assert result.exit_code == 0, result.output
    assert SHEET in Path("card.md").read_text()
    assert pixels(SHEET).shape[1] > 3 * 160
    assert zoo("card", run / MODEL, "-o", "card.md", "--license", "mit").exit_code == 0
    assert ModelCard.load("card.md").data.license == "mit"
    Path("README.md").write_text("mine")
    for words in (["-o", "README.md"], ["-o", "."], ["--photos", photos]):
        assert zoo("card", run, *words).exit_code == 2
    assert Path("README.md").read_text() == "mine"
    assert zoo("card", run, "-o", "nowhere/card.md").exit_code == 1


def test_the_contact_sheet_shows_grey_coloured_and_original(run: Path, photos: Path) -> None:
    for path in sorted(photos.iterdir())[2:]:
        path.unlink()
    (photos / "00.png").write_bytes(b"broken")
    result = published(run, "out", "--photos", photos)
    assert "00.png" in result.stderr
    assert "is not on the contact sheet" in result.stderr
    sheet = pixels(Path("out", SHEET))
    wanted = pixels(photos / "01.png")
    height, width = wanted.shape[:2]
    # In columns of 160 pixels at least, with a title above and a gap between, but no name.
    lefts = [16 + column * (160 + 6) + (160 - width) // 2 for column in range(3)]
    grey, _, original = (sheet[-16 - 6 - height : -16 - 6, left : left + width] for left in lefts)
    assert np.ptp(grey, axis=2).max() < 12  # it is a JPEG file
    assert abs(original - wanted).mean() < 6
    (photos / "01.png").write_bytes(b"broken")
    result = zoo("publish", run, "none", "--photos", photos)
    assert (result.exit_code, Path("none").exists()) == (1, False)


def test_what_a_file_says_stays_within_its_place(run: Path) -> None:
    """A model may be somebody else's."""
    from zoo.model import copy_model

    about = read_about(run)
    about["provenance"] |= {
        "device": "a | b\n\n# Not a heading",
        "steps": True,
        "metrics": {"x|y`\n# z": 3.0, "no": "number", "nan": float("nan")},
        "versions": [],
        "init": {"model": "$(rm -rf x)"},
    }
    copy_model(run / MODEL, Path("evil.safetensors"), about)
    text = zoo("card", "evil.safetensors").stdout
    assert "\n# Not" not in text
    assert "\n# z" not in text
    assert "| steps |" not in text
    assert ModelCard(text).data.model_name == "evil"


# ------------------------------------------------------------------------------------------------- on the hub


def test_a_repository_is_made_and_can_be_coloured_with(hub: Hub, run: Path, photos: Path) -> None:
    result = published(run, f"hf://{OWNER}/faces", "--private", "--license", "mit", "--photos", photos)
    assert result.stdout.startswith(f"{hub.url}/{OWNER}/faces: {MODEL}, ")
    repository = hub.repositories[f"{OWNER}/faces"]
    assert repository.private
    assert len(repository.commits) == 1  # all of it, or nothing
    assert repository.files.keys() == {MODEL, CRITIC, "recipe.toml", SHEET, "README.md"}
    assert not any(SECRET.encode() in data for data in repository.files.values())
    card = repository.files["README.md"].decode()
    assert ModelCard(card).data.model_name == "faces"
    assert f"--model hf://{OWNER}/faces " in card
    source = find_model(f"hf://{OWNER}/faces")
    assert source.file.read_bytes() == repository.files[MODEL]
    assert (critic := source.critic()) is not None
    assert critic.read_bytes() == repository.files[CRITIC]
    result = zoo("colorize", photos / "00.png", "--model", f"hf://{OWNER}/faces", "-o", "coloured")
    assert result.exit_code == 0, result.output
    # And from there into a folder, with its licence.
    published(f"hf://{OWNER}/faces", "out")
    assert ModelCard.load("out/README.md").data.license == "mit"


def test_again_keeps_what_its_author_wrote_there(hub: Hub, run: Path, photos: Path) -> None:
    target = f"hf://{OWNER}/faces"
    published(run, target, "--photos", photos)
    repository = hub.repositories[f"{OWNER}/faces"]
    repository.files["README.md"] = repository.files["README.md"].replace(PLACEHOLDER.encode(), b"Good at faces.")
    repository.files["notes.txt"] = b"mine"
    repository.commits.append("by hand")
    (run / CRITIC).unlink()
    published(run, target)
    assert repository.files.keys() == {MODEL, "recipe.toml", "README.md", "notes.txt"}
    assert b"Good at faces." in repository.files["README.md"]
    assert len(repository.commits) == 3
    result = zoo("publish", run, target, "--private")
    assert (result.exit_code, "everybody may see it" in result.stderr) == (2, True)


def test_a_repository_that_is_not_ours_stays(hub: Hub, run: Path) -> None:
    files = {"README.md": b"---\nlicense: mit\n---\nmine\n"}
    hub.repositories[f"{OWNER}/other"] = Repository(files=dict(files))
    result = zoo("publish", run, f"hf://{OWNER}/other")
    assert (result.exit_code, "has README.md that zoo did not publish" in result.stderr) == (2, True), result.output
    assert hub.repositories[f"{OWNER}/other"].files == files
    published(run, f"hf://{OWNER}/other", "--overwrite")
    card = ModelCard(hub.repositories[f"{OWNER}/other"].files["README.md"].decode())
    assert card.data.license == "mit"
    assert "mine" not in card.text


def fails(words: list[str | Path], code: int, message: str) -> None:
    result = zoo("publish", *words)
    assert result.exit_code == code, result.output
    last = result.stderr.splitlines()[-1]
    assert re.search(message, last), last


def test_what_the_hub_does_not_allow_is_said(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"hf://{OWNER}/faces"
    for wrong in ("hf://someone", f"{target}@v2", f"{target}/large.safetensors", "hf://a b/c", "hf://"):
        fails([run, wrong], 2, "write hf://owner/name")
    fails([run, f"hf://{OWNER}/a--b"], 2, "a--b")
    fails([run, target, "--license", "mine"], 2, r'"license" is not mine')
    hub.writable = False
    fails([run, target], 1, rf"^error: {target} may not be written with this token.*You don't have the rights")
    hub.writable = True
    hub.repositories[f"{OWNER}/faces"] = Repository()
    for path, message in (("/api/repos/create", r"refuses .* \(502\)"), ("/api/validate-yaml", "is none: JSON")):
        hub.out_of_order = (path,)
        fails([run, target], 1, message)
    hub.out_of_order = ()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    fails([run, target], 1, "does not take the token: log in again with `hf auth login`")
    assert not any(one.files for one in hub.repositories.values())


def test_without_a_token_or_a_network(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"hf://{OWNER}/faces"
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "nowhere")
    fails([run, target], 1, "there is no token for the hub: log in with `hf auth login`, or set HF_TOKEN$")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    fails([run, target], 1, r"the hub at http.* cannot be reached \(or HF_HUB_OFFLINE is set\): publish into a folder")
    assert hub.asked == []


@pytest.mark.slow
def test_the_command_itself_publishes(run: Path, tmp_path: Path) -> None:
    with hubs.running() as hub:
        result = zoo_(
            "publish", run, f"hf://{OWNER}/faces", HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN, HF_HUB_OFFLINE="0",
            HF_HOME=str(tmp_path / "hf"),
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert f"{OWNER}/faces" in result.stdout
        assert hub.repositories[f"{OWNER}/faces"].files[MODEL]


def test_a_repository_does_not_need_a_critic(hub: Hub, run: Path) -> None:
    published(run / MODEL, f"hf://{OWNER}/faces")
    assert hub.repositories[f"{OWNER}/faces"].files.keys() == {MODEL, "recipe.toml", "README.md"}
