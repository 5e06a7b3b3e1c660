"""An album that was interrupted goes on: what is done is skipped, and nothing is lost."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from zoo import Recipe, UsageError
from zoo.colorize import Job, Ledger, Made, Outcome, ProofSheets, colorize_all, plan, take_shard
from zoo.files import sha256_of
from zoo.model import Model
from zoo.photo import Hint

RECIPE = Recipe(
    generator="unet-shallow:base=4", critic="none", loss="l1", data="scenes", size=32, steps=1, precision="float32"
)


class Warm(nn.Module):
    def forward(self, lightness: Tensor) -> Tensor:
        return torch.full_like(lightness, 0.1).repeat(1, 2, 1, 1)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    (tmp_path / "m.safetensors").write_bytes(b"weights")
    return Model(Warm().eval(), RECIPE, {}, torch.device("cpu"), "warm", tmp_path / "m.safetensors")


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    (tmp_path / "in").mkdir()
    for number in range(5):
        Image.radial_gradient("L").rotate(9 * number).resize((40, 30)).save(tmp_path / f"in/{number}.png")
    return plan([tmp_path / "in"], tmp_path / "out")


def go(model: Model, jobs: Sequence[Job], *, overwrite: bool = False, saturation: float = 1.0) -> list[Outcome]:
    ledger = Ledger(jobs[0].target.parent)
    return list(colorize_all(model, jobs, overwrite=overwrite, saturation=saturation, ledger=ledger))


def became(outcomes: Sequence[Outcome]) -> str:
    return "".join("f" if outcome.error else "s" if outcome.skipped else "c" for outcome in outcomes)


def stamps(jobs: Sequence[Job]) -> list[int]:
    return [job.target.stat().st_ino for job in jobs]


def test_what_is_done_is_skipped(model: Model, jobs: list[Job]) -> None:
    assert became(go(model, jobs[:3])) == "ccc"
    before = stamps(jobs[:3])
    assert became(go(model, jobs)) == "ssscc"
    assert became(go(model, jobs, overwrite=True)) == "sssss"
    assert stamps(jobs[:3]) == before


def test_another_original_other_settings_or_another_model_are_something_else(model: Model, jobs: list[Job]) -> None:
    go(model, jobs)
    Image.new("L", (40, 30), 77).save(jobs[1].source)
    outcomes = go(model, jobs)
    assert became(outcomes) == "sfsss"
    assert "is there already (--overwrite replaces it)" in str(outcomes[1].error)
    assert became(go(model, jobs, overwrite=True)) == "scsss"
    assert became(go(model, jobs)) == "sssss"
    assert became(go(model, jobs, saturation=0.5)) == "fffff"
    assert became(go(model, jobs, saturation=0.5, overwrite=True)) == "ccccc"
    assert model.file is not None
    model.file.write_bytes(b"other weights")
    other = replace(model)
    assert became(go(other, jobs, saturation=0.5)) == "fffff"


def test_a_model_without_a_file_remembers_nothing(model: Model, jobs: list[Job]) -> None:
    nameless = replace(model, file=None)
    assert became(go(nameless, jobs)) == "ccccc"
    assert became(go(nameless, jobs)) == "fffff"


def test_a_result_that_is_missing_is_made_again(model: Model, jobs: list[Job]) -> None:
    go(model, jobs)
    jobs[2].target.unlink()  # or the process was killed before it took its place
    assert became(go(model, jobs)) == "sscss"


def test_a_result_that_somebody_retouched_stays_unless_told(model: Model, jobs: list[Job]) -> None:
    go(model, jobs)
    jobs[2].target.write_bytes(b"retouched")
    assert became(go(model, jobs)) == "sssss"
    assert jobs[2].target.read_bytes() == b"retouched"
    assert became(go(model, jobs, overwrite=True)) == "sscss"


def test_what_was_there_before_is_no_result_of_ours(model: Model, jobs: list[Job]) -> None:
    jobs[0].target.parent.mkdir()
    jobs[0].target.write_bytes(b"precious")
    assert became(go(model, jobs)) == "fcccc"
    assert became(go(model, jobs)) == "fssss"
    assert jobs[0].target.read_bytes() == b"precious"


def test_killed_while_replacing_what_was_there(model: Model, jobs: list[Job], tmp_path: Path) -> None:
    """The line of the new result is written, and the old result is still in its place."""
    (job,) = jobs[:1]
    go(model, [job])
    old = job.target.read_bytes()
    go(model, [job], saturation=0.5, overwrite=True)
    assert job.target.read_bytes() != old
    job.target.write_bytes(old)
    assert became(go(model, [job], saturation=0.5)) == "f"
    assert became(go(model, [job], saturation=0.5, overwrite=True)) == "c"


def test_killed_while_replacing_somebodys_file(model: Model, jobs: list[Job]) -> None:
    (job,) = jobs[:1]
    job.target.parent.mkdir()
    job.target.write_bytes(b"precious")
    assert became(go(model, [job], overwrite=True)) == "c"
    assert became(go(model, [job])) == "s"
    made = job.target.read_bytes()
    job.target.write_bytes(b"retouched")
    assert became(go(model, [job])) == "s"
    job.target.write_bytes(b"precious")  # as it is when the process is killed before the result takes its place
    assert became(go(model, [job])) == "f"
    assert became(go(model, [job], overwrite=True)) == "c"
    assert job.target.read_bytes() == made


def test_a_ledger_that_was_cut_short_is_read_as_far_as_it_goes(model: Model, jobs: list[Job], tmp_path: Path) -> None:
    go(model, jobs)
    file = tmp_path / "out/.zoo-album.jsonl"
    whole = file.read_bytes()
    file.write_bytes(b'\n[]\n{"target": 5}\n\xff\n' + whole[:-30])
    outcomes = go(model, jobs)
    # Two write at once, so the last line need not be the last photograph's.
    (lost,) = [job for job, letter in zip(jobs, became(outcomes), strict=True) if letter == "f"]
    assert became(outcomes).count("s") == 4
    lost.target.unlink()
    assert sorted(became(go(model, jobs))) == list("cssss")
    assert became(go(model, jobs)) == "sssss"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_ledger_is_not_written_through_a_link(model: Model, jobs: list[Job], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "diary").write_text("mine")
    (tmp_path / "out/.zoo-album.jsonl").symlink_to(tmp_path / "diary")
    assert became(go(model, jobs)) == "fffff"
    assert (tmp_path / "diary").read_text() == "mine"


def test_a_line_is_there_before_its_result(
    model: Model, jobs: list[Job], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def killed(self: Path, target: Path) -> None:
        raise OSError("killed")

    monkeypatch.setattr(Path, "replace", killed)
    go(model, jobs[:1])
    line = json.loads((tmp_path / "out/.zoo-album.jsonl").read_text())
    assert line["target"] == "0.png"
    assert line["original"] == sha256_of(jobs[0].source)
    monkeypatch.undo()
    assert became(go(model, jobs)) == "ccccc"


def test_several_may_write_at_once(tmp_path: Path) -> None:
    made = Made("a", "b", {"seed": 1})
    ledgers = [Ledger(tmp_path, part) for part in ("", "1-of-2", "2-of-2")]
    for number, ledger in enumerate(ledgers):
        ledger.add(tmp_path / f"{number}.png", made, "hash", "1")
        (tmp_path / f"{number}.png").write_bytes(b"x")
        ledger.close()
    assert len(list(tmp_path.glob(".zoo-album*.jsonl"))) == 3
    whole = Ledger(tmp_path, "other")
    assert all(whole.is_done(tmp_path / f"{number}.png", made) for number in range(3))
    assert not whole.is_done(tmp_path / "0.png", replace(made, settings={"seed": 2}))


# ------------------------------------------------------------------------------------------------- shards


def test_shards_share_an_album_out(jobs: list[Job], tmp_path: Path) -> None:
    many = [replace(jobs[0], name=f"album/{number}.jpg") for number in range(1000)]
    shards = [take_shard(many, f"{number}/16") for number in range(1, 17)]
    assert sorted(job.name for shard in shards for job in shard) == sorted(job.name for job in many)
    assert min(map(len, shards)) > 30
    fewer = take_shard(many[::2], "3/16")
    assert set(fewer) == {job for job in shards[2] if job in many[::2]}
    assert take_shard(jobs, "1/1") == jobs


@pytest.mark.parametrize("shard", ["", "3", "0/4", "5/4", "3/0", "-1/4", "a/b", "1/2/3", "１/2"])
def test_shards_that_are_none(shard: str) -> None:
    with pytest.raises(UsageError, match="such as 3/16"):
        take_shard([], shard)


# ------------------------------------------------------------------------------------------------- proofs


def test_proof_sheets_replace_nothing(model: Model, jobs: list[Job], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "zoo-proof-1.jpg").write_bytes(b"precious")
    jobs[3].source.write_bytes(b"no picture")
    outcomes = colorize_all(model, jobs * 3, overwrite=True)
    assert became(list(ProofSheets(out).of(outcomes))) == "cccfc" * 3
    assert (out / "zoo-proof-1.jpg").read_bytes() == b"precious"
    assert not (out / "zoo-proof-3.jpg").exists()
    with Image.open(out / "zoo-proof-2.jpg") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    spread = np.ptp(pixels, axis=2)
    half = 10 + 280
    assert spread[10:290, 10:half].max() < 30
    assert spread[10:290, half + 4 : half + 284].max() > 30


def test_hints_are_settings(jobs: list[Job], tmp_path: Path) -> None:
    class Taking(nn.Module):
        def forward(self, lightness: Tensor, hints: Tensor) -> Tensor:
            return lightness.repeat(1, 2, 1, 1) * 0.1

    (tmp_path / "m").write_bytes(b"weights")
    taking = Model(Taking().eval(), RECIPE, {}, torch.device("cpu"), "taking", tmp_path / "m")

    def again(*hints: Hint) -> str:
        given = {jobs[0].source: list(hints)}
        return became(list(colorize_all(taking, jobs, hints=given, ledger=Ledger(tmp_path / "out"))))

    first = Hint(1, 2, (9, 9, 200))
    assert again(first) == "ccccc"
    assert again(first) == "sssss"
    assert again(first, Hint(5, 5, (0, 0, 0))) == "fssss"
    assert (tmp_path / "out/.zoo-album.jsonl").is_file()
