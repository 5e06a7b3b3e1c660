"""Whatever the terminal can show, nothing that is said to it fails."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from sites import zoo_
from typer.testing import CliRunner

from zoo.cli.console import make_console, write_anything
from zoo.cli.main import app

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [("list", 0), ("--help", 0), ("run --help", 0), ("registry", 0), ("plugins", 0), ("show grün", 2)],
)
def test_an_ascii_terminal_is_answered(words: str, exit_code: int) -> None:
    Path("registry.toml").write_text('[recipes.mine]\nextends = "demo"\nsummary = "Größe × 2 → …"\n', encoding="utf-8")
    answer = zoo_(*words.split(), **ASCII)
    assert answer.returncode == exit_code, answer.stderr
    assert "Traceback" not in answer.stderr
    if words == "list":
        assert answer.stdout.isascii()
        assert r"Gr\xf6\xdfe x 2 -> ..." in answer.stdout


@pytest.mark.slow
def test_a_dry_run_is_shown_by_an_ascii_terminal() -> None:
    words = "--recipe demo --size 32 --batch 2 --device cpu --set workers=0 --dry-run"
    answer = zoo_("run", *words.split(), **ASCII)
    assert answer.returncode == 0, answer.stderr
    assert "32x32" in answer.stdout


def test_what_is_no_text_is_written_as_the_bytes_that_it_is() -> None:
    for encoding in ("ascii", "utf-8", "latin-1"):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding)
        write_anything(stream)
        stream.write("caf\udce9 ×…\N{GRINNING FACE}")
        stream.flush()
        assert raw.getvalue().startswith(b"caf\xe9 ")
    write_anything(io.StringIO())


def test_a_file_name_that_is_no_text_is_an_error_in_words(photos: Path) -> None:
    folder = photos.rename(photos.with_name("caf\udce9"))
    answer = CliRunner().invoke(app, ["run", "--data", str(folder), "--dry-run"])
    assert answer.exit_code == 2
    assert " is a name that is not text in UTF-8, and no recipe can keep it" in answer.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_onto_a_full_disk_ends_nothing_that_is_worth_more(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w") as full:
        console = make_console(dispensable=True)
        console.file = full
        console.print("step 10")
        console.print("step 20")
    assert capsys.readouterr().err == (
        "note: the standard output cannot be written (the disk is full); going on without it\n"
    )
