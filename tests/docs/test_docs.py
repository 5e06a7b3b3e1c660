"""The documentation says what is so: commands parse, code runs, nothing is left out."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from pages import PAGES, ROOT, name_of
from public_api import own_commands
from safetensors.torch import load_file
from sites import add_metadata
from typer.testing import CliRunner

from zoo import Recipe, UsageError, find_recipe, load_model, registry, train
from zoo.cli.commands.run import _settings
from zoo.cli.main import app
from zoo.photo import Hint, read_photo
from zoo.registry import contracts, hookspecs, resolve
from zoo.registry.contracts import FILLED_IN, KINDS, Kind
from zoo.registry.offers import Component
from zoo.registry.spec import parse
from zoo.testing import checks, networks
from zoo.testing.subject import CPU
from zoo.training import resume

# They are about plugins, and hold some: the files of a page are written and known while its commands are looked at.
AUTHORS = [ROOT / "docs" / f"{name}.md" for name in ("plugins", "contracts", "knowing-more", "hooks")]
WITH_PLUGIN = [ROOT / "README.md", *AUTHORS]
# tests/test_first_critic.py runs what it says, in order; here, its commands are only parsed.
RUN_ELSEWHERE = [ROOT / "docs" / "first-critic.md"]
COMMAND: Any = typer.main.get_command(app)
OWN = own_commands()
# What the options of `zoo run` are called in a recipe.
FIELDS = (
    "critic",
    "loss",
    "data",
    "augment",
    "optimizer",
    "track",
    "size",
    "batch",
    "epochs",
    "steps",
    "minutes",
    "lr",
    "schedule",
    "seed",
    "device",
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    mark: str
    """What the HTML comment before it says, such as `run` or `file: x.py`."""


@functools.cache
def blocks(page: Path) -> list[Block]:
    found = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        if not lines[number].startswith("```"):
            number += 1
            continue
        end = lines.index("```", number + 1)
        mark = re.fullmatch(r"<!-- (.*) -->", lines[number - 1]) if number else None
        text = "\n".join(lines[number + 1 : end]) + "\n"
        found.append(Block(page, number + 1, lines[number][3:], text, mark[1] if mark else ""))
        number = end + 1
    return found


def commands(page: Path) -> Iterator[list[str]]:
    """Every command line of a page that calls zoo, without it."""
    for block in blocks(page):
        if block.language not in ("sh", "bash"):
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "zoo" in words[:-1]:  # and not `cd zoo`
                words = words[words.index("zoo") + 1 :]
                yield words[: next((i for i, word in enumerate(words) if ">" in word or word == "|"), None)]


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Parse a command line as zoo does, without running it: the name of the command, and its parameters."""
    group, rest, names = COMMAND, list(words), []
    with ExitStack() as stack:
        context = stack.enter_context(COMMAND.make_context("zoo", rest))
        while hasattr(group, "commands"):
            name, group, rest = group.resolve_command(context, [*context._protected_args, *context.args])
            context = stack.enter_context(group.make_context(name, list(rest), parent=context))
            names.append(name)
        return " ".join(names), context.params


def subcommands(command: Any) -> list[Any]:
    """A command itself, or the commands of a group."""
    return [one for each in getattr(command, "commands", {}).values() for one in subcommands(each)] or [command]


ALL_COMMANDS = [pytest.param(page, page, words, id=shlex.join(words)) for page in PAGES for words in commands(page)]


# ------------------------------------------------------------------------------------------------- surroundings


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model."""
    recipe = find_recipe(
        "demo", generator="unet-shallow:base=2,depth=2", critic="patch:base=2,layers=1",
        data="scenes:side=32,length=4,val=2", size=32, batch=2, steps=2, device="cpu", workers=0,
    )  # fmt: skip
    return train(recipe, runs=tmp_path_factory.mktemp("docs"), name="mine").path


@pytest.fixture
def plugin(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the plugin that a page's blocks make, as far as Python's metadata is concerned."""
    written = write_files(request.param, tmp_path / "page") if request.param in WITH_PLUGIN else []
    monkeypatch.setenv("ZOO_PLUGINS_DIR", "")  # to which the command adds
    if written:
        monkeypatch.chdir(tmp_path / "page")
    for path in written:
        if path.name != "pyproject.toml":
            continue
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        add_metadata(
            path.parent, project["name"], project["version"], project["entry-points"]["zoo"], project["dependencies"]
        )
        monkeypatch.syspath_prepend(path.parent)
    importlib.invalidate_caches()
    registry.get.cache_clear()
    yield
    forget_modules_of(tmp_path)


