"""The tutorial docs/first-critic.md, from its first command to its last, as a reader would follow it."""

from __future__ import annotations

import re
from pathlib import Path

from environment import Environment

import zoo

PAGE = Path(zoo.__file__).parents[1] / "docs" / "first-critic.md"
BLOCKS = re.compile(r"(?:<!-- file: (?P<file>.*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


def test_every_step_works(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env")
    folder = tmp_path / "work"
    folder.mkdir()
    said = ""
    for block in BLOCKS.finditer(PAGE.read_text(encoding="utf-8")):
        if block["file"]:
            # It changes what is there already.
            assert (folder / block["file"]).is_file()
            (folder / block["file"]).write_text(block["text"], encoding="utf-8")
        elif block["language"] == "sh":
            said += environment.run(block["text"], folder)
    assert "scales" in said
    assert "16 passed, 0 failed, 1 noted" in said
    assert "2 passed" in said
    assert "finished: runs/first" in said
    assert (folder / "runs" / "first" / "model.safetensors").is_file()
    assert [path.name for path in (folder / "dist").iterdir()] == ["zoo_my_critic-0.1.0-py3-none-any.whl"]
