"""A study as a site that needs no server: it returns votes as files.

The site has pictures under random names, and drawn sequences of them. Which side of a picture is the original stands in
`key.json`, in the study's folder, and nowhere in the site.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error, write_bytes, write_json, write_text
from zoo_turing.page import ASSETS, asset, study_page
from zoo_turing.study import KEY, PICTURES, Study, picture_path
from zoo_turing.trials import draw
from zoo_turing.votes import Vote

SEQUENCES = 24
"""A rater's browser chooses one of so many sequences of trials, each balanced against the ones before it."""
_LARGEST = 10_000_000  # bytes of a file of votes: no rater has so many

_Token = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True)
    picture: _Token
    side: Literal[0, 1]


class _File(BaseModel):
    model_config = ConfigDict(strict=True)
    study: str
    rater: _Token
    votes: list[_Answer]


def write_site(folder: Path, study: Study, site: Path) -> None:
    """Write a study as a site. Written again, it has the same pictures under the same names.

    Raises:
        UsageError: the site's folder holds something else.
        ZooError: it cannot be written.
    """
    if site.exists() and (not site.is_dir() or (any(site.iterdir()) and not (site / "index.html").is_file())):
        raise UsageError(f"{site} is not empty, and no site of a study: give a new folder to --static")
    if site.resolve() == folder.resolve() or folder.resolve().is_relative_to(site.resolve()):
        raise UsageError(f"{site} holds the study, and with it the answers: give another folder to --static")
    try:
        key, sequences = _key(folder, study)
        (site / PICTURES).mkdir(parents=True, exist_ok=True)
        for old in (site / PICTURES).iterdir():  # of another study
            if old.stem not in key:
                old.unlink()
        for name, (pair, original) in key.items():
            target = site / PICTURES / f"{name}.jpg"
            if not target.exists():
                write_bytes(target, picture_path(folder, pair, original).read_bytes())
        for name in ASSETS:
            write_text(site / name, asset(name))
        data = {"practice": len(study.of_role("practice")), "sequences": sequences}
        write_text(site / "index.html", study_page(study, data))
    except OSError as error:
        shutil.rmtree(site / PICTURES, ignore_errors=True)
        raise ZooError(f"cannot write {error.filename or site}: {explain_os_error(error)}") from error


def _key(folder: Path, study: Study) -> tuple[dict[str, tuple[str, int]], list[list[str]]]:
    """Read the key of a study's site, or make it: pair and side by name of picture; and the sequences of names."""
    path = folder / KEY
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["study"] == study.id:
            return _pictures(content), content["sequences"]
    shown: Counter[tuple[str, int]] = Counter()
    names: dict[tuple[str, int], str] = {}
    sequences = []
    for _ in range(SEQUENCES):
        trials = [(trial.pair.id, trial.original) for trial in draw(study, shown, Random(secrets.randbits(64)))]
        shown.update(trials)
        sequences.append([names.setdefault(trial, secrets.token_hex(16)) for trial in trials])
    # Sorted by name, so that neither the order here nor that of writing tells anything.
    pictures = {name: {"pair": pair, "original": side} for (pair, side), name in sorted(names.items(), key=_name)}
    content = {"study": study.id, "pictures": pictures, "sequences": sequences}
    write_json(path, content)
    return _pictures(content), sequences


def _name(item: tuple[object, str]) -> str:
    return item[1]


def _pictures(content: dict[str, dict[str, dict[str, object]]]) -> dict[str, tuple[str, int]]:
    return {name: (str(one["pair"]), int(str(one["original"]))) for name, one in content["pictures"].items()}


def read_votes(folder: Path, study: Study, paths: Iterable[Path]) -> tuple[list[Vote], list[str]]:
    """Read files of votes that raters sent back. Several of one rater count as one.

    Args:
        folder: of the study, with its key.
        study: what they must be about.
        paths: the files, and folders that hold some (*.json).

    Returns:
        The votes, and of each file that could not be used, why.

    Raises:
        UsageError: the study has no site, or there is no such file.
    """
    try:
        key = _pictures(json.loads((folder / KEY).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"{folder} holds no {KEY}: no site was written for this study (--static)") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ZooError(f"cannot read {folder / KEY}: {error}") from error
    pairs, found, problems = study.by_id, dict[tuple[str, str], Vote](), []
    for path in _files(paths):
        try:
            content = _read(path, study)
        except ZooError as error:
            problems.append(str(error))
            continue
        unknown = [answer.picture for answer in content.votes if key.get(answer.picture, ("", 0))[0] not in pairs]
        if unknown:
            problems.append(f"{path} is left out: it has votes on pictures that the site never had")
            continue
        for answer in content.votes:
            pair, original = key[answer.picture]
            vote = Vote(content.rater, pairs[pair], original, answer.side)
            found.setdefault((content.rater, pair), vote)
    return list(found.values()), problems


def _files(paths: Iterable[Path]) -> Sequence[Path]:
    files = []
    for path in paths:
        if path.is_dir():
            files += sorted(path.glob("*.json"))
        elif path.is_file():
            files.append(path)
        else:
            raise UsageError(f"there is no file or folder {path}")
    return files


def _read(path: Path, study: Study) -> _File:
    try:
        if path.stat().st_size > _LARGEST:
            raise ZooError(f"{path} is left out: it is too large for a file of votes")
        content = _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ZooError(f"{path} is left out: {explain_os_error(error)}") from error
    except ValidationError:
        raise ZooError(f"{path} is left out: it is no file of votes, or damaged") from None
    if content.study != study.id:
        raise ZooError(f"{path} is left out: it is of another study")
    return content
