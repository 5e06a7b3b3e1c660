from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from zoo import find_recipe, registry
from zoo.cli.main import app
from zoo.errors import UsageError
from zoo.registry import file as registry_file
from zoo.registry import resolve
from zoo.registry.catalogue import user_file

ROOT = Path(__file__).parents[2]

WITH_COMMENTS = """\
# What I like.
default = "demo"  # quick

disabled = [
    "gone",  # it was slow
]

[aliases.generator]
big   =   "unet-deep"
"""


def zoo_(*words: str) -> Any:
    registry.get.cache_clear()
    return CliRunner().invoke(app, list(words))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    registry.get.cache_clear()
    return path


def states() -> dict[str, str]:
    registry.get.cache_clear()
    return {plugin.name: plugin.state for plugin in registry.get().plugins}


# ------------------------------------------------------------------------------------------------- on and off


def test_a_plugin_is_switched_off_and_on() -> None:
    path = user_file()
    before = states()
    done = zoo_("plugins", "--disable", "smp")
    assert (done.exit_code, done.stdout) == (0, f"smp is disabled in {path}\n")
    assert tomllib.loads(path.read_text()) == {"disabled": ["smp"]}
    assert states() == {plugin: "off" if plugin == "smp" else "loaded" for plugin in before}
    assert f"disabledin{path}" in "".join(zoo_("plugins").stdout.split())
    with pytest.raises(UsageError, match=r"plugins switched off: smp; `zoo plugins` shows where"):
        registry.get().find("generator", "smp-unet")
    done = zoo_("plugins", "--enable", "smp")
    assert (done.exit_code, done.stdout) == (0, f"smp is enabled again in {path}\n")
    assert set(states().values()) == {"loaded"}


def test_comments_and_formatting_stay() -> None:
    path = write(user_file(), WITH_COMMENTS)
    assert zoo_("plugins", "--disable", "smp").exit_code == 0
    assert tomllib.loads(path.read_text())["disabled"] == ["gone", "smp"]
    for line in WITH_COMMENTS.splitlines():
        assert line in path.read_text()
    assert zoo_("plugins", "--enable", "smp").exit_code == 0
    assert path.read_text() == WITH_COMMENTS


def test_a_new_key_comes_before_the_tables() -> None:
    path = write(user_file(), '# mine\n[aliases.generator]\nbig = "unet-deep"\n')
    assert zoo_("plugins", "--disable", "smp").exit_code == 0
    assert tomllib.loads(path.read_text()) == {"disabled": ["smp"], "aliases": {"generator": {"big": "unet-deep"}}}
    assert "# mine" in path.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--disable spm", "there is no plugin 'spm': did you mean 'smp'?"),
        ("--disable unet", "unet is disabled already, in "),
        ("--enable smp", "smp is not disabled"),
        ("--enable unet", "unet is disabled in {project}: take it out there"),
    ],
)
def test_what_cannot_be_switched_is_said(tmp_path: Path, words: str, message: str) -> None:
    project = write(tmp_path / "registry.toml", 'disabled = ["unet"]\n')
    done = zoo_("plugins", *words.split())
    assert done.exit_code == 2
    assert message.format(project=project) in done.stderr
    assert project.read_text() == 'disabled = ["unet"]\n'
    assert not user_file().exists()


def test_a_malformed_file_is_left_alone() -> None:
    path = write(user_file(), "disabled = [\n")
    done = zoo_("plugins", "--disable", "smp")
    assert done.exit_code == 2
    assert f"{path}, line " in done.stderr
    assert path.read_text() == "disabled = [\n"


# ------------------------------------------------------------------------------------------------- the merged one


def test_the_merged_registry_says_where_each_line_is_from(tmp_path: Path) -> None:
    users = write(user_file(), 'disabled = ["a"]\n\n[options.generator.unet-deep]\nbase = 32\ndropout = false\n')
    project = write(
        tmp_path / "registry.toml",
        'disabled = ["b"]\n[recipes.landscapes]\nextends = "landscapes"\nbatch = 8\n'
        '[options.generator."unet-deep"]\n\nbase = 16\n',
    )
    shown = zoo_("registry").stdout
    shipped = (ROOT / "registry.toml").read_text(encoding="utf-8").splitlines()
    generator = shipped.index('generator = "unet-deep"', shipped.index("[recipes.landscapes]")) + 1
    assert shown.startswith(f"# 1: {ROOT / 'registry.toml'}\n# 2: {users}  (yours)\n# 3: {project}  (this project's)\n")
    for line in (
        'default = "natural"  # 1, line 5',
        'base = "landscapes"  # 1, line 8',
        'disabled = ["a", "b"]  # 2, line 1; 3, line 1',
        "base = 16  # 3, line 7",
        "dropout = false  # 2, line 5",
        "batch = 8  # 3, line 4",
        f'generator = "unet-deep"  # 1, line {generator}',
    ):
        assert line in shown.splitlines(), line
    merged = tomllib.loads(shown)
    assert merged["options"] == {"generator": {"unet-deep": {"base": 16, "dropout": False}}}
    assert merged["recipes"] == registry.recipes()
    answer = json.loads(zoo_("registry", "--json").stdout)
    assert answer["files"] == [str(ROOT / "registry.toml"), str(users), str(project)]
    assert {"keys": ["recipes", "landscapes", "batch"], "value": 8, "from": [{"file": str(project), "line": 4}]} in (
        answer["entries"]
    )
    assert {"keys": ["disabled"], "value": ["a", "b"]}.items() <= next(
        entry for entry in answer["entries"] if entry["keys"] == ["disabled"]
    ).items()


