from __future__ import annotations

import hashlib
import inspect
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image
from zoo_datasets import plugin
from zoo_datasets.folder import folder
from zoo_datasets.judging import CACHE_EDITION
from zoo_datasets.scenes import scenes
from zoo_datasets.splitting import lot, members
from zoo_datasets.torchvision import image_set

from zoo.errors import UsageError, ZooError
from zoo.photo import PhotoError
from zoo.photo.colourless import GREY, TONED
from zoo.registry.contracts import FILLED_IN


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(home / name))  # on any system
    return home


def colourful(width: int = 96, height: int = 80, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def fill(path: Path, count: int = 20) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        colourful(seed=number).save(path / f"{number}.jpg")
    return path


def names(dataset: Any) -> set[str]:
    return set(dataset.names)


# ------------------------------------------------------------------------------------------------- the plugin


def test_the_plugin_names_factories_that_exist() -> None:
    offered: dict[str, str] = {}

    class Register:
        def dataset(self, name: str, target: str, *, summary: str) -> None:
            assert summary
            assert "\n" not in summary
            offered[name] = target

    plugin.zoo_components(Register())  # type: ignore[arg-type]
    assert sorted(offered) == ["folder", "scenes", "shards", "torchvision"]
    for target in offered.values():
        module, _, attribute = target.partition(":")
        factory: Callable[..., Any] = getattr(__import__(module, fromlist=[attribute]), attribute)
        described = (inspect.getdoc(factory) or "").partition("Args:")[2]
        assert "split" in inspect.signature(factory).parameters
        assert all(
            f"{option}:" in described
            for option in inspect.signature(factory).parameters
            if option not in FILLED_IN["dataset"]
        )


def test_the_plugin_is_light() -> None:
    heavy = "import sys; import zoo_datasets.plugin; sys.exit(bool({'numpy', 'torch', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", heavy], env=_environment(), check=False).returncode == 0


def _environment() -> dict[str, str]:
    root = Path(__file__).parents[2]
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(root / "plugins")])}


# ------------------------------------------------------------------------------------------------- scenes


@pytest.mark.parametrize("side", [32, 50, 96])
def test_scenes_are_photos(side: int) -> None:
    dataset = scenes(split="train", side=side, length=7)
    assert len(dataset) == 7
    assert dataset[3].shape == (3, side, round(1.5 * side))
    assert dataset[3].dtype == torch.uint8
    assert dataset[3].is_contiguous()


@pytest.mark.parametrize("index", [-1, 7])
def test_there_are_no_scenes_beyond_the_last(index: int) -> None:
    with pytest.raises(IndexError):
        scenes(split="train", side=32, length=7)[index]


def test_a_scene_depends_on_seed_split_and_index_alone() -> None:
    def draw(**options: Any) -> list[bytes]:
        dataset = scenes(**{"split": "train", "side": 32, "length": 5, "val": 5, **options})
        return [dataset[index].numpy().tobytes() for index in (4, 0, 2)]

    drawn = [draw(), draw(split="val"), draw(seed=1)]
    assert draw(length=100) == drawn[0]
    assert len({picture for pictures in drawn for picture in pictures}) == 9


def test_scenes_are_the_same_in_another_process_and_another_order() -> None:
    dataset = scenes(split="train", side=48, length=4)
    digest = hashlib.sha256(b"".join(dataset[index].numpy().tobytes() for index in range(4))).hexdigest()
    there = (
        "import hashlib; from zoo_datasets.scenes import scenes; d = scenes(split='train', side=48, length=9);"
        "pictures = {i: d[i].numpy().tobytes() for i in (3, 1, 2, 0)};"
        "print(hashlib.sha256(b''.join(pictures[i] for i in range(4))).hexdigest())"
    )
    printed = subprocess.run([sys.executable, "-c", there], env=_environment(), check=True, capture_output=True).stdout
    assert printed.decode().strip() == digest


