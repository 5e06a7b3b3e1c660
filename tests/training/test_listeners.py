"""Whoever follows a run hears of everything, and can neither slow it down nor stop it."""

from __future__ import annotations

import csv
import inspect
import json
import re
import struct
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Notes, same, tiny, weights

from zoo import Run, RunInfo, UsageError, hookimpl, registry, train
from zoo.registry import Registry, hookspecs
from zoo.registry.plugins import Plugin, make_hooks
from zoo.training import listeners, resume
from zoo.training.objective import Objective
from zoo.training.trainer import Trainer

REGISTRY = registry.get


class Heard:
    """Writes down all events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def hooks(self) -> Any:
        class Everything:
            pass

        for name, event in vars(hookspecs).items():
            if name.startswith("zoo_") and name not in hookspecs.OFFERS:
                setattr(Everything, name, hookimpl(self._note(name, [*inspect.signature(event).parameters])))
        return make_hooks(Everything())

    def _note(self, name: str, arguments: list[str]) -> Any:
        listed = ", ".join(arguments)
        space: dict[str, Any] = {"note": lambda **about: self.events.append((name, about))}
        exec(f"def {name}(self, {listed}): note({', '.join(f'{a}={a}' for a in arguments)})", space)
        return space[name]


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let objects listen to the runs of a test, as a plugin's module would."""

    def by(**objects: Any) -> None:
        known = registry.get()
        plugins = [Plugin(name, "test", "1", listener=hooks) for name, hooks in objects.items()]
        monkeypatch.setattr(registry, "get", lambda: Registry((*known.plugins, *plugins), known.catalogue))

    return by


def test_a_listener_hears_of_everything_in_order(listening: Any) -> None:
    heard = Heard()
    listening(heard=heard.hooks())
    run = train(tiny(steps=12, val_every=6), name="mine")
    names = [name for name, _ in heard.events if name != "zoo_checkpoint_saved"]
    assert names == [
        "zoo_run_started", "zoo_metrics", "zoo_samples", "zoo_step", "zoo_step", "zoo_metrics", "zoo_samples",
        "zoo_run_ended",
    ]  # fmt: skip
    saved = [about for name, about in heard.events if name == "zoo_checkpoint_saved"]
    assert [(about["step"], about["checkpoint"].name) for about in saved] == [
        (6, "step-00000006"), (12, "step-00000012"),
    ]  # fmt: skip
    by_name = dict(reversed(heard.events))
    assert by_name["zoo_run_started"]["run"].path == run.path
    assert by_name["zoo_run_started"]["step"] == 0
    assert by_name["zoo_step"]["status"].step == 10
    assert set(by_name["zoo_step"]["status"].losses) == {"critic", "l1", "adv"}
    assert by_name["zoo_metrics"]["metrics"]["chroma_error"] > 0
    assert by_name["zoo_samples"]["picture"].is_file()
    assert by_name["zoo_run_ended"]["state"] == "finished"


def test_one_that_fails_is_named_once_and_the_run_goes_on(listening: Any) -> None:
    class Bad:
        @hookimpl
        def zoo_step(self) -> None:
            raise RuntimeError("no connection")

    heard, notes = Heard(), Notes()
    listening(bad=make_hooks(Bad()), heard=heard.hooks())
    plain = train(tiny(steps=30), name="mine", callback=notes)
    assert plain.info["state"] == "finished"
    assert [note for note in notes.notes if "bad" in note] == [
        "the listener bad failed at zoo_step: RuntimeError: no connection; what else fails there is not shown"
    ]
    assert plain.info["listeners"]["bad"]["error"] == "zoo_step: RuntimeError: no connection"
    assert plain.info["listeners"]["heard"]["error"] is None
    assert any(name == "zoo_alarm" and "no connection" in about["message"] for name, about in heard.events)


def test_one_that_dies_of_an_interruption_is_named(listening: Any) -> None:
    class Bad:
        @hookimpl
        def zoo_step(self) -> None:
            raise KeyboardInterrupt

    notes = Notes()
    listening(bad=make_hooks(Bad()))
    run = train(tiny(steps=20), name="mine", callback=notes)
    assert run.info["state"] == "finished"
    assert [note for note in notes.notes if "bad failed at zoo_step: KeyboardInterrupt" in note]