def test_what_comes_to_nothing_is_remarked_on(tmp_path: Path) -> None:
    path = write(
        tmp_path / "registry.toml",
        '[aliases.critic]\np = "pach"\n[options.generator.unet-dep]\nbase = 3\n[recipes.a]\nextends = "a"\n',
    )
    remarks = [
        f"{path}, line 2: there is no critic 'pach': did you mean 'patch'?",
        f"{path}, line 3: there is no generator 'unet-dep': did you mean 'unet-deep'? (zoo list --kind generator shows "
        "what there is)",
        f"{path}, line 6: these recipes extend one another: a -> a",
    ]
    shown = zoo_("registry")
    assert shown.exit_code == 0
    assert shown.stderr.splitlines() == [f"note: {remark}" for remark in remarks]
    assert json.loads(zoo_("registry", "--json").stdout)["remarks"] == remarks
    with pytest.raises(UsageError) as caught:
        registry.get().find("critic", "p")
    assert f"there is no critic 'p', nor a critic 'pach', which {path}, line 2, takes it for" in str(caught.value)
    listed = "".join(zoo_("list").stdout.split())
    for remark in remarks:
        assert remark.replace(" ", "") in listed


# ------------------------------------------------------------------------------------------------- the schema


def stored_schema() -> Any:
    return json.loads((ROOT / "docs" / "registry.schema.json").read_text(encoding="utf-8"))


def test_the_stored_schema_is_up_to_date() -> None:
    assert json.loads(zoo_("registry", "--schema").stdout) == stored_schema(), "write it anew with `make docs`"


def test_the_shipped_registry_and_a_new_one_follow_the_schema(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(stored_schema())
    for path in (ROOT / "registry.toml", registry_file.begin(tmp_path)):
        jsonschema.validate(tomllib.loads(path.read_text(encoding="utf-8")), stored_schema())


@pytest.mark.parametrize(
    "text",
    [
        'defualt = "demo"',
        'disabled = "smp"',
        '[aliases.encoder]\na = "b"',
        "[recipes.a]\nbatchs = 3",
        "[recipes.a]\nbatch = 0",
        "[fields]\nnope = 3",
        "[options.generator.unet-deep]\nbase = {a = 1}",
    ],
)
def test_the_schema_finds_mistakes(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), stored_schema())


# ------------------------------------------------------------------------------------------------- a new one


def test_init_writes_one_that_works(tmp_path: Path) -> None:
    done = zoo_("init")
    assert done.exit_code == 0, done.stderr
    recipe = find_recipe()
    assert (recipe.summary, recipe.generator) == ("the recipe of this project", "unet-deep")
    assert not registry.get().remarks


def test_what_it_suggests_works_too(tmp_path: Path) -> None:
    """All that stands behind a '#' is right when it is taken away."""
    path = registry_file.begin(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text(
        "\n".join(line.removeprefix("# ") if " = " in line or line.startswith("# [") else line for line in lines)
    )
    registry.get.cache_clear()
    jsonschema.validate(tomllib.loads(path.read_text(encoding="utf-8")), stored_schema())
    recipe = find_recipe()
    assert (recipe.device, recipe.batch, recipe.generator) == ("cuda:1", 8, "unet-deep:base=32")
    resolve(recipe)
    assert not registry.get().remarks


@pytest.mark.parametrize("make", ["file", "link", "folder"])
def test_init_overwrites_nothing(tmp_path: Path, make: str) -> None:
    path = tmp_path / "registry.toml"
    if make == "file":
        path.write_text("default = 'demo'\n")
    elif make == "link":
        path.symlink_to("nowhere.toml")
    else:
        path.mkdir()
    done = zoo_("init", str(tmp_path))
    assert done.exit_code == 2
    assert f"{path} is there already" in done.stderr
    assert make != "file" or path.read_text() == "default = 'demo'\n"
    assert not (tmp_path / "nowhere.toml").exists()


def test_init_needs_a_folder() -> None:
    done = zoo_("init", "nowhere")
    assert done.exit_code == 2
    assert "there is no folder nowhere" in done.stderr
