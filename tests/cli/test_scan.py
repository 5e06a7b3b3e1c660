"""What people see of a data set that looks through its files, and how they end it."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from pathlib import Path

import copies
import pytest
import zoo_datasets.folder
from rich.console import Console

import zoo.cli.scan_bar
from zoo.cli.scan_bar import ScanBar


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("number", "words"),
    [pytest.param(signal.SIGINT, (), id="SIGINT"), pytest.param(signal.SIGTERM, ("--dry-run",), id="SIGTERM, dry run")],
)
def test_a_signal_ends_it_at_once(number: signal.Signals, words: tuple[str, ...], photos: Path) -> None:
    judge = zoo_datasets.folder._judge

    def stuck(root: Path, file: zoo_datasets.folder.File) -> object:
        if file.path > "06":
            time.sleep(30)
        return judge(root, file)

    def run() -> None:
        zoo_datasets.folder._judge = stuck
        zoo.cli.scan_bar._PRINTED_EVERY = zoo.cli.scan_bar._AT_ONCE = 0.0
        copies.zoo("run", "--data", str(photos), "--device", "cpu", *words)

    started = copies.Copy(run)
    while "photographs: 6 of 12" not in started.said():
        assert started.poll() is None, started.wait()
        time.sleep(0.02)
    start = time.monotonic()
    os.kill(started.pid, number)
    lines = started.wait(20).splitlines()
    assert time.monotonic() - start < 5
    assert started.poll() == 130
    assert lines[-1] == "interrupted"
    assert "photographs: 12 found" in lines
    assert not Path("runs").exists()


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(zoo.cli.scan_bar.time, "monotonic", lambda: self.now)


def shown(terminal: bool, monkeypatch: pytest.MonkeyPatch, seconds_a_file: float) -> str:
    clock, output = Clock(monkeypatch), io.StringIO()
    scan = ScanBar(Console(file=output, force_terminal=terminal, width=100))
    for done in range(1, 4001):
        clock.now += seconds_a_file / 16
        scan(done, None)
    for done in range(1, 4001):
        clock.now += seconds_a_file
        scan(done, 4000)
    return output.getvalue()


def test_in_a_pipe_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = ["391", "1,031", "1,671", "2,311", "2,951", "3,591", "4,000"]
    lines = [f"photographs: {count} of 4,000 looked at" for count in counts]
    assert shown(False, monkeypatch, 1 / 64).splitlines() == lines


def test_in_a_terminal_there_is_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    output = shown(True, monkeypatch, 1 / 64)
    assert "found" in output
    assert "4,000 looked at" in output
    assert output.count("\x1b[?25l") == output.count("\x1b[?25h") > 0, "the cursor is there again"


@pytest.mark.parametrize("terminal", [True, False])
def test_what_takes_no_time_is_not_shown(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(terminal, monkeypatch, 1 / 16384) == ""