def test_fingerprints_of_scenes_tell_them_apart() -> None:
    marks = [scenes(split="train"), scenes(split="val"), scenes(split="train", seed=1), scenes(split="train", side=64)]
    assert len({dataset.fingerprint for dataset in marks}) == 4
    assert scenes(split="train").fingerprint == marks[0].fingerprint


def test_most_skies_are_blue_and_meadows_green_and_textures_differ() -> None:
    dataset = scenes(split="train", side=64)
    pictures = torch.stack([dataset[index] for index in range(60)]).float()
    sky, land = pictures[:, :, :10].mean((2, 3)), pictures[:, :, -6:].mean((2, 3))
    assert ((sky[:, 2] > sky[:, 1] + 5) & (sky[:, 1] > sky[:, 0] + 5)).float().mean() > 0.5
    assert ((land[:, 1] > land[:, 0]) & (land[:, 1] > land[:, 2] + 15)).float().mean() > 0.7
    # A pale sky is brighter and smoother than grass, so lightness tells them apart.
    grey = pictures.mean(1)
    rough = grey.diff(dim=2).abs()
    assert (rough[:, -6:].mean((1, 2)) > 2 * rough[:, :10].mean((1, 2))).float().mean() > 0.9
    # Colours are those of a landscape, not of a paint box, and no picture is blank.
    spread = pictures.amax(1) - pictures.amin(1)
    assert 25 < float(spread.mean()) < 90
    assert float(grey.flatten(1).std(1).min()) > 10


# ------------------------------------------------------------------------------------------------- splitting


def test_the_lot_of_a_name_never_changes() -> None:
    assert lot("holiday/1.jpg") == pytest.approx(0.31871, abs=5e-6)
    assert lot("e\u0301te\u0301.jpg") == lot("\u00e9t\u00e9.jpg")


def test_adding_names_moves_no_others() -> None:
    before, after = ([f"{number}.jpg" for number in range(count)] for count in (200, 400))
    kept = members(before, "val", 0.1)
    assert 10 < len(kept) < 35
    assert members(after, "val", 0.1) & set(before) == kept
    assert members(before, "train", 0.1) == set(before) - kept


@pytest.mark.parametrize("val", [0.001, 0.999])
def test_two_names_are_enough_for_both_splits(val: float) -> None:
    assert len(members(["a", "b"], "train", val)) == len(members(["a", "b"], "val", val)) == 1


# ------------------------------------------------------------------------------------------------- folder


def test_a_folder_is_split_without_overlap(tmp_path: Path) -> None:
    fill(tmp_path / "a", 12)
    fill(tmp_path / "b" / "c", 12)
    train, val = folder(split="train", path=tmp_path, val=0.3), folder(split="val", path=tmp_path, val=0.3)
    assert len(train) + len(val) == 24
    assert not names(train) & names(val)
    assert "b/c/3.jpg" in names(train) | names(val)
    assert train[0].shape == (3, 80, 96)
    assert train[0].dtype == torch.uint8
    assert train.fingerprint != val.fingerprint
    assert train.fingerprint == folder(split="train", path=tmp_path, val=0.3).fingerprint


def test_sub_folders_train_and_val_are_the_split(tmp_path: Path) -> None:
    fill(tmp_path / "train", 3)
    fill(tmp_path / "val", 1)
    fill(tmp_path / "others", 1)
    (tmp_path / "train" / "broken.jpg").touch()
    train, val = folder(split="train", path=tmp_path), folder(split="val", path=tmp_path)
    assert (len(train), len(val)) == (3, 1)
    assert [item.path for item in train.left_out] == ["train/broken.jpg"]
    assert val[0].shape == (3, 80, 96)


def test_an_empty_sub_folder_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path / "train", 3)
    (tmp_path / "val").mkdir()
    with pytest.raises(UsageError, match=r"val holds no photographs"):
        folder(split="val", path=tmp_path)


