"""Fetching pretrained weights from the Hugging Face hub, without minutes of retries where there is no network."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.errors import ZooError

TIMEOUT = 5.0


@contextmanager
def fetching(what: str, *, repository: str | None, instead: str) -> Iterator[None]:
    """Fetch pretrained weights inside this context; if that fails, raise one clear `ZooError`.

    Where the hub cannot be reached, what was fetched before is used, and nothing is retried.

    Args:
        what: The weights, as in "the weights 'imagenet' of resnet34".
        repository: Where they are on the hub.
        instead: What to write to do without them.
    """
    from huggingface_hub import constants

    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "timm")]
    before = constants.HF_HUB_OFFLINE, [logger.level for logger in loggers]
    constants.HF_HUB_OFFLINE = before[0] or not reachable()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    except OSError as error:
        place = f"{constants.ENDPOINT}/{repository}" if repository else "the network"
        raise ZooError(
            f"Could not fetch {what} from {place}. Write {instead}, or fetch them on a computer with a network "
            f"and copy its Hugging Face cache to {constants.HF_HOME} (or to where HF_HOME says)."
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = before[0]
        for logger, level in zip(loggers, before[1], strict=True):
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
