"""Folders that plugins are really installed in, as far as Python's metadata is concerned, and the command run there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from copies import Copy, see
from typer.testing import CliRunner

from zoo.cli.main import app

CRITIC = """
from zoo import hookimpl

@hookimpl
def zoo_components(register):
    register.critic("{name}", "{module}:make", summary="a critic")
"""


def install(
    site: Path, name: str, code: str | None = None, *, requires: Iterable[str] = (), version: str = "1.0"
) -> None:
    """Install a distribution `zoo-NAME` with one plugin, NAME, whose module has this code.

    Without code, it offers a critic of its own name.
    """
    module = f"zoo_{name.replace('-', '_')}"
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{module}.py").write_text(CRITIC.format(name=name, module=module) if code is None else code, "utf-8")
    add_metadata(site, f"zoo-{name}", version, {name: module}, requires)


def add_metadata(
    site: Path, distribution: str, version: str, plugins: Mapping[str, str], requires: Iterable[str] = ()
) -> None:
    """Write what an installer writes of a distribution: name, version, requirements, entry points."""
    about = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    lines = ["Metadata-Version: 2.4", f"Name: {distribution}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (about / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    entries = "\n".join(f"{name} = {module}" for name, module in plugins.items())
    (about / "entry_points.txt").write_text(f"[zoo]\n{entries}\n", encoding="utf-8")


def python(*words: str | Path, site: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with what is installed in a folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300", "PYTHONPATH": str(site or ""), **variables}
    return subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, env=environment, check=False
    )


def zoo_(*words: str | Path, site: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `zoo` with what is installed in a folder."""
    return python("-m", "zoo", *words, site=site, **variables)


def zoo_each(*commands: Sequence[str | Path], site: Path | None = None) -> list[subprocess.CompletedProcess[str]]:
    """Run one command of `zoo` after the other in one copy of this process, with what is installed in a folder."""
    words = [[str(word) for word in command] for command in commands]

    def run() -> None:
        if site:
            see(site)
        results = [CliRunner().invoke(app, each, prog_name="zoo") for each in words]
        print(json.dumps([(result.exit_code, result.stdout, result.stderr) for result in results]))

    done = Copy(run, COLUMNS="300", PYTHONPATH=str(site or ""))
    said = done.wait()
    assert done.poll() == 0, said
    answers = json.loads(said.splitlines()[-1])
    return [subprocess.CompletedProcess(one, *answer) for one, answer in zip(words, answers, strict=True)]
