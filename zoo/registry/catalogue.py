"""registry.toml: recipes by name, aliases, defaults, plugins switched off. Three layers, the nearest wins.

1. the one that ships with zoo,
2. the user's: registry.toml in the configuration folder (on Linux ~/.config/zoo),
3. the project's: the nearest registry.toml from the working folder upwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.errors import UsageError, ZooError
from zoo.recipe import overlay
from zoo.registry.contracts import Kind
from zoo.suggest import did_you_mean
from zoo.toml import line_of, read_toml

FILE = "registry.toml"

Value = bool | int | float | str | list[int | float | str]


class Layer(BaseModel):
    """What one registry.toml may say."""

    model_config = ConfigDict(extra="forbid")

    default: str | None = Field(None, description="the recipe that fills in what `zoo run` was not told")
    disabled: list[str] = Field([], description="names of plugins to leave out")
    shorthands: dict[Kind, str] = Field({}, description="what a bare path means where a component is expected")
    aliases: dict[Kind, dict[str, str]] = Field({}, description="other names of components")
    options: dict[Kind, dict[str, dict[str, Value]]] = Field(
        {}, description="options of components, where none is written"
    )
    fields: dict[str, Any] = Field({}, description="fields of recipes, where a recipe leaves them out")
    recipes: dict[str, dict[str, Any]] = Field({}, description="recipes by name; `extends` names another to begin with")


@dataclass
class Catalogue:
    """All layers, merged."""

    default: str = ""
    disabled: dict[str, list[Path]] = field(default_factory=dict)
    """Plugin -> the files that leave it out."""
    shorthands: dict[Kind, str] = field(default_factory=dict)
    aliases: dict[tuple[Kind, str], str] = field(default_factory=dict)
    options: dict[tuple[Kind, str], dict[str, Value]] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """As they are written: see `recipe` for what they come to."""
    layers: list[tuple[Path, Layer]] = field(default_factory=list)
    """What was merged, the nearest last."""

    def add(self, layer: Layer, path: Path) -> None:
        """Lay another layer over what is here."""
        self.layers.append((path, layer))
        self.default = layer.default or self.default
        for name in dict.fromkeys(layer.disabled):
            self.disabled.setdefault(name, []).append(path)
        self.shorthands |= layer.shorthands
        self.aliases |= {(kind, old): new for kind, names in layer.aliases.items() for old, new in names.items()}
        for kind, components in layer.options.items():
            for name, options in components.items():
                self.options[kind, name] = self.options.get((kind, name), {}) | options
        self.fields = overlay(self.fields, layer.fields)
        for name, table in layer.recipes.items():
            if table.get("extends") == name and name in self.recipes:
                # It extends the one that it would hide.
                changes = {field: value for field, value in table.items() if field != "extends"}
                table = overlay(self.recipes[name], changes)
            self.recipes[name] = table

    def recipe(self, name: str) -> dict[str, Any]:
        """Return a recipe by name: its own fields, over those of the recipe that it extends, over the default fields.

        Raises:
            UsageError: there is none of that name, or none that it extends, or it extends itself in the end.
        """
        table = self.fields
        for one in reversed(self._chain(name)):
            table = overlay(table, {field: v for field, v in self.recipes[one].items() if field != "extends"})
        return table

    def place_of_field(self, name: str, field: str) -> str:
        """Say where a recipe has a field from, as "registry.toml, line 3"; where it begins, if it has no such field."""
        for one in self._chain(name):
            if field in self.recipes[one]:
                return self.place("recipes", one, field)
        return self.place("fields", field) if field in self.fields else self.place("recipes", name)

    def place(self, *keys: str) -> str:
        """Say where something stands, as "registry.toml, line 3"."""
        path, line = self.source(*keys)
        return f"{path}, line {line}"

    def source(self, *keys: str) -> tuple[Path, int]:
        """Return the file and the line of what stands under these keys, in the nearest layer that has it."""
        return self.sources(*keys)[-1]

    def sources(self, *keys: str) -> list[tuple[Path, int]]:
        """List all files and lines where something stands under these keys, the nearest last."""
        found = []
        for path, layer in self.layers:
            table: Any = layer.model_dump(exclude_unset=True)
            for key in keys:
                table = table.get(key) if isinstance(table, dict) else None
            if table is not None:
                found.append((path, line_of(path.read_text(encoding="utf-8"), keys)))
        return found

    def _chain(self, name: str) -> list[str]:
        """List a recipe and those that it extends, one after another."""
        known = sorted(self.recipes)
        if name not in self.recipes:
            raise UsageError(
                f"there is no recipe {name!r}{did_you_mean(name, known)} (recipes: {', '.join(known)}; "
                "or give a .toml file, or a run's folder)"
            )
        chain = [name]
        while (base := self.recipes[chain[-1]].get("extends")) is not None:
            if base not in known or base in chain:
                problem = (
                    f"these recipes extend one another: {' -> '.join([*chain, base])}"
                    if base in chain
                    else f"there is no recipe {base!r} to extend{did_you_mean(str(base), known)}"
                )
                raise UsageError(f"{self.place('recipes', chain[-1], 'extends')}: {problem}")
            chain.append(base)
        return chain


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
        raise UsageError(f"{path}, line {line_of(text, place)}: {'.'.join(place)}: {message}") from None


def user_file() -> Path:
    """Return the path of the user's registry.toml, whether it is there or not."""
    from platformdirs import user_config_path

    return user_config_path("zoo") / FILE


def _files(folder: Path) -> Iterator[Path]:
    package = Path(__file__).parents[1]
    # A wheel carries the file inside the package; in a checkout it stands beside it.
    yield next((p for p in (package / FILE, package.parent / FILE) if p.is_file()), package / FILE)
    if _is_file(users := user_file()):
        yield users
    if project := next((p / FILE for p in (folder, *folder.parents) if _is_file(p / FILE)), None):
        yield project


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # Somebody else's folder, which we may not look into.
        return False
