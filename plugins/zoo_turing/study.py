"""A study as a folder: its pairs of pictures, which never change, and its votes.

```text
study/
  study.json       what is compared with what; written last, so that a study is whole where it is there
  pictures/        two files for each pair: the original to the left (-0.jpg), or to the right (-1.jpg)
  study.sqlite     raters, their trials, their votes
  key.json         which picture of the static site is which; see `zoo_turing.static`
```
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error, write_text

FORMAT = 1
STUDY, VOTES, PICTURES, KEY = "study.json", "study.sqlite", "pictures", "key.json"

Role: TypeAlias = Literal["practice", "catch", "compared"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pair(_Frozen):
    """A photograph and what it is compared with."""

    id: str = Field(pattern=r"[0-9]+-[0-9]+")
    """The name of its files, without the side and the suffix."""
    photo: int
    """The photograph's number: of several pairs with one photograph, a rater sees one."""
    name: str
    """The photograph's path, below the folder that was given."""
    against: str
    """The model that coloured it; of a pair that is no question of models, how it was spoilt."""
    role: Role


class Examined(_Frozen):
    """A model as it was when the study was made."""

    name: str
    """As it was written on the command line."""
    sha256: str


class LeftOutPhoto(_Frozen):
    """A photograph that the study does without."""

    path: str
    reason: str


class Study(_Frozen):
    """What `study.json` says."""

    format: int
    zoo: str
    """The version that made it."""
    id: str
    results_key: str
    """What the address of the page of results ends with."""
    seconds: float = Field(gt=0)
    """How long a pair is seen."""
    trials: int = Field(ge=1)
    """Photographs that a rater compares, at most; practice and catch trials come on top."""
    seed: int = Field(default=0, ge=0)
    """Of the noise of models that draw."""
    models: tuple[Examined, ...]
    pairs: tuple[Pair, ...]
    left_out: tuple[LeftOutPhoto, ...] = ()

    @cached_property
    def by_id(self) -> dict[str, Pair]:
        """The pairs by their ids."""
        return {pair.id: pair for pair in self.pairs}

    def of_role(self, role: Role) -> list[Pair]:
        """The pairs of a role, in their order."""
        return [pair for pair in self.pairs if pair.role == role]

    def photos(self, role: Role) -> int:
        """How many photographs there are of a role."""
        return len({pair.photo for pair in self.of_role(role)})


def picture_path(folder: Path, pair: str, original: int) -> Path:
    """Where the picture of a pair is. `original`: the side of the original, 0 for left and 1 for right."""
    return folder / PICTURES / f"{pair}-{original}.jpg"


def exists(folder: Path) -> bool:
    """Whether a folder holds a whole study."""
    return (folder / STUDY).is_file()


def write_study(folder: Path, study: Study) -> None:
    """Write `study.json`.

    Raises:
        OSError: it cannot be written.
    """
    write_text(folder / STUDY, study.model_dump_json(indent=2) + "\n")


def read_study(folder: Path) -> Study:
    """Read `study.json`.

    Raises:
        UsageError: there is none.
        ZooError: it cannot be read, is damaged, or was written by a newer zoo.
    """
    path = folder / STUDY
    if not path.is_file():
        raise UsageError(f"{folder} holds no study: make one with `zoo turing MODEL --photos FOLDER -o {folder}`")
    try:
        study = Study.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ZooError(f"cannot read {path}: {explain_os_error(error)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ZooError(
            f"{path} is damaged, or from another zoo ({place + ': ' if place else ''}{first['msg']})"
        ) from None
    if study.format > FORMAT:
        raise ZooError(f"{path} was written by zoo {study.zoo} in a newer format: install a newer zoo")
    return study


def check_same(
    folder: Path,
    study: Study,
    models: list[Examined],
    seconds: float | None,
    trials: int | None,
    seed: int | None = None,
) -> None:
    """See that what was asked for is the study that is there: a study never changes.

    Raises:
        UsageError: it is another one.
    """
    way = f"take another folder with -o, or go on with this one: zoo turing -o {folder}"
    if models and models != list(study.models):
        there = ", ".join(model.name for model in study.models)
        if [model.name for model in models] == [model.name for model in study.models]:
            raise UsageError(f"{folder} holds a study of {there} as it was, and its file has changed since: {way}")
        raise UsageError(f"{folder} holds a study already, of {there}: {way}")
    options = (("--seconds", seconds, study.seconds), ("--trials", trials, study.trials), ("--seed", seed, study.seed))
    for option, asked, kept in options:
        if asked is not None and asked != kept:
            raise UsageError(f"{folder} holds a study with {option} {kept:g}, which cannot be changed: {way}")
