"""Fetching pretrained weights as files, without minutes of retries where there is no network."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import torch

from zoo.errors import UsageError, ZooError
from zoo.tensors import read_pickled

TIMEOUT = 5.0

_unasked: ContextVar[tuple[str, str]] = ContextVar("unasked", default=("", ""))
"""The place in a registry.toml that alone asks for what is being made, and what to write to ask for it oneself."""
_ASK = "name the recipe there (--recipe NAME), or write that part and its options"


@contextmanager
def only_if_asked(place: str, instead: str = _ASK) -> Iterator[None]:
    """Have nothing downloaded or sent inside this context: a registry.toml asks for it, and nobody else does.

    Args:
        place: Where it does.
        instead: What to write to ask for it oneself.
    """
    token = _unasked.set((place, instead))
    try:
        yield
    finally:
        _unasked.reset(token)


def check_consent(what: str) -> None:
    """Stop before something is downloaded or sent that nobody asked for. Plugins call it, too.

    Args:
        what: What would happen, as in "the weights 'imagenet' of resnet34 would be downloaded".

    Raises:
        UsageError: Only a registry.toml asks for it.
    """
    place, instead = _unasked.get()
    if place:
        raise UsageError(f"{what}. {place}, asks for that, and the command line does not: {instead}")


def fetch(repository: str, *filenames: str, revision: str | None = None, what: str, instead: str) -> Path:
    """Return a file from the Hugging Face hub.

    Where the hub cannot be reached, what was fetched before is used, and nothing is retried.

    Args:
        repository: Where the file is on the hub.
        filenames: What it may be called there; the first that there is is taken.
        revision: The commit, branch or tag to take it from.
        what: What it holds, as in "the weights 'imagenet' of resnet34".
        instead: What to write to do without it.

    Raises:
        UsageError: It was not fetched before, and nobody asked for it: see `check_consent`.
        ZooError: It cannot be fetched, and was not before.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    offline = bool(_unasked.get()[0]) or not reachable()
    download = partial(hf_hub_download, repository, revision=revision, local_files_only=offline)
    try:
        with quiet("huggingface_hub"):
            for filename in filenames[:-1]:
                with suppress(EntryNotFoundError):
                    return Path(download(filename))
            return Path(download(filenames[-1]))
    except Exception as error:  # whatever the HTTP library of the day raises
        check_consent(f"{what} would be downloaded")
        raise ZooError(
            f"Could not fetch {what} from {constants.ENDPOINT}/{repository}. Write {instead}, or fetch them "
            f"on a computer with a network and copy its Hugging Face cache to {constants.HF_HOME} "
            "(or to where HF_HOME says)."
        ) from error


def download(url: str, *, what: str, instead: str) -> Path:
    """Return the file behind a URL, from where torch.hub keeps such files if it was fetched before.

    Args:
        url: Where the file is.
        what: What it holds, as in "the weights 'imagenet' of tu-gcvit_tiny".
        instead: What to write to do without it.

    Raises:
        UsageError: It was not fetched before, and nobody asked for it: see `check_consent`.
        ZooError: It cannot be fetched, and was not before.
    """
    file = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(urlsplit(url).path).name)
    if not file.exists():
        check_consent(f"{what} would be downloaded")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), progress=False)
        except OSError as error:
            raise ZooError(
                f"Could not fetch {what} from {url}. Write {instead}, or put that file at {file} yourself."
            ) from error
    return file


def fetch_for_timm(source: Any, *, what: str, instead: str) -> dict[str, Any]:
    """Fetch weights that timm knows, and return them as the overlay that `timm.create_model` takes.

    Args:
        source: What timm knows of them, its `PretrainedCfg`.
        what: As in "the weights 'imagenet' of tu-resnet34".
        instead: What to write to do without them.

    Raises:
        UsageError: They were not fetched before, and nobody asked for them: see `check_consent`.
        ZooError: They cannot be fetched, and were not before.
    """
    if source.hf_hub_id:
        repository, _, revision = source.hf_hub_id.partition("@")
        name = source.hf_hub_filename or "pytorch_model.bin"
        safe = name.replace("pytorch_model.bin", "model.safetensors")
        file = fetch(repository, safe, name, revision=revision or None, what=what, instead=instead)
    else:
        file = download(source.url, what=what, instead=instead)
    if file.suffix in {".safetensors", ".npz"}:
        return {"file": str(file), "custom_load": file.suffix == ".npz"}
    # Given the file, some versions of timm run whatever code is pickled in it.
    return {"state_dict": read_pickled(file)}


@contextmanager
def quiet(library: str) -> Iterator[None]:
    """Keep a library's warnings from the user inside this context."""
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def reachable() -> bool:
    """Return whether the hub answers within a few seconds."""
    from huggingface_hub import constants, get_session

    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=TIMEOUT)
    except Exception:  # whatever the HTTP library of the day raises
        return False
    return True
