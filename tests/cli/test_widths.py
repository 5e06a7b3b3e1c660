"""However narrow a terminal is, numbers are whole; in a pipe nothing is wrapped, and nothing cut."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from zoo.cli.main import app
from zoo.cli.runs_table import read_all, runs_table
from zoo.cli.terminal import Display
from zoo.colorize.album import Outcome
from zoo.colorize.planning import Job
from zoo.events import Status
from zoo.recipe import Recipe
from zoo.run import Run

LONG = "a-run-with-a-name-that-is-rather-long-for-a-terminal"
METRICS = {"chroma_error": 21.6673, "psnr": 19.8252, "colourfulness": 0.010304, "variety": 1.0}
WHY = "cpu has not enough memory for one image of 4321×4321 pixels: use a smaller --size or a smaller generator"


def make_run(name: str, data: str, *, state: str = "finished", reason: str | None = None) -> None:
    recipe = Recipe(
        generator="unet/unet-deep:base=4", critic="critics/patch", loss="100*losses/l1+1*losses/adv", data=data,
        size=1024, epochs=3,
    )  # fmt: skip
    run = Run.create("runs", recipe, name=name)
    progress = {"progress": 1.0, "steps": 123456, "images": 6, "epochs": 12.3, "seconds": 45296.0}
    run.write_info(
        {
            "state": state,
            "reason": reason,
            "progress": progress,
            "metrics": METRICS,
            "photographs": {"fingerprint": ""},
            "pid": 0,
            "host": "",
        }
    )


@pytest.fixture
def _runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(LONG, "datasets/folder:path=/home/somebody/a long path/to the photographs/album,val=0.05")
    make_run("short", "datasets/scenes")
    make_run("unlucky", "datasets/scenes", state="failed", reason=WHY)
    Path("runs/bad").mkdir()
    Path("runs/bad/run.json").write_text("{")


def shown(content: RenderableType, width: int) -> str:
    console = Console(width=width, force_terminal=True, color_system=None, file=io.StringIO())
    console.print(content)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def runs_at(width: int) -> str:
    return shown(runs_table(read_all("runs"), Console(width=width, force_terminal=True)), width)


@pytest.mark.usefixtures("_runs")
def test_runs_at_80_columns() -> None:
    text = runs_at(80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["run", "state", "done", "chroma_error", "psnr", "size", "data"]
    row = next(line.split() for line in lines if line.startswith("short"))
    assert row == ["short", "finished", "100%", "21.7", "19.8", "1024", "scenes"]
    end = next(number for number, line in enumerate(lines) if line.startswith("bad"))
    assert "".join(line.split("  ")[0].strip() for line in lines[1:end]) == LONG
    assert "…/album" in text
    assert f"unlucky: {WHY}" in " ".join(text.split())


@pytest.mark.usefixtures("_runs")
@pytest.mark.parametrize("width", [35, 40, 50, 60, 70, 80, 100, 120, 160, 250])
def test_runs_show_numbers_whole_or_not_at_all(width: int) -> None:
    text = runs_at(width)
    assert max(map(len, text.splitlines())) <= width
    row = next(line.split() for line in text.splitlines() if line.startswith("short"))
    whole = {"short", "finished", "100%", "21.7", "19.8", "0.0103", "1", "1024", "scenes", "12:34:56", "12.3"}
    assert set(row) <= whole | {"unet-deep", "patch", "100*l1+1*adv"}
    assert {"short", "finished", "100%"} <= set(row)
    assert "1024" in row
    assert "12.3" in row or width < 160


@pytest.mark.usefixtures("_runs")
def test_runs_in_a_pipe_are_a_line_each_with_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = CliRunner().invoke(app, ["runs"]).stdout.splitlines()
    assert len(lines) == 5
    (line,) = (line for line in lines if LONG in line)
    for word in (
        "100%",
        "21.7",
        "19.8",
        "0.0103",
        "1024",
        "folder /home/somebody/a long path/to the photographs/album",
    ):
        assert word in line
    assert next(line for line in lines if line.startswith("short")).split()[-4:] == [
        "patch",
        "100*l1+1*adv",
        "12.3",
        "-",
    ]
    (line,) = (line for line in lines if line.startswith("unlucky"))
    assert line.endswith(WHY)
    (line,) = (line for line in lines if line.startswith("bad"))
    assert line.split()[:3] == ["bad", "unreadable", "-"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_live_line_breaks_in_no_number(width: int) -> None:
    console = Console(width=width, force_terminal=True, color_system=None, file=io.StringIO())
    losses = {"critic": 0.661, "l1": 12.9, "adv": 0.745, "gram": 0.00123}
    status = Status(123456, 10, 12.3, 12345.0, 0.123, losses, 123.4, 3 * 2**30, 0)
    with Display(console) as display:
        display.show_live("first step …")
        display.on_step(status)
        display.on_validation(123456, METRICS, {**METRICS, "variety": -7.6e-6}, Path())
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    words = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", text).split()
    for word in (
        "12%",
        "123456,",
        "12.3,",
        "24:27:00",
        "0.661",
        "0.00123",
        "123.4",
        "images/s,",
        "21.7",
        "0.0103)",
        "0)",
    ):
        assert word in words or f"({word}" in words
    assert "…" not in text.replace("first step …", "")


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("command", [["list"], ["show", "l2"], ["show", "adv"], ["plugins"]])
def test_tables_cut_nothing(command: list[str], width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = CliRunner().invoke(app, command).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    text = re.sub(r"\x1b\[[0-9;]*m", "", CliRunner().invoke(app, command).stdout)
    assert max(map(len, text.splitlines())) <= width
    # A path may be broken, where it is longer than a line; no summary is, and an ellipsis is only where one was.
    assert text.count("…") == whole.count("…")
    numbers = re.findall(r"(?<!\S)[\d.,]*\d(?!\S)", whole)
    assert set(numbers) - {"0.1.0"} <= set(text.split())


def test_list_in_a_pipe_is_a_line_for_each() -> None:
    lines = CliRunner().invoke(app, ["list"]).stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("  smp-deeplabv3plus"))
    assert "one skip connection" in line
    assert line.split()[-2:] == ["smp", line.split()[-1]]


def test_list_keeps_names_whole_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    text = CliRunner().invoke(app, ["list"]).stdout
    assert re.search("^  smp-unetplusplus +U-Net", text, re.MULTILINE)
    assert "…" not in text


def test_an_album_says_the_numbers_first(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.cli.terminal import print_album

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    target = Path("coloured/a folder with a long name/photograph.png")
    assert print_album([Outcome(Job(Path("photograph.jpg"), target), 12.3, 12345, 6789)], 1, Path("coloured")) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out)
    assert re.search(f"^12345×6789, 12.3 s  {target}$", text, re.MULTILINE)
