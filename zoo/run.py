"""A run's folder: what it is made of, how far it is, what it measured."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from zoo.errors import UsageError, ZooError
from zoo.files import MODEL, check_depth, explain_os_error, write_text
from zoo.metrics import Metrics
from zoo.recipe import Recipe
from zoo.suggest import did_you_mean
from zoo.versions import library_versions

if TYPE_CHECKING:
    from filelock import FileLock

RECIPE, INFO, METRICS = "recipe.toml", "run.json", "metrics.jsonl"
_SAMPLES, _CHECKPOINTS = "samples", "checkpoints"


class Saved(BaseModel):
    """What is relied upon in a JSON file of a run. It may say more."""

    model_config = ConfigDict(strict=True)


class _Progress(Saved):
    progress: FiniteFloat
    steps: int
    images: int
    epochs: FiniteFloat
    seconds: FiniteFloat


class _Photographs(Saved):
    fingerprint: str


class _Info(Saved):
    state: Literal["running", "finished", "interrupted", "failed"]
    reason: str | None
    progress: _Progress
    metrics: dict[str, float]
    photographs: _Photographs
    pid: int = Field(ge=0, lt=2**31)
    host: str
    updated: FiniteFloat


class _Line(Saved):
    step: int


class Run:
    """A folder that holds one run.

    run.json says how it is: state (running, finished, interrupted, failed), progress, versions, device, last metrics.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock: FileLock | None = None

    @classmethod
    def create(cls, runs: Path | str, recipe: Recipe, *, name: str | None = None, stem: str = "run") -> Run:
        """Make the folder of a new run, under the name given or the stem with a number.

        Raises:
            UsageError: the name is taken or cannot be a folder's.
            ZooError: the folder cannot be made.
        """
        runs, made = Path(runs), None
        if name is not None and not re.fullmatch(r"[\w][\w .+-]*", name):
            raise UsageError(f"--name {name!r} cannot be a run's name: use letters, digits, '-', '_', '.' and '+'")
        try:
            runs.mkdir(parents=True, exist_ok=True)
            folder = _take(runs, name) if name else _take_next(runs, stem)
            run = made = cls(folder)
            run.lay_out(recipe)
        except FileExistsError as error:
            there = cls(error.filename)
            offer = ""
            with suppress(ZooError):
                if there.state not in ("running", "finished"):
                    offer = f" and is {there.state}: go on with `zoo resume {there.path}`, or"
            raise UsageError(f"the run {there.path} exists already{offer or ';'} choose another --name") from None
        except OSError as error:
            if made is not None:
                shutil.rmtree(made.path, ignore_errors=True)
            raise ZooError(f"no run can be made in {runs}: {explain_os_error(error)}") from None
        return run

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Open the folder of an existing run.

        Raises:
            UsageError: it is not there, or not a run's.
        """
        run = cls(path)
        if not (run.path / INFO).is_file():
            siblings = [other.path.name for other in list_runs(run.path.parent)]
            raise UsageError(f"{path} is not the folder of a run{did_you_mean(run.path.name, siblings)}")
        return run

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def samples(self) -> Path:
        """Where the pictures grey | coloured | original are."""
        return self.path / _SAMPLES

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / _CHECKPOINTS

    @property
    def model(self) -> Path:
        """The trained generator's file."""
        return self.path / MODEL

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return Recipe.load(self.path / RECIPE)

    @property
    def info(self) -> dict[str, Any]:
        """What run.json says.

        Raises:
            ZooError: it cannot be read, or is damaged.
        """
        return read_json(self.path / INFO, _Info)

    @property
    def state(self) -> str:
        """running, finished, interrupted or failed; lost where it says running and its process is gone."""
        state: str = self.info["state"]
        return "lost" if state == "running" and not self.is_alive() else state

    def is_alive(self) -> bool:
        """Whether its process is still at it. One on another computer cannot be seen, and counts as alive."""
        import psutil

        info = self.info
        if info["state"] != "running" or info.get("host") != socket.gethostname():
            return bool(info["state"] == "running")
        try:
            process = psutil.Process(info["pid"])
            # A number may have gone to another process meanwhile: that one began later. A killed process may still
            # have its number, until its parent takes notice.
            return bool(process.create_time() <= info["updated"] and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    @property
    def metrics(self) -> Metrics:
        """All lines of metrics.jsonl: a list of dictionaries that shows itself as a table.

        Raises:
            ZooError: it cannot be read, or one of them is none of a run's.
        """
        file = self.path / METRICS
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return Metrics()
        except OSError as error:
            raise ZooError(f"{file} cannot be read: {explain_os_error(error)}") from None
        found = Metrics()
        for number, line in enumerate(lines, start=1):
            # A killed process leaves half a line.
            with suppress(ValueError):
                found.append(parse_json(line, _Line, f"{file}, line {number}"))
        return found

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Make sure that no other process writes this run. Within one process it may be taken again.

        Raises:
            ZooError: another process does.
        """
        from filelock import FileLock, Timeout

        if self._lock is None:
            self._lock = FileLock(self.path / ".lock")
        try:
            with self._lock.acquire(timeout=0):
                yield
        except Timeout:
            info = self.info
            raise ZooError(f"the run {self.path} is in use by process {info['pid']} on {info['host']}") from None

    def lay_out(self, recipe: Recipe) -> None:
        """Make what is missing of the folder: nothing is there yet, or somebody removed it.

        Raises:
            OSError: it cannot be made.
        """
        for folder in (self.samples, self.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
        if not (self.path / RECIPE).exists():
            self.write_recipe(recipe)

    def write_recipe(self, recipe: Recipe) -> None:
        """Replace recipe.toml."""
        write_text(self.path / RECIPE, recipe.to_toml())

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Replace run.json."""
        write_text(self.path / INFO, json.dumps({**info, "updated": time.time()}, indent=2) + "\n")

    def log(self, line: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        data = (json.dumps(line) + "\n").encode()
        with (self.path / METRICS).open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                # A disk that fills up takes a part first.
                if file.write(data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path / METRICS))
            except OSError:
                file.truncate(end)
                raise

    def drop_metrics_after(self, step: int) -> None:
        """Drop the metrics of steps that a checkpoint does not know of, since they will be taken again."""
        kept = [json.dumps(line) + "\n" for line in self.metrics if line["step"] <= step]
        write_text(self.path / METRICS, "".join(kept))


def list_runs(folder: Path | str = "runs") -> list[Run]:
    """List the runs in a folder, by name. What may not be looked into is passed over."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return [Run(path) for path in sorted(folder.iterdir()) if os.path.isfile(path / INFO)]  # noqa: PTH113 - never raises


def read_json(path: Path, kind: type[Saved]) -> dict[str, Any]:
    """Read a JSON file of a run.

    Args:
        path: the file.
        kind: what it must say.

    Raises:
        ZooError: it cannot be read, or is damaged.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"), kind, str(path))
    except OSError as error:
        raise ZooError(f"{path} cannot be read: {explain_os_error(error)}") from None
    except json.JSONDecodeError as error:
        raise ZooError(f"{path} is damaged: {error}") from None
    except UnicodeDecodeError:
        raise ZooError(f"{path} is damaged: it is not text in UTF-8") from None
    except ValueError:  # Python's limit of digits
        raise ZooError(f"{path} is damaged: there is a number of more digits than can be read") from None


def parse_json(text: str, kind: type[Saved], where: str) -> dict[str, Any]:
    """Read JSON that says what it must.

    Raises:
        ValueError: it is no JSON.
        ZooError: it says something else; the message begins with `where`.
    """
    try:
        found: dict[str, Any] = json.loads(text)
        check_depth(found)
        kind.model_validate(found)
    except RecursionError:
        raise ZooError(f"{where} is damaged: it is nested too deeply") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))
        is_none = problem["type"] == "model_type"
        message = "expected a table in braces" if is_none else problem["msg"][:1].lower() + problem["msg"][1:]
        raise ZooError(f"{where} is damaged: {f'{place}: ' if place else ''}{message}") from None
    return found


def describe_process() -> dict[str, Any]:
    """Say who runs: process, host, versions."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "versions": library_versions(),
    }


def _take(runs: Path, name: str) -> Path:
    folder = runs / name
    folder.mkdir()
    return folder


def _take_next(runs: Path, stem: str) -> Path:
    number = 1
    while True:
        try:
            return _take(runs, f"{stem}-{number}")
        except FileExistsError:
            number += 1
