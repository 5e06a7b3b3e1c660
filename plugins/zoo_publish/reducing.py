"""What a model file says of itself, without the folders of whoever made it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from zoo.errors import ZooError
from zoo.recipe import Recipe
from zoo.registry.models import HUB
from zoo.registry.spec import Spec, SpecError, parse, parse_list, parse_sum, write_list

PHOTOGRAPHS = "photographs"
"""What a folder of photographs is called where its own name would say too much."""


@dataclass(frozen=True)
class Reduced:
    """What a model file says of itself, with the last name of each path instead of the path."""

    about: dict[str, Any]
    recipe: Recipe
    paths: dict[str, str] = field(default_factory=dict)
    """What stands there now, by the path that was there."""


def reduce_paths(about: Mapping[str, Any]) -> Reduced:
    """Reduce every path in what a model, or a critic, says of itself to its last name.

    Args:
        about: from `zoo.model.read_about`.

    Raises:
        ZooError: a part of the recipe cannot be read, so that nobody knows what is in it.
    """
    reducing = _Reducing()
    recipe = reducing.recipe(Recipe.from_table(about["recipe"], "its recipe"))
    provenance = reducing.anything(dict(about["provenance"]))
    init = provenance.get("init")
    if isinstance(init, dict) and "plugin" not in init and not str(init.get("model")).startswith(HUB):
        init["model"] = reducing.last_name(str(init.get("model")), "a model")
    rest = {name: value for name, value in about.items() if name not in ("recipe", "provenance")}
    return Reduced(
        {**reducing.anything(rest), "recipe": recipe.to_table(), "provenance": provenance}, recipe, reducing.paths
    )


class _Reducing:
    def __init__(self) -> None:
        self.paths: dict[str, str] = {}

    def recipe(self, recipe: Recipe) -> Recipe:
        changes: dict[str, str] = {}
        try:
            for name in ("generator", "critic", "data", "optimizer"):
                neutral = PHOTOGRAPHS if name == "data" else "file"
                changes[name] = str(self.spec(parse(getattr(recipe, name)), neutral))
            for name in ("loss", "augment"):
                if text := getattr(recipe, name):
                    changes[name] = "+".join(str(self.spec(term)) for term in parse_sum(text))
            for name in ("metrics", "track"):
                changes[name] = write_list(self.spec(item) for item in parse_list(getattr(recipe, name)))
        except SpecError as error:
            raise ZooError(f"the {name} of its recipe cannot be read, so paths may be left in it: {error}") from None
        summary = recipe.summary
        for path, shown in self.paths.items():
            summary = summary.replace(path, shown)
        return recipe.model_copy(update={**changes, "summary": summary})

    def spec(self, spec: Spec, neutral: str = "file") -> Spec:
        def reduced(value: str) -> str:
            if is_path(value):
                return self.last_name(value, neutral)
            # Of several, one may be a path.
            return ",".join(self.last_name(one, neutral) if is_path(one) else one for one in value.split(","))

        return replace(spec, options={key: reduced(value) for key, value in spec.options.items()})

    def anything(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.anything(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.anything(one) for one in value]
        return self.last_name(value, "file") if isinstance(value, str) and is_path(value) else value

    def last_name(self, path: str, neutral: str) -> str:
        name = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
        # A home folder is called as its owner is.
        shown = neutral if not name.strip("~.") or name.endswith(":") or name == Path.home().name else name
        if shown != path:
            self.paths[path] = shown
        return shown


def is_path(text: str) -> bool:
    """Whether a text is a path from the root, of this system or another one. Resolved recipes have no others."""
    return text.startswith(("~", "file:")) or PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
