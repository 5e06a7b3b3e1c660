"""zoo.run: what a run's folder says of itself, damaged in every way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tiny import tiny
from typer.testing import CliRunner

from zoo import Run, UsageError, ZooError
from zoo.cli.main import app

INFO: dict[str, Any] = {
    "state": "interrupted",
    "reason": None,
    "progress": {"progress": 0.5, "steps": 2, "images": 8, "epochs": 0.25, "seconds": 3.5},
    "metrics": {"chroma_error": 20.0},
    "photographs": {"train": 10, "fingerprint": "x"},
    "pid": 1,
    "host": "elsewhere",
}


@pytest.fixture
def run() -> Run:
    run = Run.create("runs", tiny(), name="mine")
    run.write_info(INFO)
    return run


def test_what_it_says(run: Run) -> None:
    assert run.info.items() >= INFO.items()
    assert run.state == "interrupted"
    run.write_info({**INFO, "metrics": {"chroma_error": float("nan")}, "and": "more"})
    assert run.info["and"] == "more"


DAMAGES: list[tuple[dict[str, Any], str]] = [
    ({"state": "lost in thought"}, "state: input should be 'running'"),
    ({"state": ["x"]}, "state: input should be 'running'"),
    ({"reason": {}}, "reason: input should be a valid string"),
    ({"progress": 0.5}, "progress: expected a table in braces"),
    ({"progress": {**INFO["progress"], "seconds": "3"}}, "progress.seconds: input should be a valid number"),
    ({"progress": {**INFO["progress"], "seconds": float("inf")}}, "progress.seconds: input should be a finite number"),
    ({"progress": {}}, "progress.progress: field required"),
    ({"metrics": {"chroma_error": "x"}}, "metrics.chroma_error: input should be a valid number"),
    ({"photographs": {"fingerprint": 3}}, "photographs.fingerprint: input should be a valid string"),
    ({"pid": -1}, "pid: input should be greater than or equal to 0"),
    ({"pid": 2**70}, "pid: input should be less than"),
]


@pytest.mark.parametrize(("change", "message"), DAMAGES, ids=[message.split(":")[0] for _, message in DAMAGES])
def test_a_value_of_another_kind_is_named(run: Run, change: dict[str, Any], message: str) -> None:
    run.write_info({**INFO, **change})
    with pytest.raises(ZooError) as caught:
        _ = run.state
    assert str(caught.value).startswith(f"{run.path}/run.json is damaged: {message}")


@pytest.mark.parametrize("key", INFO)
def test_a_missing_key_is_named(run: Run, key: str) -> None:
    run.write_info({name: value for name, value in INFO.items() if name != key})
    with pytest.raises(ZooError, match=rf"runs/mine/run\.json is damaged: {key}: field required"):
        _ = run.info


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "Expecting property name"), (b"[]", "expected a table in braces"),
     (b"[" * 5000 + b"]" * 5000, "nested too deeply"),
     (b'{"and": ' + b"[" * 400 + b"]" * 400 + b"}", "nested too deeply"),
     (b"9" * 5000, "a number of more digits"), (b"\xff\xfe", "not text in UTF-8")],
    ids=["half", "list", "endless", "deep", "long", "binary"],
)  # fmt: skip
def test_a_file_that_is_none_of_a_run(run: Run, content: bytes, message: str) -> None:
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(ZooError, match=rf"runs/mine/run\.json is damaged: .*{message}"):
        _ = run.info
    # That there is one is what counts here.
    with pytest.raises(UsageError, match="the run runs/mine exists already"):
        Run.create("runs", tiny(), name="mine")


def test_the_others_are_listed_all_the_same(run: Run) -> None:
    for number, (change, _) in enumerate(DAMAGES):
        Run.create("runs", tiny(), name=f"damaged-{number}").write_info({**INFO, **change})
    for number, text in enumerate(("[" * 5000, "size = " + "9" * 5000, "size = []", "")):
        other = Run.create("runs", tiny(), name=f"recipe-{number}")
        other.write_info(INFO)
        (other.path / "recipe.toml").write_text(text)
    run.path.rename("runs/[odd] name")
    shown = CliRunner().invoke(app, ["runs"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("unreadable") == len(DAMAGES) + 4
    assert "[odd] name" in shown.stdout
    found = json.loads(CliRunner().invoke(app, ["runs", "--json"]).stdout)
    assert [name for name, info in found.items() if info["state"] == "interrupted"] == ["[odd] name"]
    assert all(name in info["reason"] for name, info in found.items() if info["state"] == "unreadable")


@pytest.mark.parametrize("line", ["3", "[]", '"x"', "{}", '{"step": "7"}', '{"step": null}', "[" * 5000 + "]" * 5000])
def test_a_line_of_metrics_that_is_none_is_named(run: Run, line: str) -> None:
    run.log({"step": 1})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ZooError, match=r"runs/mine/metrics\.jsonl, line 2 is damaged: "):
        run.drop_metrics_after(1)


def test_half_a_line_of_metrics_is_what_a_kill_leaves(run: Run) -> None:
    run.log({"step": 1})
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 2, "los\xff\n{"step": 9' + b"9" * 5000 + b"}\n")
    assert run.metrics == [{"step": 1}]
