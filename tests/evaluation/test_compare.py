"""Versions side by side: `zoo compare`, its sheets and its page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont
from typer.testing import CliRunner, Result

from zoo import UsageError, ZooError
from zoo.cli.main import app
from zoo.evaluation import comparing, comparison_page, sheets
from zoo.evaluation.comparing import choose, compare
from zoo.evaluation.comparison import Row
from zoo.evaluation.versions import find_versions, parse_epochs
from zoo.model import Model


def zoo_(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, words), "--device", "cpu"])


@pytest.fixture
def run(tmp_path: Path, model: Path) -> Path:
    """The folder of a run that kept two epochs."""
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    for name in ("model", "last", "epoch-5", "epoch-20"):
        (folder / f"{name}.safetensors").write_bytes(model.read_bytes())
    return folder


# ------------------------------------------------------------------------------------------------- versions


def test_a_run_stands_for_its_best_model_or_for_epochs(run: Path, model: Path) -> None:
    assert [version.label for version in find_versions([run, model])] == ["mine", "one"]
    assert find_versions([run])[0].source.file == run / "model.safetensors"
    epochs = find_versions([run], [20, 5])
    assert [version.label for version in epochs] == ["epoch 20", "epoch 5"]
    assert [version.source.file.name for version in epochs] == ["epoch-20.safetensors", "epoch-5.safetensors"]
    both = find_versions([str(run), str(model), "natural"], [5])
    assert [version.label for version in both] == ["mine: epoch 5", "one", "natural"]


def test_files_of_a_run_are_called_by_it(run: Path) -> None:
    found = find_versions([run / "last.safetensors", run / "epoch-5.safetensors"])
    assert [version.label for version in found] == ["mine: last", "mine: epoch-5"]


def test_what_would_be_called_alike_has_its_whole_path(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "one.safetensors"
    other.write_bytes(model.read_bytes())
    assert [version.label for version in find_versions([model, other])] == [str(model), str(other)]


def test_epochs_that_are_missing_are_named_with_those_there_are(run: Path, model: Path) -> None:
    with pytest.raises(UsageError, match=r"mine has no model of epoch 7, 8: it kept those of 5, 20$"):
        find_versions([run], [5, 7, 8])
    for epoch in (5, 20):
        (run / f"epoch-{epoch}.safetensors").unlink()
    with pytest.raises(UsageError, match=r"no model of epoch 5: `zoo run --keep-epochs` keeps them"):
        find_versions([run], [5])
    with pytest.raises(UsageError, match="--epochs are those of a run"):
        find_versions([model], [5])
    with pytest.raises(UsageError, match="given twice"):
        find_versions([model, model])


def test_epochs_are_whole_numbers() -> None:
    assert parse_epochs("50, 200,50") == [50, 200]
    assert parse_epochs(None) == []
    for text in ("", "5,", "a", "1.5", "-3", "²"):
        with pytest.raises(UsageError, match="write whole numbers"):
            parse_epochs(text)


# ------------------------------------------------------------------------------------------------- the command


def test_sheets_and_page_are_written(photos: Path, run: Path, tmp_path: Path) -> None:
    done = zoo_(run, "--epochs", "5,20", "--photos", photos / "00.png", "--photos", photos / "01.png")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "2 photographs: grey, epoch 5, epoch 20, original",
        "look at compare/compare.html, or at compare/sheet-1.png",
    ]
    assert sorted(path.name for path in (tmp_path / "compare").iterdir()) == ["compare.html", "sheet-1.png"]
    with Image.open(tmp_path / "compare" / "sheet-1.png") as sheet:
        assert sheet.width > 4 * 96
        assert sheet.height > 2 * 72
    page = (tmp_path / "compare" / "compare.html").read_text("utf-8")
    assert re.findall(r'<input type="radio"[^>]*>([^<]*?) <kbd>', page) == ["grey", "epoch 5", "epoch 20", "original"]
    assert re.findall(r'<img alt="([^"]*)"', page)[:2] == ["grey: 00.png", "epoch 5: 00.png"]
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_a_bad_file_does_not_stop_the_others(photos: Path, model: Path, tmp_path: Path) -> None:
    for number in range(2, 12):
        (photos / f"{number:02}.png").unlink()
    (photos / "00.png").write_bytes(b"no picture")
    done = zoo_(model, "--photos", photos, "-o", "out")
    assert done.exit_code == 1
    assert "left out: 00.png: cannot read " in done.stderr
    assert "1 photograph: grey, one, original" in done.stdout
    assert "<li>left out: 00.png: cannot read " in (tmp_path / "out" / "compare.html").read_text("utf-8")


# ------------------------------------------------------------------------------------------------- what is in it


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[Row]]]:
    """What went onto sheets: titles and rows."""
    seen: list[tuple[list[str], list[Row]]] = []
    draw: Callable[..., Any] = sheets.draw_sheets

    def noted(columns: list[str], rows: list[Row], side: int) -> Any:
        seen.append((columns, rows))
        return draw(columns, rows, side)

    monkeypatch.setattr(sheets, "draw_sheets", noted)
    return seen


def test_a_grey_photograph_has_no_original(photos: Path, model: Path, pages: list[Any], tmp_path: Path) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    Image.open(photos / "00.png").convert("L").save(folder / "a.png")
    compare(find_versions([model]), choose([folder]), tmp_path / "out", device="cpu")
    compare(find_versions([model]), choose([folder, photos / "01.png"]), tmp_path / "out", device="cpu")
    (only, _), (both, rows) = pages
    assert only == ["grey", "one"]
    assert both == ["grey", "one", "original"]
    assert rows[0].cells[2] == "already grey"
    assert isinstance(rows[1].cells[2], Path)


def test_pictures_are_the_models_and_no_larger_than_asked(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, np.ndarray[Any, Any]] = {}

    def keep(columns: list[str], rows: list[Row], side: int) -> list[Image.Image]:
        for column, cell in zip(columns, rows[0].cells, strict=True):
            assert isinstance(cell, Path)
            seen[column] = np.asarray(Image.open(cell))
        return []

    monkeypatch.setattr(sheets, "draw_sheets", keep)
    monkeypatch.setattr(comparison_page.PageWriter, "write", lambda *_: 1)
    found = find_versions([model])
    # It has not learned anything, and hardly dares to use colours.
    compare(found, choose([photos / "00.png"]), tmp_path / "out", side=48, saturation=200.0, device="cpu")
    assert {picture.shape for picture in seen.values()} == {(36, 48, 3)}
    assert np.ptp(seen["grey"], axis=2).max() <= 1
    assert np.ptp(seen["one"], axis=2).max() > 5
    assert np.ptp(seen["original"], axis=2).max() > 50
    before = seen["one"]
    compare(found, choose([photos / "00.png"]), tmp_path / "out", side=48, saturation=0.0, device="cpu")
    assert np.abs(seen["one"].astype(int) - seen["grey"]).max() <= 1
    assert (before != seen["one"]).any()


def test_a_model_that_fails_at_one_photograph_leaves_a_gap(
    photos: Path, model: Path, pages: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colorize, calls = Model.colorize, []

    def sometimes(self: Model, *about: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise ZooError("the generator predicts colours that are not numbers")
        return colorize(self, *about, **more)

    monkeypatch.setattr(Model, "colorize", sometimes)
    chosen = choose([photos], 2)
    told: list[tuple[int, int | None]] = []
    found = compare(
        find_versions([model]), chosen, tmp_path / "out", device="cpu", progress=lambda *at: told.append(at)
    )
    assert [(item.path, item.reason) for item in found.left_out] == [
        ("00.png, one", "the generator predicts colours that are not numbers")
    ]
    assert pages[0][1][0].cells[1] == "failed"
    assert told == [(0, 2), (1, 2), (1, 2), (2, 2)]


def test_originals_are_safe_and_old_sheets_go(photos: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for number in (2, 3, 5):
        (out / f"sheet-{number}.png").write_bytes(b"old")
    compare(find_versions([model]), choose([photos], 1), out, device="cpu")
    assert sorted(path.name for path in out.iterdir()) == ["compare.html", "sheet-1.png", "sheet-5.png"]
    (photos / "00.png").rename(photos / "sheet-1.png")
    before = (photos / "sheet-1.png").read_bytes()
    with pytest.raises(UsageError, match=r"sheet-1.png is one of the photographs"):
        compare(find_versions([model]), choose([photos]), photos, device="cpu")
    assert (photos / "sheet-1.png").read_bytes() == before


def test_of_many_photographs_some_are_chosen(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name for _, name in choose([photos], 3)] == ["00.png", "04.png", "08.png"]
    monkeypatch.setattr(comparing, "MOST", 2)
    assert [name for _, name in choose([photos])] == ["00.png", "06.png"]


# ------------------------------------------------------------------------------------------------- sheets and page


@pytest.fixture
def cells(tmp_path: Path) -> list[Path]:
    paths = []
    for place, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (60, 40), colour).save(tmp_path / f"{place}.png")
        paths.append(tmp_path / f"{place}.png")
    return paths


def test_pictures_stand_below_their_titles(cells: list[Path]) -> None:
    (sheet,) = sheets.draw_sheets(["a", "b", "c"], [Row("x.png", (cells[0], cells[1], "none"))], 320)
    pixels = np.asarray(sheet).astype(int)
    columns = [np.argwhere((pixels == colour).all(axis=2))[:, 1].mean() for colour in ((255, 0, 0), (0, 128, 0))]
    third = sheet.width / 3
    assert columns[0] < third < columns[1] < 2 * third


def test_there_are_as_many_sheets_as_it_takes(cells: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "TALLEST", 300)
    rows = [Row(f"{number}.png", tuple(cells)) for number in range(7)]
    drawn = list(sheets.draw_sheets(["a", "b", "c"], rows, 60))
    assert len(drawn) == 3
    assert max(sheet.height for sheet in drawn) <= 300


def test_many_versions_are_narrower() -> None:
    assert sheets.fitting(320, 5) == 320
    assert 100 * (sheets.fitting(320, 100) + 6) <= sheets.WIDEST


def test_a_long_title_keeps_both_ends() -> None:
    font = ImageFont.load_default(16)
    short = sheets.fit("a-very-long-run-with-a-name, epoch 200", font, 120)
    assert re.fullmatch(r"a-ve.*….*200", short)
    assert font.getlength(short) <= 120
    assert sheets.fit("two\nlines", font, 120) == "two lines"


def test_names_are_escaped_and_the_page_is_bounded(
    cells: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row('<img src="x">&.png', tuple(cells)), Row("second.png", tuple(cells))]
    page = comparison_page.PageWriter(["grey", "<b>", "original"], ["sheet-1.png", "sheet-2.png"])
    assert page.write(tmp_path / "page.html", rows, ["<i>: why"]) == 2
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "&lt;img src=&quot;x&quot;&gt;&amp;.png" in text
    assert not re.search(r"<(b|i)>|<img src=\"x", text)
    monkeypatch.setattr(comparison_page, "BUDGET", 1000)
    assert page.write(tmp_path / "page.html", rows, []) == 1
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "second.png" not in text
    assert "There was room for the first 1 here; all of them are in sheet-1.png to sheet-2.png." in text