def bomb(path: Path) -> None:
    """A PNG file whose head promises 900 megapixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 99) + b"IDAT")


def test_what_cannot_be_learnt_from_is_left_out_and_named(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.JPG").write_text("no picture")
    (tmp_path / "cut.jpeg").write_bytes((tmp_path / "0.jpg").read_bytes()[:900])
    bomb(tmp_path / "bomb.png")
    colourful(100, 40).save(tmp_path / "tiny.png")
    colourful().convert("L").save(tmp_path / "grey.png")
    colourful().convert("L").convert("RGB").save(tmp_path / "as-colour.jpg")
    luma = np.asarray(colourful(384, 320).convert("L"), np.float32)[..., None]
    sepia = luma * np.array([0.9, 0.75, 0.5]) + np.array([25, 15, 5])
    Image.fromarray(sepia.astype(np.uint8)).save(tmp_path / "sepia.jpg")
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "notes.txt").write_text("not even a photograph by its name")
    (tmp_path / ".hidden.jpg").touch()
    fill(tmp_path / ".thumbnails", 1)
    dataset = folder(split="train", path=tmp_path)
    assert {item.path: item.reason for item in dataset.left_out} == {
        "as-colour.jpg": GREY,
        "bomb.png": "unreadable: it is too large to be opened safely",
        "cut.jpeg": next(item.reason for item in dataset.left_out if item.path == "cut.jpeg"),
        "empty.jpg": "unreadable: the file is empty",
        "grey.png": GREY,
        "lost.jpg": "unreadable: there is no such file or folder",
        "sepia.jpg": TONED,
        "text.JPG": "unreadable: it is not a picture",
        "tiny.png": "smaller than 64 pixels: 40",
    }
    assert "cut short" in {item.path: item.reason for item in dataset.left_out}["cut.jpeg"]
    assert len(dataset) + len(folder(split="val", path=tmp_path)) == 3
    assert len(folder(split="train", path=tmp_path, min_side=16).left_out) == 8


def test_pale_photographs_and_plain_colours_are_not_taken_for_grey_or_sepia(tmp_path: Path) -> None:
    pale = 200 + np.asarray(colourful(), np.float32) * 0.12
    Image.fromarray(pale.astype(np.uint8)).save(tmp_path / "pale.png")
    Image.new("RGB", (80, 80), (180, 30, 30)).save(tmp_path / "red.png")
    assert folder(split="train", path=tmp_path).left_out == []


def test_links_to_files_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", 1)
    photos = fill(tmp_path / "photos", 1)
    (photos / "linked.jpg").symlink_to(tmp_path / "elsewhere" / "0.jpg")
    (photos / "loop").symlink_to(photos)
    (photos / "circle.jpg").symlink_to(photos / "circle.jpg")
    dataset = folder(split="train", path=photos)
    assert names(dataset) | names(folder(split="val", path=photos)) == {"0.jpg", "linked.jpg"}
    assert [item.path for item in dataset.left_out] == ["circle.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_hang_the_scan(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    os.mkfifo(tmp_path / "pipe.jpg")
    assert [item.path for item in folder(split="train", path=tmp_path).left_out] == ["pipe.jpg"]


def test_a_program_that_is_named_like_a_photograph_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ghostscript(*_: Any, **__: Any) -> None:
        raise AssertionError("it was run")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    fill(tmp_path)
    colourful().save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    (left_out,) = folder(split="train", path=tmp_path).left_out
    assert (left_out.path, left_out.reason) == ("a.jpg", "unreadable: it is not a picture")


def test_photographs_are_upright_and_decoded_no_larger_than_asked(tmp_path: Path) -> None:
    for number in range(2):
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        colourful(400, 200, seed=number).save(tmp_path / f"{number}.jpg", exif=exif)
    assert folder(split="train", path=tmp_path)[0].shape == (3, 400, 200)
    assert folder(split="train", path=tmp_path, decode=50)[0].shape == (3, 100, 50)


def test_a_photograph_that_disappears_is_named(tmp_path: Path) -> None:
    dataset = folder(split="train", path=fill(tmp_path, 2))
    (lost,) = names(dataset)
    (tmp_path / lost).unlink()
    with pytest.raises(PhotoError, match=lost):
        dataset[0]


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match=r"no folder .*fotos: did you mean 'photos'\?"):
        folder(split="train", path=tmp_path / "fotos")
    with pytest.raises(UsageError, match=r"photos holds no photographs \(\.jpg"):
        folder(split="train", path=tmp_path / "photos")
    (tmp_path / "file.jpg").touch()
    with pytest.raises(UsageError, match=r"file\.jpg is a file"):
        folder(split="train", path=tmp_path / "file.jpg")


def test_a_folder_without_usable_photographs_says_why(tmp_path: Path) -> None:
    for number in range(2):
        colourful(seed=number).convert("L").save(tmp_path / f"{number}.png")
    (tmp_path / "x.jpg").touch()
    reason = r"holds 3 files, none usable: 2 already grey, 1 unreadable \(first: x\.jpg: the file is empty\)"
    with pytest.raises(UsageError, match=reason):
        folder(split="train", path=tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_one_photograph_is_not_enough(tmp_path: Path, split: Any) -> None:
    with pytest.raises(UsageError, match=r"single usable photograph, 0\.jpg"):
        folder(split=split, path=fill(tmp_path, 1))


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    def heard() -> list[tuple[int, int | None]]:
        told: list[tuple[int, int | None]] = []
        folder(split="train", path=tmp_path, progress=lambda done, total: told.append((done, total)))
        return told

    fill(tmp_path, 4)
    found = [(done, None) for done in range(1, 5)]
    assert heard() == [*found, (1, 4), (2, 4), (3, 4), (4, 4), (4, 4)]
    assert heard() == [*found, (4, 4)], "what is known already is not looked at again"
    colourful(seed=9).save(tmp_path / "9.jpg")
    assert heard()[5:] == [(5, 5), (5, 5)]


def test_an_interrupt_waits_for_no_file_and_keeps_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zoo_datasets.folder as module

    judge, stuck = module._judge, threading.Event()

    def judging(root: Path, file: Any) -> Any:
        if file.path in ("4.jpg", "5.jpg"):
            stuck.wait(20)
        return judge(root, file)

    def told(done: int, total: int | None) -> None:
        if (done, total) == (4, 8):
            threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()

    monkeypatch.setattr(module, "_judge", judging)
    fill(tmp_path, 8)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        folder(split="train", path=tmp_path, progress=told)
    assert time.monotonic() - start < 5
    stuck.set()
    monkeypatch.setattr(module, "_judge", judge)
    judged = _count_judgements(monkeypatch)
    folder(split="train", path=tmp_path)
    assert sorted(judged) == ["4.jpg", "5.jpg", "6.jpg", "7.jpg"]  # by several threads


def _count_judgements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    import zoo_datasets.folder as module

    judged: list[str] = []
    judge = module._judge

    def counting(root: Path, file: Any) -> Any:
        judged.append(file.path)
        return judge(root, file)

    monkeypatch.setattr(module, "_judge", counting)
    return judged


def test_only_new_and_changed_files_are_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = _count_judgements(monkeypatch)
    fill(tmp_path, 4)
    (tmp_path / "broken.jpg").touch()
    first = folder(split="train", path=tmp_path)
    assert len(judged) == 5
    judged.clear()
    second = folder(split="train", path=tmp_path)
    assert judged == []
    assert (names(second), second.left_out, second.fingerprint) == (names(first), first.left_out, first.fingerprint)
    colourful(seed=9).save(tmp_path / "broken.jpg")
    colourful(seed=10).save(tmp_path / "new.jpg")
    assert folder(split="train", path=tmp_path).left_out == []
    assert sorted(judged) == ["broken.jpg", "new.jpg"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"edition": %d, "files": [["0.jpg", 1]]}' % CACHE_EDITION],
    ids=["empty", "half", "list", "binary", "short"],
)
def test_a_damaged_cache_is_ignored_and_replaced(tmp_path: Path, cache: Path, content: bytes) -> None:
    folder(split="train", path=fill(tmp_path, 2))
    (file,) = (cache / "zoo" / "folders").iterdir()
    file.write_bytes(content)
    assert folder(split="train", path=tmp_path).left_out == []
    assert len(json.loads(file.read_text())["files"]) == 2
    assert len(list(file.parent.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, cache: Path) -> None:
    (cache / "zoo").write_text("a file where the folder should be")
    assert len(folder(split="train", path=fill(tmp_path, 3))) == 2


# ------------------------------------------------------------------------------------------------- torchvision


def test_a_set_without_splits_is_divided() -> None:
    train, val = image_set(split="train", name="FakeData"), image_set(split="val", name="fakedata")
    assert len(train) + len(val) == 1000
    assert 30 < len(val) < 70
    assert not set(train._indices) & set(val._indices)
    assert train[0].shape == (3, 224, 224)
    assert train[0].dtype == torch.uint8
    assert train.fingerprint != val.fingerprint
    assert train.fingerprint == image_set(split="train", name="FakeData").fingerprint


def test_an_image_folder_can_be_used(tmp_path: Path) -> None:
    fill(tmp_path / "cats", 6)
    fill(tmp_path / "dogs", 6)
    train = image_set(split="train", name="ImageFolder", root=tmp_path, val=0.3)
    val = image_set(split="val", name="ImageFolder", root=tmp_path, val=0.3)
    assert len(train) + len(val) == 12
    assert val[0].shape == (3, 80, 96)


def test_the_splits_of_a_set_are_found(tmp_path: Path) -> None:
    # Country211 calls them train and valid, as its folders.
    for split, count in (("train", 3), ("valid", 2), ("test", 1)):
        fill(tmp_path / "country211" / split / "FR", count)
    assert len(image_set(split="train", name="Country211", root=tmp_path)) == 3
    assert len(image_set(split="val", name="Country211", root=tmp_path)) == 2


def test_grey_sets_are_refused(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "digits").mkdir(exist_ok=True)
        colourful(seed=number).convert("L").save(tmp_path / "digits" / f"{number}.png")
    with pytest.raises(UsageError, match="already grey"):
        image_set(split="train", name="ImageFolder", root=tmp_path)


@pytest.mark.parametrize("name", ["Flowers102", "CIFAR10", "STL10"])
def test_nothing_is_downloaded_without_consent(tmp_path: Path, name: str) -> None:
    with pytest.raises(ZooError, match=rf"{name} is not, or not whole, in .*; say download=true to fetch it"):
        image_set(split="train", name=name, root=tmp_path)


def test_a_failed_download_is_explained_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.error
    import urllib.request

    def offline(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError(OSError("no route to host"))

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(ZooError, match=r"^cannot download torchvision's Flowers102: no route to host$"):
        image_set(split="train", name="Flowers102", root=tmp_path, download=True)


def test_data_that_torchvision_does_not_fetch_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"Cityscapes is not in .*, and torchvision does not fetch it"):
        image_set(split="train", name="Cityscapes", root=tmp_path)


def test_wrong_names_are_explained() -> None:
    with pytest.raises(UsageError, match=r"'Flower102': did you mean 'Flowers102'\? \(there are: .*STL10"):
        image_set(split="train", name="Flower102")
    with pytest.raises(UsageError, match="Flickr8k needs ann_file, which zoo cannot fill in"):
        image_set(split="train", name="Flickr8k")
    with pytest.raises(UsageError, match="no image set 'VisionDataset'"):
        image_set(split="train", name="VisionDataset")
