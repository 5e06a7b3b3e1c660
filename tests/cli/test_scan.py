"""What people see of a data set that looks through its files, and how they end it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

import zoo.cli.scan_bar
from zoo.cli.scan_bar import ScanBar

STUCK = """
import time
import zoo.cli.scan_bar, zoo_datasets.folder

def judge(root, file, judge=zoo_datasets.folder._judge):
    if file.path > "06":
        time.sleep(30)
    return judge(root, file)

zoo_datasets.folder._judge = judge
zoo.cli.scan_bar._PRINTED_EVERY = zoo.cli.scan_bar._AT_ONCE = 0.0
from zoo.cli.main import app
app()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("number", "words"),
    [pytest.param(signal.SIGINT, (), id="SIGINT"), pytest.param(signal.SIGTERM, ("--dry-run",), id="SIGTERM, dry run")],
)
def test_a_signal_ends_it_at_once(number: signal.Signals, words: tuple[str, ...], photos: Path) -> None:
    command = [sys.executable, "-c", STUCK, "run", "--data", str(photos), "--device", "cpu", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as zoo:
        assert zoo.stdout is not None
        lines = []
        while not (lines and lines[-1].startswith("photographs: 6 of 12")):
            lines.append(zoo.stdout.readline())
            assert lines[-1], zoo.communicate()
        start = time.monotonic()
        zoo.send_signal(number)
        _, errors = zoo.communicate(timeout=20)
    assert time.monotonic() - start < 5
    assert zoo.returncode == 130
    assert errors == "interrupted\n"
    assert "photographs: 12 found\n" in lines
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
