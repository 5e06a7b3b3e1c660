"""What contributors, and the hosts of code, read: it says what is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from zoo.registry.contracts import KINDS

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which `make test` installs")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSIONS = [
    name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.fullmatch(r".*Python :: 3\.\d+", name)
]  # fmt: skip
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
FORMS = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").iterdir() if path.name != "config.yml"]


def read(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def targets(text: str) -> list[str]:
    """What `make` is told to make."""
    lines = re.findall(r"(?:^|`)make ([^`\n]*)", text, re.MULTILINE)
    return [word for line in lines for word in line.split() if "=" not in word]


def test_what_contributors_are_told_to_make_can_be_made() -> None:
    told = targets((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert {"test", "lint", "types", "docs"} <= set(told) <= TARGETS


def test_files_that_contributors_are_told_to_run_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = re.findall(r"pytest (\S+)", text)
    assert files
    assert all((ROOT / file).is_file() for file in files)


def test_the_hosts_tests_are_those_of_the_makefile_on_every_python() -> None:
    jobs = read(".github/workflows/test.yml")["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == VERSIONS
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert {"test", "lint", "types", "docs"} == {target for run in runs for target in targets(run)}
    assert PROJECT["requires-python"] == f">={VERSIONS[0]}"


def test_pre_commit_runs_what_make_does() -> None:
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local", "a hook of another repository would be another version"
    tools = {hook["entry"].split()[0] for hook in repository["hooks"]}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert tools == {".venv/bin/ruff", ".venv/bin/lint-imports", ".venv/bin/mypy"}
    assert all(tool.replace(".venv/bin", "$(BIN)") in makefile for tool in tools)


def test_the_citation_is_of_this_zoo() -> None:
    citation = read("CITATION.cff")
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert citation["authors"] == PROJECT["authors"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_one(path: Path) -> None:
    form = read(path)
    assert form["name"]
    assert form["description"]
    names = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(names) == len(set(names)) > 0
    assert all(part["attributes"].get("label") or part["type"] == "markdown" for part in form["body"])


def test_a_component_is_of_one_of_the_kinds() -> None:
    (kinds,) = (part for part in read(".github/ISSUE_TEMPLATE/component.yml")["body"] if part.get("id") == "kind")
    assert sorted(kinds["attributes"]["options"]) == sorted(KINDS)
