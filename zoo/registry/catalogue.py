"""registry.toml: recipes by name, aliases, defaults, plugins switched off. Three layers, the nearest wins.

1. the one that ships with zoo,
2. the user's: registry.toml in the configuration folder (on Linux ~/.config/zoo),
3. the project's: the nearest registry.toml from the working folder upwards that is not somebody else's. Folders such
   as /tmp are everybody's, and whoever may write a registry.toml there decides what a run is made of.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
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

TRUST = "ZOO_TRUST"
"""The environment variable with the paths of somebody else's registry.toml files that are to be taken."""

_SHOWN = 6
"""Recipes of a circle that an error names."""

Value = bool | int | float | str | list[int | float | str]


class Preset(BaseModel):
    """What `zoo evaluate` measures, and of which photographs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = Field("", description="a line for people")
    metrics: str = Field(description="metrics, with commas between")
    first: int | None = Field(None, ge=1, description="take so many photographs, the first by the names of their files")
    crop: int | None = Field(None, ge=16, description="cut out the middle square and scale it to this side, in pixels")
    greys: bool = Field(False, description="measure photographs that have no colours, too")


class Layer(BaseModel):
    """What one registry.toml may say."""

    model_config = ConfigDict(extra="forbid")

    default: str | None = Field(None, description="the recipe of `zoo run` where none is named")
    base: str | None = Field(
        None, description="the recipe that fills in the rest where a generator, a critic or a loss is named; or default"
    )
    model: str | None = Field(
        None, description="the model of `zoo colorize` where none is given: a name, a path or hf://owner/repository"
    )
    disabled: list[str] = Field([], description="names of plugins to leave out")
    shorthands: dict[Kind, str] = Field({}, description="what a bare path means where a component is expected")
    aliases: dict[Kind, dict[str, str]] = Field({}, description="other names of components")
    options: dict[Kind, dict[str, dict[str, Value]]] = Field(
        {}, description="options of components, where none is written"
    )
    fields: dict[str, Any] = Field({}, description="fields of recipes, where a recipe leaves them out")
    recipes: dict[str, dict[str, Any]] = Field({}, description="recipes by name; `extends` names another to begin with")
    presets: dict[str, Preset] = Field({}, description="what `zoo evaluate --preset` takes, by name")
    _text: str = ""

    @functools.cached_property
    def said(self) -> dict[str, Any]:
        """What stands in the file, without what it leaves out."""
        return self.model_dump(exclude_unset=True)


@dataclass
class Catalogue:
    """All layers, merged."""

    default: str = ""
    base: str = ""
    """What fills in the rest for a generator, a critic or a loss that is named without a recipe."""
    model: str = ""
    """What `zoo colorize` takes where no model is given."""
    disabled: dict[str, list[Path]] = field(default_factory=dict)
    """Plugin -> the files that leave it out."""
    shorthands: dict[Kind, str] = field(default_factory=dict)
    aliases: dict[tuple[Kind, str], str] = field(default_factory=dict)
    options: dict[tuple[Kind, str], dict[str, Value]] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """As they are written: see `recipe` for what they come to."""
    presets: dict[str, Preset] = field(default_factory=dict)
    layers: list[tuple[Path, Layer]] = field(default_factory=list)
    """What was merged, the nearest last."""
    project: Path | None = None
    """The project's registry.toml, if there is one and it was taken."""
    passed_over: list[str] = field(default_factory=list)
    """Registry.toml files that were found and not taken, each in a sentence."""

    def add(self, layer: Layer, path: Path) -> None:
        """Lay another layer over what is here."""
        self.layers.append((path, layer))
        self.base = layer.base or layer.default or self.base
        self.default = layer.default or self.default
        self.model = layer.model or self.model
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
        self.presets |= layer.presets

    def recipe_for(self, changes: Mapping[str, Any]) -> str:
        """Return the recipe that fields go with where none is named: one network's settings suit no other.

        Args:
            changes: what is said of the fields; one that is None is not.
        """
        own = any(changes.get(part) is not None for part in ("generator", "critic", "loss"))
        return self.base if own else self.default

    def preset(self, name: str) -> Preset:
        """Return what `zoo evaluate --preset` takes, by name.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.presets:
            known = sorted(self.presets)
            raise UsageError(f"there is no preset {name!r}{did_you_mean(name, known)} (presets: {', '.join(known)})")
        return self.presets[name]

    def recipe(self, name: str) -> dict[str, Any]:
        """Return a recipe by name: its own fields, over those of the recipe that it extends, over the default fields.

        Raises:
            UsageError: there is none of that name, or none that it extends, or it extends itself in the end.
        """
        table = self.fields
        for one in reversed(self._chain(name)):
            table = overlay(table, {field: v for field, v in self.recipes[one].items() if field != "extends"})
        return table

    def says(self, name: str, field: str) -> bool:
        """Whether a recipe, or one that it extends, has a field: not just the default fields."""
        return any(field in self.recipes[one] for one in self._chain(name))

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

    @property
    def problems(self) -> list[str]:
        """What is wrong with the recipes that recipes extend: each problem once, however many recipes it spoils."""
        seen: set[str] = set()
        found: dict[str, None] = {}
        for name in self.recipes:
            way: dict[str, None] = {}
            one: Any = name
            # As far as to what is known already: a chain of a thousand recipes is walked once.
            while one not in seen and one not in way:
                way[one] = None
                if (one := self.recipes[one].get("extends")) is None:
                    break
                if one not in self.recipes or one in way:
                    found.setdefault(self._why_not(list(way), one))
                    break
            seen |= way.keys()
        return list(found)

    def source(self, *keys: str) -> tuple[Path, int]:
        """Return the file and the line of what stands under these keys, in the nearest layer that has it."""
        return self.sources(*keys)[-1]

    def sources(self, *keys: str) -> list[tuple[Path, int]]:
        """List all files and lines where something stands under these keys, the nearest last."""
        found = []
        for path, layer in self.layers:
            table: Any = layer.said
            for key in keys:
                table = table.get(key) if isinstance(table, dict) else None
            if table is not None:
                found.append((path, line_of(layer._text, keys)))
        return found

    def _chain(self, name: str) -> list[str]:
        """List a recipe and those that it extends, one after another."""
        if name not in self.recipes:
            known = sorted(self.recipes)
            raise UsageError(
                f"there is no recipe {name!r}{did_you_mean(name, known)} (recipes: {', '.join(known)}; "
                "or give a .toml file, or a run's folder)"
            )
        chain = {name: None}
        last = name
        while (base := self.recipes[last].get("extends")) is not None:
            if base not in self.recipes or base in chain:
                raise UsageError(self._why_not(list(chain), base))
            chain[base] = None
            last = base
        return list(chain)

    def _why_not(self, chain: list[str], base: Any) -> str:
        """Say why the last of a chain of recipes cannot extend another one."""
        problem = f"there is no recipe {base!r} to extend{did_you_mean(str(base), sorted(self.recipes))}"
        if base in chain:
            circle = [*chain[chain.index(base) :], base]
            if len(circle) > _SHOWN:
                circle[_SHOWN // 2 : -_SHOWN // 2] = ["…"]
            problem = f"these recipes extend one another: {' -> '.join(circle)}"
        return f"{self.place('recipes', chain[-1], 'extends')}: {problem}"


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
    catalogue.project, catalogue.passed_over = _find_project(folder)
    seen: set[Path] = set()
    for path in (*_own_files(), *filter(None, [catalogue.project])):
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
        layer = Layer.model_validate(table)
        layer._text = text
        return layer
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


def _own_files() -> Iterator[Path]:
    package = Path(__file__).parents[1]
    # A wheel carries the file inside the package; in a checkout it stands beside it.
    yield next((p for p in (package / FILE, package.parent / FILE) if p.is_file()), package / FILE)
    if _is_file(users := user_file()):
        yield users


def _find_project(folder: Path) -> tuple[Path | None, list[str]]:
    """Find the nearest registry.toml from a folder upwards; say of those in between why they are not taken."""
    passed_over: list[str] = []
    for path in (parent / FILE for parent in (folder, *folder.parents)):
        if _is_file(path):
            if not (owner := _stranger(path)):
                return path, passed_over
            passed_over.append(f"{path} belongs to {owner}, and is not taken: copy it, or allow it with {TRUST}={path}")
    return None, passed_over


def _stranger(path: Path) -> str:
    """Return whose file it is, if it is neither ours nor the system's; of a link, both ends count."""
    # Windows knows no such owners.
    if not hasattr(os, "getuid") or str(path) in os.environ.get(TRUST, "").split(os.pathsep):
        return ""
    # Who else may write it does not matter: on many disks, such as those of other systems, that is everybody.
    strangers = [about.st_uid for about in (path.lstat(), path.stat()) if about.st_uid not in (os.getuid(), 0)]
    return _user(strangers[0]) if strangers else ""


def _user(number: int) -> str:
    import pwd

    try:
        return f"the user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"the user {number}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # Somebody else's folder, which we may not look into.
        return False
