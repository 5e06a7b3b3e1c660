"""`zoo evaluate`, as people type it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from zoo.cli.main import app
from zoo.evaluation import measure


def zoo_(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, words)])


def test_it_prints_a_table_and_writes_a_report(photos: Path, model: Path, tmp_path: Path) -> None:
    done = zoo_(model, "--data", photos, "--metrics", "chroma_error,colourfulness", "--device", "cpu")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("12 photographs of ")
    assert lines[1].startswith("sepia learned from 12 photographs of ")
    assert lines[2].split()[:3] == ["number", "grey", "sepia"]
    assert [line.split()[0] for line in lines[3:5]] == ["chroma_error", "colourfulness"]
    assert re.search(r"\d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\]", lines[3])
    assert "note: with 12 photographs, intervals are narrower than they should be" in done.stdout
    assert "12 of 12 measured" not in done.stdout
    assert (tmp_path / "evaluation" / "report.html").is_file()


def test_json_is_what_is_written(photos: Path, model: Path, tmp_path: Path) -> None:
    done = zoo_(model, "--data", photos, "--metrics", "psnr", "--json", "-o", "out", "--limit", "4")
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))
    assert done.exit_code == 0


@pytest.mark.parametrize("width", [36, 60])
def test_a_narrow_terminal_gets_whole_numbers(
    photos: Path, model: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    done = zoo_(model, "--data", photos, "--metrics", "chroma_error")
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert re.search(r"^chroma_error$", text, re.MULTILINE)
    assert re.search(r"^  grey  \d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\]$", text, re.MULTILINE)
    assert f"{model} − sepia" in text


def test_an_interrupt_writes_nothing(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "_compared", interrupted)
    done = zoo_(model, "--data", photos, "--metrics", "psnr")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (130, "interrupted")
    assert not (tmp_path / "evaluation").exists()
