"""Every run has curves and a page, which cost it next to nothing and can't harm it."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import zoo_report.plugin
from tiny import Notes, tiny
from zoo_report import following
from zoo_report.curves import MOST, Curve, Curves, Reader
from zoo_report.following import CURVES, PAGE, Following
from zoo_report.page import SAMPLES, to_html

from zoo import Run, RunInfo, train
from zoo.training import resume

FOLLOW = zoo_report.plugin.follow


@pytest.fixture
def following_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo_report.plugin, "follow", FOLLOW)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was drawn, by its newest step, without matplotlib."""
    steps: list[int] = []

    def draw(curves: Curves) -> tuple[bytes, str]:
        steps.append(curves.step)
        return b"png", f"<svg>{curves.step}</svg>"

    monkeypatch.setitem(sys.modules, "zoo_report.figure", types.SimpleNamespace(draw=draw))  # type: ignore[arg-type]
    return steps


def losses(step: int, **values: float) -> dict[str, Any]:
    return {"step": step, "images": 4 * step, "epoch": 0.5, "seconds": 1.0, "images_per_second": 9.0, "losses": values}


def validation(step: int, grey: float = 15.0, **values: float) -> dict[str, Any]:
    return {"step": step, "images": 4 * step, "val": values, "grey": dict.fromkeys(values, grey)}


