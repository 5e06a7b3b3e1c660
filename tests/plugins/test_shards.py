"""Tar files of photographs, read where they are."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import same, tiny, weights
from torch.utils.data import DataLoader
from zoo_datasets import shards as module
from zoo_datasets.shards import shards

from zoo import train
from zoo.errors import UsageError
from zoo.photo import PhotoError
from zoo.testing import check_dataset
from zoo.training import resume


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(home / name))


def photograph(seed: int, kind: str = "JPEG", side: int = 72) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((side + seed, side), Image.Resampling.BICUBIC).save(file, kind)
    return file.getvalue()


def write(path: Path, entries: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def fill(folder: Path, count: int = 3, each: int = 4) -> Path:
    for shard in range(count):
        numbers = range(shard * each, shard * each + each)
        entries = [(f"{number:04d}.{kind}", number) for number in numbers for kind in ("json", "jpg", "cls")]
        write(
            folder / f"part-{shard:03d}.tar",
            {name: photograph(number) if name.endswith("jpg") else b"{}" for name, number in entries},
        )
    return folder


def test_a_folder_of_shards_is_split_without_overlap(tmp_path: Path) -> None:
    train, val = (shards(split=split, path=fill(tmp_path), val=0.3) for split in ("train", "val"))
    assert len(train) + len(val) == 12
    assert not {*train.names} & {*val.names}
    assert train.names == sorted(train.names)
    assert {name.split("/")[0] for name in train.names + val.names} == {f"part-00{n}.tar" for n in range(3)}
    photo = train[0]
    number = int(train.names[0].split("/")[1][:4])
    assert photo.shape == (3, 72, 72 + number)
    assert photo.dtype == torch.uint8
    check_dataset(shards, path=tmp_path, val=0.3)


def test_moving_samples_to_other_shards_moves_none_to_the_other_side(tmp_path: Path) -> None:
    few, many = (fill(tmp_path / name, count, 12 // count) for name, count in (("few", 2), ("many", 6)))
    sets = [shards(split="val", path=path, val=0.3) for path in (few, many)]
    keys = [sorted(name.split("/")[1] for name in each.names) for each in sets]
    assert keys[0] == keys[1]
    assert sets[0].fingerprint == sets[1].fingerprint
    assert sets[0].fingerprint != shards(split="train", path=few, val=0.3).fingerprint


def test_sub_folders_train_and_val_are_the_split(tmp_path: Path) -> None:
    fill(tmp_path / "train", 2)
    fill(tmp_path / "val", 1)
    assert [len(shards(split=split, path=tmp_path)) for split in ("train", "val")] == [8, 4]


def test_files_by_their_numbers(tmp_path: Path) -> None:
    fill(tmp_path)
    assert len(shards(split="train", path=tmp_path / "part-001.tar")) == 3
    made = shards(split="train", path=tmp_path / "part-{001..002}.tar")
    assert {name.split("/")[0] for name in made.names} <= {"part-001.tar", "part-002.tar"}
    with pytest.raises(UsageError, match=r"there is no file .*part-003.tar, and 6 more of 9 are missing"):
        shards(split="train", path=tmp_path / "part-{001..009}.tar")
    with pytest.raises(UsageError, match=r"\{9\.\.1\} in .* is empty"):
        shards(split="train", path=tmp_path / "part-{9..1}.tar")
    with pytest.raises(UsageError, match="means 10,000,000 files"):
        shards(split="train", path=tmp_path / "part-{0000000..9999999}.tar")
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        shutil.copy(tmp_path / "part-001.tar", tmp_path / str(number) / "a.tar")
    assert len(shards(split="train", path=tmp_path / "{1..2}" / "a.tar")) % 2 == 0


def test_what_is_wrong_is_left_out_and_named(tmp_path: Path) -> None:
    write(
        tmp_path / "a.tar",
        {
            "1.jpg": photograph(1),
            "1.png": photograph(2, "PNG"),
            "2.seg.png": photograph(2, "PNG"),
            "2.png": photograph(2, "PNG"),
            "./dir/3.webp": photograph(3, "WEBP"),
            "../../4.jpg": photograph(4),
            "5.jpg": b"no picture",
            "6.jpg": photograph(6)[:500],
            "7.jpg": photograph(1, side=20),
            "8.jpg": b"",
            "._9.jpg": b"a Mac's",
        },
    )
    grey = Image.new("RGB", (99, 99), (7, 7, 7))
    grey.save(file := io.BytesIO(), "PNG")
    write(tmp_path / "b.tar", {"grey.png": file.getvalue()})
    (tmp_path / "c.tar").write_bytes(b"nothing of the kind")
    cut = write(tmp_path / "d.tar", {"d1.jpg": photograph(11), "d2.jpg": photograph(12)})
    cut.write_bytes(cut.read_bytes()[: 512 + len(photograph(11)) + 1024 + 300])
    made = shards(split="train", path=tmp_path)
    names = sorted({*made.names, *shards(split="val", path=tmp_path).names})
    assert names == ["a.tar/1.jpg", "a.tar/2.png", "a.tar/4.jpg", "a.tar/dir/3.webp", "d.tar/d1.jpg"]
    reasons = {item.path: item.reason.partition(":")[0] for item in made.left_out}
    assert reasons == {
        "a.tar/5.jpg": "unreadable", "a.tar/6.jpg": "unreadable", "a.tar/7.jpg": "smaller than 64 pixels",
        "a.tar/8.jpg": "unreadable", "b.tar/grey.png": "already grey", "c.tar": "unreadable", "d.tar": "unreadable",
        "d.tar/d2.jpg": "unreadable",
    }  # fmt: skip


def test_wrong_paths_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \.tar file"):
        shards(split="train", path=tmp_path)
    packed = tmp_path / "x.tar"
    packed.write_bytes(gzip.compress(write(tmp_path / "y.tar", {"1.jpg": photograph(1)}).read_bytes()))
    with pytest.raises(UsageError, match=r"x.tar is compressed: .* unpack it to a plain \.tar"):
        shards(split="train", path=packed)
    with pytest.raises(UsageError, match="holds a single usable sample, 1: two at least are needed"):
        shards(split="train", path=tmp_path / "y.tar")
    with pytest.raises(UsageError, match=r"there is no file .*y.tr: did you mean 'y.tar'"):
        shards(split="train", path=tmp_path / "y.tr")
    write(tmp_path / "z.tar", {"1.txt": b"text"})
    with pytest.raises(UsageError, match=r"z.tar holds no photographs \(entries .jpg"):
        shards(split="train", path=tmp_path / "z.tar")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*worker processes:UserWarning")
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_other_processes_read_the_same(tmp_path: Path, context: str) -> None:
    made = shards(split="train", path=fill(tmp_path))
    copied = pickle.loads(pickle.dumps(made))
    loader = DataLoader(made, batch_size=None, num_workers=2, multiprocessing_context=context)
    for here, there, copy in zip(made, loader, copied, strict=False):
        assert torch.equal(here, there)
        assert torch.equal(here, copy)


def test_a_shard_that_disappears_is_named(tmp_path: Path) -> None:
    made = shards(split="train", path=fill(tmp_path))
    for shard in tmp_path.iterdir():
        shard.unlink()
    with pytest.raises(PhotoError, match=r"cannot read part-000.tar/000\d.jpg: there is no such file"):
        made[0]


def test_only_changed_shards_are_judged_again_and_headers_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []
    judge = module._judge
    monkeypatch.setattr(module, "_judge", lambda found, file: judged.append(file.path) or judge(found, file))
    told: list[tuple[int, int | None]] = []
    first = shards(split="train", path=fill(tmp_path), progress=lambda done, total: told.append((done, total)))
    assert told == [*((n, None) for n in range(1, 13)), *((n, 12) for n in range(1, 13)), (12, 12)]
    before = module._index.cache_info().misses
    assert len(judged) == 12
    second = shards(split="val", path=tmp_path)
    assert module._index.cache_info().misses == before
    write(tmp_path / "part-001.tar", {"0004.jpg": photograph(30)})
    third = shards(split="train", path=tmp_path)
    assert judged[12:] == ["part-001.tar/0004.jpg"]
    assert len(third) < len(first) + len(second)


def test_a_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    data = f"shards:path={fill(tmp_path / 'data')},val=0.2"
    whole = train(tiny(data=data, steps=6, lr_decay=0), name="whole")
    half = train(tiny(data=data, steps=3, lr_decay=0), name="half")
    resume(half, extend=True, steps=6)
    assert same(weights(whole), weights(half))
    assert json.loads((whole.path / "run.json").read_text())["photographs"]["fingerprint"]
