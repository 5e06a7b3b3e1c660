"""The tutorial docs/first-critic.md, from its first command to its last, as a reader would follow it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from environment import Environment

import zoo

PAGE = Path(zoo.__file__).parents[1] / "docs" / "first-critic.md"
BLOCKS = re.compile(r"(?:<!-- file: (?P<file>.*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


def steps() -> Iterator[tuple[str, str]]:
    """What a reader does: what it is to be done with, and a line or the text of a file."""
    for block in BLOCKS.finditer(PAGE.read_text(encoding="utf-8")):
        if block["file"]:
            yield block["file"], block["text"]
        elif block["language"] == "sh":
            for line in block["text"].splitlines():
                yield "sh" if line.startswith("pip ") else "python", line


def test_every_step_works(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env")
    folder = tmp_path / "work"
    folder.mkdir()
    said = ""
    for what, group in itertools.groupby(steps(), key=itemgetter(0)):
        texts = [text for _, text in group]
        if what == "python":
            said += environment.run_together(texts, folder)
        elif what == "sh":
            said += environment.run("\n".join(texts), folder)
        else:
            # It changes what is there already.
            assert (folder / what).is_file()
            (folder / what).write_text(*texts, encoding="utf-8")
    assert "scales" in said
    assert "18 passed, 0 failed, 1 noted" in said
    assert "2 passed" in said
    assert "finished: runs/first" in said
    assert (folder / "runs" / "first" / "model.safetensors").is_file()
    assert [path.name for path in (folder / "dist").iterdir()] == ["zoo_my_critic-0.1.0-py3-none-any.whl"]
