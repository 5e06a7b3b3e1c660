"""registry.toml: recipes by name, aliases, plugins switched off. Three layers, the nearest wins.

1. the one that ships with zoo,
2. the user's: registry.toml in the configuration folder (on Linux ~/.config/zoo),
3. the project's: the nearest registry.toml from the working folder upwards.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.contracts import Kind
from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error
from zoo.suggest import did_you_mean

FILE = "registry.toml"


class Layer(BaseModel):
    """What one registry.toml may say."""

    model_config = ConfigDict(extra="forbid")

    default: str | None = Field(None, description="the recipe that fills in what `zoo run` was not told")
    disabled: list[str] = Field([], description="names of plugins to leave out")
    shorthands: dict[Kind, str] = Field({}, description="what a bare path means where a component is expected")
    aliases: dict[Kind, dict[str, str]] = Field({}, description="other names of components")
    recipes: dict[str, dict[str, Any]] = Field({}, description="recipes by name")


@dataclass
class Catalogue:
    """All layers, merged."""

    default: str = ""
    disabled: frozenset[str] = frozenset()
    shorthands: dict[Kind, str] = field(default_factory=dict)
    aliases: dict[tuple[Kind, str], str] = field(default_factory=dict)
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, Path] = field(default_factory=dict)
    """Recipe -> the file that it comes from."""

    def add(self, layer: Layer, path: Path) -> None:
        """Lay another layer over what is here."""
        self.default = layer.default or self.default
        self.disabled |= frozenset(layer.disabled)
        self.shorthands |= layer.shorthands
        self.aliases |= {(kind, old): new for kind, names in layer.aliases.items() for old, new in names.items()}
        self.recipes |= layer.recipes
        self.sources |= dict.fromkeys(layer.recipes, path)

    def recipe(self, name: str) -> dict[str, Any]:
        """Return a recipe by name, as its table in the file.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.recipes:
            known = sorted(self.recipes)
            raise UsageError(
                f"there is no recipe {name!r}{did_you_mean(name, known)} (recipes: {', '.join(known)}; "
                "or give a .toml file, or a run's folder)"
            )
        return self.recipes[name]


def load_catalogue(folder: Path | None = None) -> Catalogue:
    """Read all layers, as seen from a folder (the working folder where none is given).

    Raises:
        UsageError: a registry.toml is malformed; the message names file and line.
        ZooError: the working folder was deleted.
    """
    try:
        folder = folder or Path.cwd()
    except FileNotFoundError:
        raise ZooError("the working folder was deleted: go to another one") from None
    catalogue = Catalogue()
    seen: set[Path] = set()
    for path in _files(folder):
        if path.resolve() not in seen:
            seen.add(path.resolve())
            catalogue.add(read_layer(path), path)
    return catalogue


def read_layer(path: Path) -> Layer:
    """Read one registry.toml.

    Raises:
        UsageError: it is malformed; the message names file and line.
    """
    table, text = read_toml(path)
    try:
        return Layer.model_validate(table)
    except ValidationError as error:
        problem = error.errors()[0]
        place = [str(part) for part in problem["loc"]]
        known = Layer.model_fields if len(place) == 1 else ()
        message = problem["msg"][:1].lower() + problem["msg"][1:]
        if problem["type"] == "extra_forbidden":
            message = f"unknown{did_you_mean(place[-1], known)}"
        raise UsageError(f"{path}, line {_line_of(text, place)}: {'.'.join(place)}: {message}") from None


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Read a TOML file; return its table and its text.

    Raises:
        UsageError: it is missing, unreadable or malformed; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {explain_os_error(error)}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r"\(at line (\d+), column (\d+)\)", message)
        line = place[1] if place else str(text.count("\n") + 1)
        raise UsageError(f"{path}, line {line}: {re.sub(r' *[(]at .*[)]$', '', message)}") from None


def _files(folder: Path) -> Iterator[Path]:
    from platformdirs import user_config_path

    package = Path(__file__).parent
    # A wheel carries the file inside the package; in a checkout it stands beside it.
    yield next((p for p in (package / FILE, package.parent / FILE) if p.is_file()), package / FILE)
    if _is_file(users := user_config_path("zoo") / FILE):
        yield users
    if project := next((p / FILE for p in (folder, *folder.parents) if _is_file(p / FILE)), None):
        yield project


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # Somebody else's folder, which we may not look into.
        return False


def _line_of(text: str, place: list[str]) -> int:
    """Find the line of a key, given the tables that it stands in: the last line that names all of it it can."""
    line = 1
    remaining = list(place)
    for number, content in enumerate(text.splitlines(), start=1):
        names = re.findall(r"[A-Za-z0-9_-]+", content.split("=")[0])
        while remaining and remaining[0] in names:
            remaining.pop(0)
            line = number
    return line
