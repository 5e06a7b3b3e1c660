"""Where a model is: from what somebody wrote for one to its files. Nothing is read of them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import UsageError, ZooError, one_line
from zoo.files import CRITIC, LAST_MODEL, MODEL
from zoo.registry.offers import Component
from zoo.registry.registry import get, looks_like_path

HUB = "hf://"
"""What a model on the Hugging Face hub begins with."""

_ON_HUB = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w.-]+))?(?:/([\w-][\w.-]*(?:/[\w-][\w.-]*)*))?")


@dataclass(frozen=True)
class ModelSource:
    """A model that was found."""

    text: str
    """As it was written."""
    file: Path
    component: Component | None = None
    """The plugin's, if it is one."""
    folder: Path | None = None
    """The folder of the run that was named."""

    def __str__(self) -> str:
        about = self.component
        return f"{self.text} of {about.distribution} {about.version}" if about else self.text

    @property
    def name(self) -> str:
        """What people call it, without the folders that it lies in."""
        if self.component is not None or self.text.startswith(HUB):
            return self.text
        return self.folder.resolve().name if self.folder is not None else self.file.stem

    def critic(self) -> Path | None:
        """Return the file of the critic that it brings, if it brings one. From the hub, it is fetched.

        Raises:
            ZooError: the package of a plugin lacks the file that it names.
        """
        if self.component is not None:
            return packaged_file(self.component, self.component.critic) if self.component.critic else None
        if self.text.startswith(HUB):
            with suppress(ZooError):
                return _fetched(self.text, CRITIC)
        elif self.folder is not None and (self.folder / CRITIC).is_file():
            return self.folder / CRITIC
        return None

    @property
    def provenance(self) -> dict[str, str]:
        """What a run and a model say of what they began with."""
        about = self.component
        if about is None:
            return {"model": self.text}
        return {
            "model": about.name,
            "plugin": about.plugin,
            "distribution": about.distribution,
            "version": about.version,
        }


def find_model(asked: ModelSource | Path | str | None = None, *, last: bool = False) -> ModelSource:
    """Find a model.

    Args:
        asked: a name that a plugin registered; the path of a file, or of a folder with a model in it, such as a run's;
            or `hf://owner/repository[@revision][/file]`. A `Path` is a path, whatever else has that name. Without
            anything, the model that registry.toml names. What was found already is returned as it is.
        last: of a run's folder, take the newest model instead of the best one.

    Raises:
        UsageError: there is none.
        ZooError: it cannot be fetched, or its package lacks the file.
    """
    if isinstance(asked, ModelSource):
        return asked
    if last:
        if asked is None:
            raise UsageError("--last is of a run: give its folder with --model")
        return _on_disk(Path(asked) / LAST_MODEL)
    if asked is None:
        return _default()
    if isinstance(asked, Path):
        return _on_disk(asked)
    if asked.startswith(HUB):
        return ModelSource(asked, _fetched(asked, MODEL))
    if is_path := looks_like_path(asked) or asked.endswith(".safetensors"):
        # A component's name comes first, as everywhere.
        is_path = not get().named(asked, "model")
    if is_path:
        return _on_disk(Path(asked))
    component = get().find("model", asked)
    return ModelSource(asked, packaged_file(component, component.target), component)


def packaged_file(component: Component, target: str) -> Path:
    """Return the path of a file that a plugin's package holds.

    Args:
        component: whose file it is.
        target: as `package:path`.

    Raises:
        ZooError: there is no such package, or no such file in it.
    """
    from importlib.resources import files

    package, _, path = target.partition(":")
    whose = f"{component} of the plugin {component.plugin} ({component.distribution} {component.version})"
    try:
        file = files(package).joinpath(path)
    except Exception as error:  # whatever a package does when it is imported
        raise ZooError(f"{whose} cannot be found in {package}: {one_line(error)}") from error
    if not isinstance(file, Path) or not file.is_file():
        raise ZooError(f"{whose} lacks its file {path}: install {component.distribution} again")
    return file


def _default() -> ModelSource:
    catalogue = get().catalogue
    ways = "train one with `zoo run`, and write --model FOLDER, or --model hf://owner/repository"
    if not (name := catalogue.model):
        raise UsageError(f"no --model is given, and no registry.toml names one: {ways}")
    place = catalogue.place("model")
    if name.startswith(HUB):
        from zoo.hub import only_if_asked

        with only_if_asked(place, instead=f"write --model {name}"):
            return find_model(name)
    try:
        return find_model(name)
    except UsageError as error:
        raise UsageError(f"{error}. {place}, names it where no --model is given: {ways}") from None


def _on_disk(path: Path) -> ModelSource:
    if not path.is_dir():
        if path.is_file():
            return ModelSource(str(path), path)
        raise UsageError(f"{path} is not a file" if path.exists() else f"there is no model {path}")
    if (path / MODEL).is_file():
        return ModelSource(str(path), path / MODEL, folder=path)
    raise UsageError(
        f"the folder {path} holds no {MODEL}: give a model's file, or the folder of a run that has saved one"
    )


def _fetched(text: str, default: str) -> Path:
    """Fetch a file of a model on the hub: the one that the text names, or, of its folder, the default one."""
    from zoo.hub import fetch

    parts = _ON_HUB.fullmatch(text)
    if parts is None:
        raise UsageError(f"{text}: write hf://owner/repository, hf://owner/repository@revision or …/file.safetensors")
    repository, revision, file = parts.groups()
    if default == CRITIC and file:
        file = "/".join([*file.split("/")[:-1], CRITIC])
    what, instead = f"the weights of {text}", "a model's file or the folder of a run"
    return fetch(repository, file or default, revision=revision, what=what, instead=instead)
