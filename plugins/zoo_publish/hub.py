"""A repository on the Hugging Face hub, as a place to publish a model in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UsageError, ZooError, one_line
from zoo.hub import quiet, reachable
from zoo.registry.models import HUB
from zoo.versions import zoo_version
from zoo_publish.places import CARD, There

if TYPE_CHECKING:
    from huggingface_hub import HfApi


class Repository:
    """A repository of models, written in a single commit."""

    def __init__(self, text: str, *, private: bool = False) -> None:
        """Read hf://owner/name, and see that there are a token and a hub.

        Raises:
            UsageError: it is of another form.
            ZooError: there is no token, or the hub does not answer.
        """
        from huggingface_hub import HfApi, constants, get_token

        self.id = text.removeprefix(HUB)
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.id):
            raise UsageError(
                f"{text}: write hf://owner/name. A model is published into the main branch of a repository, under "
                "names of its own"
            )
        self.reference = text
        self.name = self.id.partition("/")[2]
        self.private = private
        if not get_token():
            raise ZooError("there is no token for the hub: log in with `hf auth login`, or set HF_TOKEN")
        if not reachable():
            raise ZooError(
                f"the hub at {constants.ENDPOINT} cannot be reached (or HF_HUB_OFFLINE is set): publish into a "
                "folder, and the folder later, as in `zoo publish FOLDER hf://owner/name`"
            )
        self._api: HfApi = HfApi(library_name="zoo", library_version=zoo_version())

    def look(self) -> There:
        """See what is there.

        Raises:
            UsageError: it shall be private, and is there already and public.
            ZooError: the hub says no.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._explained():
            try:
                info = self._api.model_info(self.id)
            except RepositoryNotFoundError:
                return There()
            if self.private and not info.private:
                raise UsageError(f"--private: {self.reference} is there already, and everybody may see it")
            files = frozenset(file.rfilename for file in info.siblings or ())
            card = ""
            if CARD in files:
                with quiet("huggingface_hub"):
                    card = Path(self._api.hf_hub_download(self.id, CARD)).read_text("utf-8", errors="replace")
        return There(files, card)

    def write(self, folder: Path, names: Sequence[str], stale: Sequence[str]) -> str:
        """Put files there and take others away, in one commit; the repository is made where there is none.

        Raises:
            UsageError: the hub does not take the card's header.
            ZooError: it says no.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with self._explained():
            url = self._api.create_repo(self.id, private=self.private or None, exist_ok=True)
            self._api.create_commit(
                self.id,
                [
                    *(CommitOperationDelete(name) for name in stale),
                    *(CommitOperationAdd(name, folder / name) for name in names),
                ],
                commit_message=f"Publish with zoo {zoo_version()}",
            )
        return str(url)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from huggingface_hub.errors import HfHubHTTPError

        try:
            yield
        except ZooError:
            raise
        except HfHubHTTPError as error:
            status = error.response.status_code
            said = " ".join((error.server_message or "").split())[:300]
            if status == 401:
                raise ZooError(
                    f"the hub does not take the token: log in again with `hf auth login` ({said})"
                ) from error
            if status in (403, 404):
                raise ZooError(
                    f"{self.reference} may not be written with this token: see that the owner is right, and that the "
                    f"token may write ({said or status})"
                ) from error
            raise ZooError(f"the hub refuses {self.reference} ({status}): {said or one_line(error)}") from error
        except json.JSONDecodeError as error:
            raise ZooError(f"what answers for the hub at {self._api.endpoint} is none: {one_line(error)}") from error
        except ValueError as error:  # what the hub thinks of the name, or of the card's header
            raise UsageError(" ".join(str(error).split())) from error
        except Exception as error:  # whatever the HTTP library of the day raises
            raise ZooError(f"{self.reference} could not be published: {one_line(error)[:300]}") from error