def forget_modules_of(folder: Path) -> None:
    sys.path[:] = [path for path in sys.path if not path.startswith(str(folder))]
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    registry.get.cache_clear()


def write_files(page: Path, folder: Path) -> list[Path]:
    written = []
    for block in blocks(page):
        if block.mark.startswith("file: "):
            path = folder / block.mark.removeprefix("file: ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            written.append(path)
    return written


# ------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize(("plugin", "page", "words"), ALL_COMMANDS, indirect=["plugin"])
def test_every_command_line_is_one(plugin: None, page: Path, words: list[str]) -> None:
    try:
        name, parameters = parsed(words)
    except typer.Exit:
        assert words in (["--help"], ["--version"])
        return
    if page in RUN_ELSEWHERE:
        return
    if name == "run":
        check_run(parameters)
    elif name == "show":
        component = parse(parameters["name"])
        kinds = {c.kind for c in registry.components() if component.name in (c.name, c.qualified)}
        assert kinds
        for kind in kinds:
            assert registry.get().part(kind, component).spec
    elif name == "check":
        component = parse(parameters["name"])
        found = registry.get().named(component.name, parameters["kind"])
        for one in found:
            assert registry.get().part(one.kind, component).spec
        assert found or component.name in {plugin.name for plugin in registry.get().plugins}
    elif name == "recipe" and "/" not in parameters["source"]:
        find_recipe(parameters["source"])
    elif name == "list":
        # What models there are depends on what is installed.
        assert registry.components(parameters["pattern"], parameters["kind"]) or parameters["kind"] == "model"


def check_run(parameters: dict[str, Any]) -> None:
    _ = resolve(recipe_of(parameters)).recipe


def recipe_of(parameters: dict[str, Any]) -> Recipe:
    given = {"generator": parameters["generator"], **{name: parameters[name] for name in FIELDS}}
    source = parameters["recipe"]
    # A file or a run is not here; what is added to it is checked all the same.
    from_registry = source is None or ("/" not in source and not source.endswith(".toml"))
    return find_recipe(source if from_registry else None, **given | _settings(parameters["settings"] or [], given))


def test_a_command_line_that_is_none_is_found() -> None:
    with pytest.raises(Exception, match="--gne"):
        parsed(["run", "--gne", "unet-deep"])
    with pytest.raises(UsageError, match="unet-deap"):
        check_run(parsed(["run", "--gen", "unet-deap"])[1])
    with pytest.raises(UsageError, match="bsae"):
        check_run(parsed(["run", "--gen", "unet-deep:bsae=1"])[1])


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_command_has_a_page_with_all_its_options(name: str) -> None:
    text = (ROOT / "docs" / "commands" / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# zoo {name}\n")
    for command in subcommands(OWN[name]):
        assert command.name == name or f"zoo {name} {command.name}" in text
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("-"):
                    assert re.search(rf"`{option}[` ]", text), option
    assert f"(commands/{name}.md)" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


def test_no_page_is_about_a_command_that_is_gone() -> None:
    assert {page.stem for page in (ROOT / "docs" / "commands").glob("*.md")} == set(OWN)


def test_the_readme_has_the_two_commands() -> None:
    lines = [line for block in blocks(ROOT / "README.md") if block.language == "sh" for line in block.text.splitlines()]
    assert {"make demo", "make test", "pip install ."} <= set(lines)


def test_nobody_is_told_to_fetch_zoo_from_an_index() -> None:
    """It is on none: under its name there, somebody else's could be found."""
    sources = [path for folder in ("zoo", "plugins") for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in [*PAGES, *sources]:
        assert not re.search(rb"pip install [^`]*gan-zoo", path.read_bytes()), path


# ------------------------------------------------------------------------------------------------- code


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=name_of(page)) for page in PAGES if any(block.mark == "run" for block in blocks(page))],
)
def test_marked_code_runs(page: Path, trained: Path, photos: Path, tmp_path: Path) -> None:
    """One page's blocks after one another, as a reader would run them."""
    shutil.copytree(trained, tmp_path / "runs" / "mine")
    (tmp_path / "album").mkdir()
    shutil.copy(photos / "00.png", tmp_path / "album" / "grandmother.jpg")
    space: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.mark == "run":
            # With the line numbers of the page.
            code = "\n" * block.line + block.text
            exec(compile(code, str(page), "exec"), space)


@pytest.mark.parametrize("page", [pytest.param(page, id=name_of(page)) for page in PAGES])
def test_python_and_toml_can_be_read(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, f"{page}:{block.line}", "exec")
        elif block.language == "toml":
            tomllib.loads(block.text)


