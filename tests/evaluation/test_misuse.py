"""What makes no sense to `zoo evaluate` and `zoo compare`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from zoo.cli.main import app
from zoo.errors import UsageError
from zoo.evaluation.photographs import find_photographs

EVALUATE = [
    (["{model}", "--data", "nowhere/"], 2, "there is no folder nowhere"),
    (["nope", "--data", "photos/"], 2, "there is no model 'nope'"),
    (["{model}", "--data", "photos/", "--metrics", "psrn"], 2, "did you mean 'psnr'"),
    (["{model}", "--data", "photos/", "--preset", "val5"], 2, "did you mean 'val5k'"),
    (["{model}", "--data", "photos/", "-o", "photos/00.png"], 2, "00.png is a file; give a folder"),
    (["{model}", "--data", "empty/"], 2, "there are no photographs in empty"),
    (["{model}", "--data", "bad/"], 1, "no photograph of bad can be measured"),
    (["{model}", "--data", "photos/", "--device", "tpu"], 2, "write auto, cuda, cuda:1, mps or cpu"),
]
COMPARE = [
    (["{model}", "--photos", "nowhere"], 2, "--photos nowhere: there is no such file or folder"),
    (["{model}", "--photos", "empty"], 2, "there are no photographs there"),
    (["{model}", "--photos", "bad"], 1, "there is nothing to compare: cannot read"),
    (["{model}", "--photos", "photos", "--epochs", "5"], 2, "--epochs are those of a run"),
    (["nope", "--photos", "photos"], 2, "there is no model 'nope'"),
    (["bad/a.jpg", "--photos", "photos"], 2, "bad/a.jpg"),
    (["{model}", "--photos", "photos", "-o", "photos/00.png"], 2, "00.png is a file; give a folder"),
    (["{model}"], 2, "--photos"),
]
CASES = [("evaluate", "evaluation", *case) for case in EVALUATE] + [("compare", "compare", *case) for case in COMPARE]


@pytest.mark.parametrize(("command", "folder", "words", "code", "message"), CASES)
def test_what_makes_no_sense_is_said(
    photos: Path, model: Path, tmp_path: Path, command: str, folder: str, words: list[str], code: int, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"no picture")
    done = CliRunner().invoke(app, [command, *(word.format(model=model) for word in words)])
    assert message in done.stderr
    assert done.exit_code == code
    assert not (tmp_path / folder).exists()


def test_a_stream_has_no_photographs_to_be_measured_by() -> None:
    from packages_of_others import OddHints, OddTars

    from zoo.testing import registered

    with registered() as add:
        add("dataset", "tars", OddTars)
        add("dataset", "hints", OddHints)
        with pytest.raises(UsageError, match="is a stream: what is measured needs photographs"):
            find_photographs("tars")
        photographs = find_photographs("hints:length=3").photographs
        assert photographs.read(2).shape == (3, 42, 48)
