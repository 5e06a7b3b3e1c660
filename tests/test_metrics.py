"""The lines of metrics.jsonl as a table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny import tiny

from zoo.metrics import Metrics
from zoo.run import Run

LINES = [
    {"step": 10, "epoch": 1.0, "seconds": 2.5, "memory": 5, "losses": {"critic": 0.693147, "l1": 12.0}},
    {"step": 10, "images": 40, "val": {"psnr": 20.123456}, "grey": {"psnr": 19.0}},
    {"step": 10, "alarm": {"name": "psnr", "text": "psnr is <20, below"}},
    {"step": 20, "epoch": 2.0, "seconds": 5.0, "memory": 5, "losses": {"critic": 0.5, "l1": 11.0}},
]
TABLE = """\
step  epoch  seconds  loss critic  loss l1   psnr               alarm
  10      1      2.5       0.6931       12  20.12  psnr is <20, below
  20      2        5          0.5       11
grey                                           19"""


def test_it_is_the_lines_and_shows_itself_as_a_table() -> None:
    metrics = Metrics(LINES)
    assert metrics == LINES
    assert str(metrics) == TABLE
    said: list[str] = []
    metrics._repr_pretty_(SimpleNamespace(text=said.append), False)
    assert said == [TABLE]
    html = metrics._repr_html_()
    assert html.count("<tr>") == 4
    assert ">20.12</td>" in html
    assert "psnr is &lt;20, below" in html


def test_a_row_has_all_of_a_step() -> None:
    first, second = Metrics(LINES).rows
    assert first == {
        "step": 10, "epoch": 1.0, "seconds": 2.5, "memory": 5, "loss critic": 0.693147, "loss l1": 12.0, "images": 40,
        "psnr": 20.123456, "grey psnr": 19.0, "alarm": "psnr is <20, below",
    }  # fmt: skip
    assert second["loss l1"] == 11.0


def test_pandas_takes_both() -> None:
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(Metrics(LINES))["step"].tolist() == [10, 10, 10, 20]
    frame = pandas.DataFrame(Metrics(LINES).rows)
    assert frame["loss critic"].tolist() == [0.693147, 0.5]
    assert frame["psnr"].isna().tolist() == [False, True]


def test_of_many_rows_the_validations_are_shown_and_how_many_there_are_is_said() -> None:
    lines = [{"step": step, "losses": {"l1": 1.0}} for step in range(1, 1001)]
    lines[::100] = [{**line, "val": {"psnr": float(line["step"])}, "grey": {"psnr": 0.0}} for line in lines[::100]]
    shown = str(Metrics(lines)).splitlines()
    assert [line.split()[0] for line in shown[1:-2]] == [str(step) for step in range(1, 1000, 100)]
    assert shown[-1] == "10 of 1000 rows; all are in `rows`"
    losses_alone = [line for line in lines if "val" not in line]
    shown = str(Metrics(losses_alone)).splitlines()
    assert (len(shown), shown[1].split()[0], shown[-2].split()[0]) == (32, "2", "1000")


def test_a_run_has_them(tmp_path: Path) -> None:
    run = Run.create(tmp_path, tiny())
    assert str(run.metrics) == "step\nnothing was measured yet"
    assert "nothing was measured yet" in run.metrics._repr_html_()
    for line in LINES:
        run.log(line)
    assert run.metrics.rows == Metrics(LINES).rows