@pytest.mark.parametrize("plugin", [ROOT / "docs" / "plugins.md"], indirect=True)
def test_the_example_of_a_plugin_passes_its_own_tests(
    plugin: None, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    files = sorted((tmp_path / "page" / "zoo-pocket").glob("test_*.py"))
    assert len(files) == 3
    for file in files:
        space: dict[str, Any] = {}
        exec(file.read_text(encoding="utf-8"), space)
        tests = [value for name, value in space.items() if name.startswith("test_")]
        assert tests
        for test in tests:
            test(**{name: request.getfixturevalue(name) for name in inspect.signature(test).parameters})


# ------------------------------------------------------------------------------------------------- pages for authors


def test_no_example_for_authors_is_left_out() -> None:
    """All their Python is in files that the tests below load, check and run."""
    for page in AUTHORS:
        for block in blocks(page):
            if block.language == "python":
                assert re.fullmatch(r"file: (mine|zoo-pocket)/[\w/-]+\.py", block.mark), f"{name_of(page)}:{block.line}"
    files = [block.mark for page in AUTHORS for block in blocks(page) if block.mark.startswith("file: mine/")]
    assert len(files) == len(set(files)) > 10


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have zoo know the single files of all those pages."""
    for page in AUTHORS:
        write_files(page, tmp_path)
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(tmp_path / "mine"))
    registry.get.cache_clear()
    yield tmp_path / "mine"
    forget_modules_of(tmp_path)


def examples(mine: Path) -> list[Component]:
    found = [c for c in registry.components() if (mine / f"{c.plugin}.py").exists()]
    assert {error for plugin in registry.get().plugins if (error := plugin.error)} == set()
    return found


def test_examples_for_authors_keep_their_contracts(mine: Path) -> None:
    found = examples(mine)
    assert {component.kind for component in found} == {*KINDS} - {"model"}
    for component in found:
        results = checks.run(checks.subject_of(component, {}, CPU, 32), (networks.compiled,))
        assert [result for result in results if result.verdict == "failed"] == [], component


SMALL: dict[str, Any] = {
    "size": 32, "batch": 2, "steps": 2, "val_every": 2, "val_images": 2, "lr_decay": 0, "workers": 0, "device": "cpu",
    "precision": "float32",
}  # fmt: skip


def test_runs_of_the_pages_for_authors_train_and_go_on(mine: Path) -> None:
    """Each of their command lines, as it stands, but small; what they train is the same where it was interrupted."""
    used = set()
    for page in AUTHORS:
        for words in commands(page):
            if words[:2] != ["--plugins-dir", "mine/"] or words[2] != "run":
                continue
            recipe = recipe_of(parsed(words)[1])
            small_ones = {"generator": "unet-shallow:base=2,depth=2"} if "--gen" not in words else {}
            if "--critic" not in words and recipe.critic != "none":
                small_ones["critic"] = "patch:base=2,layers=1"
            data = {"data": "scenes:side=48,length=6,val=2"} if "--data" not in words else {}
            ends = dict.fromkeys(("epochs", "minutes", "schedule"))
            table = {**recipe.to_table(), **small_ones, **data, **SMALL}
            small = Recipe(**{name: value for name, value in table.items() if name not in ends})
            whole = train(small)
            half = resume(train(small.changed(steps=1)), extend=True, steps=2)
            first, second = (load_file(run.path / "last.safetensors") for run in (whole, half))
            assert all(torch.equal(first[key], second[key]) for key in first), words
            used |= {part.component.qualified for part in resolve(small).parts}
    assert {c.qualified for c in examples(mine)} - used == set()


def test_generators_that_are_told_more_colour(mine: Path, photos: Path) -> None:
    photo = read_photo(photos / "00.png")
    for name, told in (("moody", [{"seed": 0}, {"seed": 1}]), ("spread", [{}, {"hints": [Hint(4, 3, (176, 64, 42))]}])):
        recipe = Recipe(generator=name, critic="none", loss="l1", data="scenes:side=48,length=6,val=2", **SMALL)
        model = load_model(train(recipe, name=name).path, "cpu")
        first, again, other = (model.colorize(photo, **more) for more in (told[0], told[0], told[1]))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_the_command_of_the_plugins_page_says_how_much_fits(mine: Path) -> None:
    assert CliRunner().invoke(app, ["fits", "1024"]).stdout == "341 photographs\n"
    assert CliRunner().invoke(app, ["fits", "8"]).exit_code == 2


def test_every_hook_is_described_with_its_arguments() -> None:
    text = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[?`(zoo_\w+)`.*? \| (`.*?`) \|", text, re.MULTILINE)
    hooks = {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, "zoo_spec")}
    assert len(hooks) == 9
    assert {name: re.findall(r"\w+", arguments) for name, arguments in rows} == {
        name: list(inspect.signature(hook).parameters) for name, hook in hooks.items()
    }
    example = next(block.text for block in blocks(ROOT / "docs" / "hooks.md") if block.mark == "file: mine/diary.py")
    assert set(re.findall(r"def (zoo_\w+)", example)) == hooks.keys() - hookspecs.OFFERS


def test_every_method_of_register_is_described() -> None:
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)\((.*?)\)` \|", text, re.MULTILINE))
    assert rows == {kind: arguments_of(getattr(hookspecs.Register, kind)) for kind in KINDS}


def arguments_of(method: Callable[..., Any]) -> str:
    """Without types: `name, target, *, summary, weight=1.0`."""
    said: list[str] = []
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in said:
            said.append("*")
        has_default = parameter.default is not parameter.empty
        said.append(parameter.name + f"={parameter.default!r}".replace("'", '"') * has_default)
    return ", ".join(said)


# ------------------------------------------------------------------------------------------------- contracts

SECTIONS: dict[str, tuple[Kind, tuple[type, ...]]] = {
    "A generator": ("generator", ()),
    "A critic": ("critic", ()),
    "A loss over pictures": ("loss", (contracts.Step,)),
    "An adversarial loss": ("loss", (contracts.AdversarialLoss,)),
    "A data set": ("dataset", (contracts.PhotoDataset, contracts.PhotoStream)),
    "An augmentation": ("augmentation", ()),
    "An optimizer": ("optimizer", (contracts.Optimizer,)),
    "A metric": ("metric", (contracts.SetMetric,)),
    "A tracker": ("tracker", ()),
    "A model": ("model", ()),
}


def test_the_contracts_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    source = Path(contracts.__file__).read_text(encoding="utf-8")
    first, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    assert {section.partition("\n")[0] for section in sections} == SECTIONS.keys()
    assert {kind for kind, _ in SECTIONS.values()} == set(KINDS)
    for name in public(contracts.Picture):
        assert f"`{name}" in first, name
    for section in sections:
        title = section.partition("\n")[0]
        kind, protocols = SECTIONS[title]
        rows = re.findall(r"^\| (`.*?) \| (always|may|filled in) \|", section, re.MULTILINE)
        assert len(rows) == max(0, section.count("\n| ") - 1), title
        filled = {word for names, mark in rows if mark == "filled in" for word in re.findall(r"`(\w+)`", names)}
        # Of losses it is said once.
        assert filled == (set() if title == "An adversarial loss" else FILLED_IN[kind])
        for protocol in protocols:
            for name in public(protocol):
                assert f"`{name}" in section, f"{title}: {name}"
        for names, _ in rows:
            for name in re.findall(r"`(\w+)", names):
                is_said = re.search(rf"\b{name}\b", source) or name == "forward"
                assert is_said, f"{title}: {name} is not in contracts.py"


def public(protocol: type) -> set[str]:
    members = {*vars(protocol), *getattr(protocol, "__annotations__", {})}
    return {name for name in members if not name.startswith("_")} | members & {"__len__", "__getitem__", "__iter__"}


def test_the_example_of_a_registry_is_one(tmp_path: Path) -> None:
    write_files(ROOT / "docs" / "recipes.md", tmp_path)
    registry.get.cache_clear()
    recipe = find_recipe()
    resolve(recipe)
    assert recipe.summary == "Faces from the family's albums"
    assert registry.get().catalogue.recipe("demo")


# ------------------------------------------------------------------------------------------------- completeness


def test_every_field_of_a_recipe_is_described() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*?) \|", text, re.MULTILINE))
    for name, field in Recipe.model_fields.items():
        assert name in rows, name
        default = field.get_default(call_default_factory=True)
        if field.is_required():
            shown = "needed"
        elif default in (None, "", ()):
            shown = "none"
        else:
            shown = str(default).lower() if isinstance(default, bool) else f"{default}"
        assert rows[name] == shown, name


def test_every_shipped_recipe_is_described() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    with (ROOT / "registry.toml").open("rb") as file:
        shipped = tomllib.load(file)["recipes"]
    for name, recipe in shipped.items():
        assert f"| `{name}` | {recipe['summary']}" in text