def write(folder: Path, *lines: dict[str, Any]) -> RunInfo:
    folder.mkdir(exist_ok=True)
    with (folder / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return RunInfo(folder.name, folder, {"generator": "unet-deep", "lr": 2e-4, "keep_epochs": [1, 2]})


# ------------------------------------------------------------------------------------------------- runs


@pytest.mark.slow
def test_a_run_writes_both_files(following_runs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.training.listeners.PATIENCE", 60.0)
    run = train(tiny(steps=10, val_every=5), name="mine")
    assert (run.path / CURVES).read_bytes().startswith(b"\x89PNG")
    page = (run.path / PAGE).read_text("utf-8")
    assert '<b class="finished">finished</b>' in page
    # matplotlib draws text as shapes, and says in a comment what it is.
    for text in ("chroma_error", "grey", "loss l1", "loss critic", "images per second"):
        assert f"<!-- {text} -->" in page
    assert "stroke-dasharray" in page
    assert 'src="samples/step-00000005.png"' in page
    assert run.info["listeners"]["report"]["error"] is None


def test_a_broken_matplotlib_does_not_harm_the_run(following_runs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zoo_report.figure", None)  # type: ignore[arg-type]
    notes = Notes()
    run = train(tiny(steps=6, val_every=3), name="mine", callback=notes)
    assert run.info["state"] == "finished"
    (note,) = (note for note in notes.notes if "report" in note)
    assert note.startswith("the listener report failed at zoo_samples: ")
    assert "zoo_report.figure" in note
    assert not (run.path / CURVES).exists()
    assert "They cannot be drawn: " in (run.path / PAGE).read_text("utf-8")


def test_a_registry_switches_it_off(following_runs: None, drawn: list[int]) -> None:
    Path("registry.toml").write_text('disabled = ["report"]\n')
    run = train(tiny(), name="mine")
    assert not (run.path / PAGE).exists()
    assert "report" not in run.info["listeners"]
    assert drawn == []


def test_a_resumed_run_goes_on(following_runs: None, drawn: list[int]) -> None:
    run = train(tiny(steps=4, val_every=9), name="mine")
    resume(run.path, extend=True, steps=8)
    assert drawn == [4, 8]
    page = (run.path / PAGE).read_text("utf-8")
    assert "<svg>8</svg>" in page
    assert re.findall(r"samples/step-(\d+)\.png\"><img", page) == ["00000008", "00000004"]


# ------------------------------------------------------------------------------------------------- when it writes


def test_it_takes_a_small_share_of_the_time(tmp_path: Path, drawn: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(following, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    run = write(tmp_path / "mine", losses(10, l1=3.0), validation(10, psnr=20.0))
    follower = Following(run)
    slow = to_html

    def takes_a_second(*about: Any) -> str:
        now[0] += 1.0
        return slow(*about)

    monkeypatch.setattr(following, "to_html", takes_a_second)
    follower.validated()
    write(run.path, validation(20, psnr=21.0))
    now[0] += 48.0
    follower.validated()
    assert drawn == [10]
    now[0] += 1.0
    follower.validated()
    assert drawn == [10, 20]
    # The end is always written.
    write(run.path, validation(30, psnr=22.0))
    follower.ended("interrupted")
    assert drawn == [10, 20, 30]
    assert ">interrupted<" in (run.path / PAGE).read_text("utf-8")


def test_nothing_is_drawn_twice(tmp_path: Path, drawn: list[int]) -> None:
    run = write(tmp_path / "mine", validation(10, psnr=20.0))
    follower = Following(run)
    follower.validated()
    (run.path / "run.json").write_text(json.dumps({"reason": "the disk <b>", "device": "cpu"}))
    follower.ended("failed")
    assert drawn == [10]
    page = (run.path / PAGE).read_text("utf-8")
    assert '<p class="bad">the disk &lt;b&gt;</p>' in page
    assert "<svg>10</svg>" in page


def test_a_run_that_measured_nothing_has_no_page(tmp_path: Path, drawn: list[int]) -> None:
    Following(write(tmp_path / "mine")).ended("failed")
    assert not (tmp_path / "mine" / PAGE).exists()


# ------------------------------------------------------------------------------------------------- what is read


def test_lines_are_read_once_and_a_half_one_later(tmp_path: Path) -> None:
    run = write(tmp_path / "mine", losses(10, l1=3.0))
    file = run.path / "metrics.jsonl"
    reader = Reader(file)
    assert reader.read()
    assert not reader.read()
    whole = json.dumps(losses(20, l1=2.0)) + "\n"
    with file.open("a") as half:
        half.write(whole[:30])
    assert not reader.read()
    with file.open("a") as rest:
        rest.write(whole[30:] + '[1]\nnull\n{"step": "x"\n')
    assert reader.read()
    assert reader.curves.losses["l1"].points == [(10, 3.0), (20, 2.0)]


def test_steps_that_are_taken_again_replace_the_old_ones(tmp_path: Path) -> None:
    run = write(tmp_path / "mine", losses(10, l1=3.0), losses(20, l1=99.0))
    reader = Reader(run.path / "metrics.jsonl")
    reader.read()
    Run(run.path).drop_metrics_after(10)
    write(run.path, losses(20, l1=2.0))
    assert reader.read()
    assert reader.curves.losses["l1"].points == [(10, 3.0), (20, 2.0)]


def test_a_missing_file_is_no_news(tmp_path: Path) -> None:
    assert not Reader(tmp_path / "metrics.jsonl").read()


def test_of_a_long_file_some_lines_are_read_and_every_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [losses(step, l1=1.0) for step in range(1, 101)]
    run = write(tmp_path / "mine", *lines, validation(100, psnr=20.0))
    monkeypatch.setattr("zoo_report.curves._PARSED", (run.path / "metrics.jsonl").stat().st_size // 4)
    reader = Reader(run.path / "metrics.jsonl")
    reader.read()
    assert len(reader.curves.losses["l1"].points) == 20
    assert reader.curves.metrics["psnr"].points == [(100, 20.0)]


def test_a_curve_has_no_more_points_than_can_be_seen() -> None:
    curve = Curve()
    for step in range(10_000):
        curve.add(step, float(step))
    points = curve.points
    assert MOST <= len(points) <= 2 * MOST + 1
    assert [step for step, _ in points] == sorted(step for step, _ in points)
    assert all(step == value for step, value in points)
    assert points[-1][0] > 9_900
    curve.add(10_000, float("nan"))
    assert len(curve.points) == len(points)


# ------------------------------------------------------------------------------------------------- what it shows


def test_names_and_values_are_escaped_and_samples_bounded(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    for step in range(40):
        (samples / f"step-{step:08d}.png").write_bytes(b"")
    (samples / ".zoo-1.png").write_bytes(b"")
    curves = Curves()
    curves.add(validation(40, psnr=20.0))
    run = RunInfo("<script>", tmp_path, {"data": "folder:path=/a<b>&", "lr": 0.1})
    page = to_html(run, "running", {"reason": "earlier"}, curves, "<svg></svg>", "")
    assert "<script>" not in page
    assert "folder:path=/a&lt;b&gt;&amp;" in page
    assert "earlier" not in page
    shown = re.findall(r"samples/step-(\d+)\.png\"><img", page)
    assert len(shown) == len(set(shown)) == SAMPLES
    assert (shown[-1], shown[0]) == ("00000000", "00000039")
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.slow
def test_curves_are_drawn_with_the_line_of_grey() -> None:
    from zoo_report.figure import draw

    curves = Curves()
    for step in range(10, 600, 10):
        curves.add(losses(step, l1=1000.0 if step == 10 else 3.0 + step % 3, adv=float("nan")))
    curves.add(validation(300, psnr=20.0))
    curves.add(validation(600, psnr=22.0))
    png, svg = draw(curves)
    assert png.startswith(b"\x89PNG")
    assert svg.startswith("<svg")
    assert "<!-- grey -->" in svg
    assert "<!-- loss l1 -->" in svg
    # What is no number has no plot.
    assert "<!-- loss adv -->" not in svg
    curves.grey = {}
    assert "<!-- grey -->" not in draw(curves)[1]