def test_one_that_sleeps_slows_nothing_down(listening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    awake = threading.Event()

    class Sleeper:
        @hookimpl
        def zoo_step(self) -> None:
            awake.wait(600)

    monkeypatch.setattr(listeners, "QUEUE_SIZE", 2)
    monkeypatch.setattr(listeners, "PATIENCE", 0.2)
    notes = Notes()
    listening(sleeper=make_hooks(Sleeper()))
    start = time.monotonic()
    try:
        run = train(tiny(steps=40, val_every=40), name="mine", callback=notes)
        assert time.monotonic() - start < 300
    finally:
        awake.set()
    assert run.info["state"] == "finished"
    assert "the listener sleeper is slow: events pass it by" in notes.notes
    assert "the listener sleeper was still busy at the end; nobody waited for it" in notes.notes
    assert run.info["listeners"]["sleeper"]["passed_by"] > 0
    assert same(weights(run), weights(train(tiny(steps=40, val_every=40), name="again")))


def of_the_hooks_page(name: str) -> Any:
    """Return a file of the page as a module."""
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
    module = types.ModuleType(name)
    (code,) = re.findall(rf"<!-- file: mine/{name}.py -->\n```python\n(.*?)```", page, re.DOTALL)
    exec(code, vars(module))
    return module


def test_the_examples_of_the_hooks_page_follow_a_run(listening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listening(diary=make_hooks(of_the_hooks_page("diary")))
    image = Objective.image

    def first(self: Objective, fake: Any, real: Any, *step: Any, **resting: Any) -> Any:
        monkeypatch.setattr(Objective, "image", image)
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Objective, "image", first)
    run = train(tiny(steps=10, val_every=10), name="mine")
    text = (run.path / "diary.txt").read_text()
    for line in (
        "unet/unet-shallow:base=4,depth=4,norm=none,dropout=false,up=transposed begins at step 0\n",
        "step 10: l1 ",
        "step 10: the mean error is ",
        "step 10: look at step-00000010.png\n",
        "step 10: step-00000010 is safe\n",
        "out of memory: going on with micro-batches of 2\n",
        "finished after 10 steps\n",
    ):
        assert line in text


class Impatient:
    """Asks a run to stop, at some step."""

    def __init__(self, at: int = 10, reason: str = "seen  enough\nof it") -> None:
        self.at, self.reason = at, reason

    @hookimpl
    def zoo_metrics(self, run: RunInfo, step: int) -> None:
        if step >= self.at:
            run.request_stop(self.reason)
            time.sleep(0.05)
            run.request_stop("another reason")


def patiently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let steps wait for listeners."""
    step = Trainer.step

    def slow(self: Trainer, *about: Any) -> Any:
        time.sleep(0.02)
        return step(self, *about)

    monkeypatch.setattr(Trainer, "step", slow)


def test_one_may_ask_for_a_stop(listening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patiently(monkeypatch)
    notes, heard = Notes(), Heard()
    listening(impatient=make_hooks(Impatient()), heard=heard.hooks())
    run = train(tiny(steps=200, val_every=5, lr_decay=0), name="mine", callback=notes)
    assert run.info["state"] == "interrupted"
    assert run.info["reason"] == "the listener impatient asked for it: seen enough of it"
    assert notes.heard[-2:] == ["stopped: the listener impatient asked for it: seen enough of it", "interrupted"]
    assert heard.events[-1][1]["state"] == "interrupted"
    steps = run.info["progress"]["steps"]
    assert 10 <= steps < 100
    # It goes on from there, with nothing lost, to an end of its own.
    monkeypatch.setattr(registry, "get", REGISTRY)
    resume(run, steps=steps + 5)
    assert run.info["state"] == "finished"
    assert run.info["reason"] is None
    assert same(weights(run), weights(train(tiny(steps=steps + 5, val_every=5, lr_decay=0), name="whole")))


def test_a_stop_that_comes_too_late_changes_nothing(listening: Any) -> None:
    impatient = Impatient(at=4)
    listening(impatient=make_hooks(impatient))
    run = train(tiny(steps=4, val_every=10), name="mine")
    assert run.info["state"] == "finished"
    assert run.info["reason"] is None
    RunInfo("mine", run.path, {}).request_stop("of no run")


def test_the_listener_of_the_hooks_page_ends_a_run_that_no_longer_learns(
    listening: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    patiently(monkeypatch)
    listening(patience=make_hooks(of_the_hooks_page("patience").Patience(validations=1)))
    run = train(tiny(steps=100, val_every=2, lr=1e-12), name="mine")
    assert run.info["reason"] == "the listener patience asked for it: no better for 1 validations"


# ------------------------------------------------------------------------------------------------- trackers


def stopped_and_resumed(recipe: Any) -> Run:
    """A run of twice as many steps as the recipe says, lengthened after its end."""
    run = train(recipe, name="mine")
    return resume(run, extend=True, steps=2 * recipe.steps)


def test_csv_holds_every_measure_once() -> None:
    run = stopped_and_resumed(tiny(steps=20, val_every=10, track="csv"))
    with (run.path / "metrics.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    keys = [(int(line["step"]), line["name"]) for line in lines]
    assert len(set(keys)) == len(keys)
    assert {step for step, name in keys if name == "loss/l1"} == {10, 20, 30, 40}
    assert {step for step, name in keys if name == "val/psnr"} == {10, 20, 30, 40}
    found = {key: float(line["value"]) for key, line in zip(keys, lines, strict=True)}
    for line in run.metrics:
        for name, value in line.get("losses", {}).items():
            assert found[line["step"], f"loss/{name}"] == pytest.approx(value)


def test_a_resumed_run_forgets_the_lines_of_steps_that_it_takes_again() -> None:
    run = train(tiny(steps=10, track="csv"), name="mine")
    with (run.path / "metrics.csv").open("a") as file:
        file.write("99,loss/l1,1.0\n98,loss")
    resume(run, extend=True, steps=20)
    text = (run.path / "metrics.csv").read_text()
    assert "99,loss/l1" not in text
    assert "98,loss" not in text


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_tensorboards_own_reader_finds_the_curves_and_the_samples() -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = stopped_and_resumed(tiny(steps=20, val_every=10, track="tensorboard"))
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/l1")] == [10, 20, 30, 40]
    expected = [line["val"]["psnr"] for line in run.metrics if "val" in line]
    assert [event.value for event in events.Scalars("val/psnr")] == pytest.approx(expected, rel=1e-5)
    images = events.Images("samples")
    assert [image.step for image in images] == [10, 20, 30, 40]
    assert images[0].encoded_image_string.startswith(b"\x89PNG")


@pytest.mark.filterwarnings("ignore")  # wandb's own
def test_wandb_keeps_an_offline_run_and_goes_on_with_the_same() -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    run = stopped_and_resumed(tiny(steps=20, val_every=10, track="wandb:project=colours,mode=offline"))
    assert run.info["listeners"]["wandb"]["error"] is None
    files = sorted(run.path.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2
    steps: list[list[int]] = []
    for file in files:
        records = [wandb_internal_pb2.Record.FromString(data) for data in wandb_log(file)]
        (begun,) = [record.run for record in records if record.HasField("run")]
        assert (begun.run_id, begun.project) == ((run.path / "wandb-id.txt").read_text(), "colours")
        lines = [
            {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
            for record in records
            if record.HasField("history")
        ]
        steps.append([json.loads(line["step"]) for line in lines if "loss/l1" in line])
        assert any("val/psnr" in line for line in lines)
        assert any("samples" in line or "samples._type" in line for line in lines)
    assert steps == [[10, 20], [30, 40]]


@pytest.mark.filterwarnings("ignore")
def test_wandb_without_an_account_says_so_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")

    def login() -> None:
        raise wandb.errors.UsageError("No API key configured.")

    monkeypatch.setattr(wandb, "login", login)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with pytest.raises(UsageError, match=r"No API key configured\. Or write wandb:mode=offline"):
        train(tiny(track="wandb"))
    assert not Path("runs").exists()


def wandb_log(file: Path, block: int = 32768) -> Iterator[bytes]:
    """Read the records of wandb's file: LevelDB's log format, after a header of 7 bytes."""
    data = file.read_bytes()
    assert data.startswith(b":W&B")
    position, record = 7, b""
    while position + 7 <= len(data):
        if block - position % block < 7:
            position += block - position % block
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        record += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # full, last
            yield record
            record = b""


def test_a_tracker_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tensorboard", "wandb"):
        monkeypatch.setattr(f"zoo_trackers.{module}.find_spec", lambda name: None)
        with pytest.raises(UsageError, match=f"is not installed: pip install {module}$"):
            train(tiny(track=module))
    with pytest.raises(UsageError, match="there is no tracker 'tensorbord': did you mean 'tensorboard'"):
        train(tiny(track="csv,tensorbord"))
    assert not Path("runs").exists()
