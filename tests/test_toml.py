"""zoo.toml: what cannot be read is said in a sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo import UsageError
from zoo.toml import read_toml


def test_a_table_and_its_text(tmp_path: Path) -> None:
    text = 'a = 1\n[b]\nc = "grün"\n'
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    assert read_toml(tmp_path / "a.toml") == ({"a": 1, "b": {"c": "grün"}}, text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a = " + "[" * 400 + "]" * 400, "nested too deeply"),
        ("a." * 5000 + "b = 1", "nested too deeply"),
        ("a = " + "9" * 5000, "a number of more digits"),
        ("a = 0x" + "f" * 5000, "a number of more digits"),
        ("[" * 5000, "line 1: "),
    ],
    ids=["open", "closed", "deep", "dots", "digits", "hexadecimal", "headers"],
)
def test_what_python_gives_up_on(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_toml(tmp_path / "a.toml")
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "a.toml"))
    assert reason in message
    assert len(message) < 300
