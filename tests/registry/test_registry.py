from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import zoo.registry.plugins
from zoo import Register, hookimpl, registry
from zoo.errors import UsageError, ZooError
from zoo.registry.spec import Spec


class FakeEntryPoint:
    """An installed plugin, without installing one."""

    def __init__(self, name: str, plugin: Any, distribution: str = "somebodys") -> None:
        self.name = self.value = name
        self.dist = SimpleNamespace(name=distribution, version="1.2", requires=None)
        self._plugin = plugin

    def load(self) -> Any:
        if isinstance(self._plugin, BaseException):
            raise self._plugin
        return self._plugin


def plugin(**critics: str) -> SimpleNamespace:
    @hookimpl
    def zoo_components(register: Register) -> None:
        for name, target in critics.items():
            register.critic(name, target, summary="a critic")

    return SimpleNamespace(zoo_components=zoo_components)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Add plugins to those that are installed."""

    def add(*more: FakeEntryPoint) -> registry.Registry:
        real: list[EntryPoint] = list(entry_points(group="zoo"))
        monkeypatch.setattr(zoo.registry.plugins, "entry_points", lambda group: [*real, *more])
        registry.get.cache_clear()
        return registry.get()

    return add


def test_first_party_components_are_there() -> None:
    names = {(c.kind, c.name) for c in registry.components()}
    assert {
        ("generator", "unet-deep"),
        ("generator", "smp-unet"),
        ("critic", "patch"),
        ("loss", "l1"),
        ("dataset", "folder"),
    } <= names
    assert not registry.get().broken


def test_every_folder_of_plugins_is_an_installed_plugin() -> None:
    folder = Path(zoo.__file__).parent.parent / "plugins"
    there = {path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"}
    installed = {e.value.split(".")[0] for e in entry_points(group="zoo") if e.dist and e.dist.name == "gan-zoo"}
    assert there == installed


def test_select_by_pattern() -> None:
    assert {c.name for c in registry.components("unet-*")} == {"unet-deep", "unet-shallow"}
    assert {c.name for c in registry.components("patch")} == {"patch"}
    assert all(c.kind == "loss" for c in registry.components(kind="loss"))


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="there is no generator 'unet-dep': did you mean 'unet-deep'"):
        registry.get().find("generator", "unet-dep")
    with pytest.raises(UsageError, match="did you mean 'patch'"):
        registry.get().find("critic", "Pacth")


def test_alias_and_qualified_name() -> None:
    known = registry.get()
    assert known.find("generator", "unet").name == "unet-deep"
    assert known.find("generator", "unet/unet-deep").name == "unet-deep"


def test_a_broken_plugin_is_kept_apart(install: Any) -> None:
    known = install(
        FakeEntryPoint("bad", ImportError("no module named fish")),
        FakeEntryPoint("good", plugin(mine="a.b:c")),
        FakeEntryPoint("exits", SystemExit(3)),
        FakeEntryPoint("twice", SimpleNamespace(zoo_components=hookimpl(_registers_twice))),
    )
    assert {p.name: p.error for p in known.broken} == {
        "bad": "ImportError: no module named fish",
        "exits": "SystemExit: 3",
        "twice": "ValueError: critic 'x' is registered twice",
    }
    assert known.find("critic", "mine").distribution == "somebodys"
    assert known.find("critic", "patch")
    with pytest.raises(UsageError, match="broken plugins: bad, exits, twice"):
        known.find("critic", "fishy")


def _registers_twice(register: Register) -> None:
    register.critic("x", "a:b", summary="")
    register.critic("x", "a:c", summary="")


def test_strict_raises_at_once(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_STRICT", "1")
    with pytest.raises(ZooError, match=r"plugin bad .somebodys. is broken: ValueError: oh"):
        install(FakeEntryPoint("bad", ValueError("oh")))


def test_the_environment_limits_third_parties(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = FakeEntryPoint("mine", plugin(a="x:y")), FakeEntryPoint("other", plugin(b="x:y"))
    monkeypatch.setenv("ZOO_PLUGINS", "none")
    assert not {"a", "b"} & {c.name for c in install(mine, other).components}
    assert {p.off for p in registry.get().plugins} == {None, "left out by ZOO_PLUGINS=none"}
    monkeypatch.setenv("ZOO_PLUGINS", "mine")
    assert {"a", "patch"} <= {c.name for c in install(mine, other).components}
    assert "b" not in {c.name for c in registry.get().components}


def test_the_same_name_twice_is_never_silently_shadowed(install: Any) -> None:
    theirs = FakeEntryPoint("theirs", plugin(patch="a.b:c"))
    known = install(theirs)
    with pytest.raises(UsageError, match="write critics/patch or theirs/patch"):
        known.find("critic", "patch")
    assert known.find("critic", "theirs/patch").target == "a.b:c"
    assert known.find("critic", "critics/patch").distribution == "gan-zoo"
    Path("registry.toml").write_text('[aliases.critic]\npatch = "theirs/patch"\n')
    assert install(theirs).find("critic", "patch").plugin == "theirs"


@pytest.mark.parametrize(("name", "target"), [("a b", "x:y"), ("a:b", "x:y"), ("", "x:y"), ("ok", "x.y")])
def test_registration_is_checked(install: Any, name: str, target: str) -> None:
    known = install(FakeEntryPoint("odd", plugin(**{name: target})))
    assert [p.name for p in known.broken] == ["odd"]


def test_a_component_that_cannot_be_imported_says_whose_it_is(install: Any) -> None:
    known = install(FakeEntryPoint("mine", plugin(gone="no_such_package.x:y")))
    with pytest.raises(ZooError, match=r"critic gone of plugin mine .somebodys 1.2. cannot be imported"):
        known.build("critic", "gone")


def test_build_fills_in_and_checks() -> None:
    known = registry.get()
    assert known.build("generator", "unet-deep:base=4", size=64).multiple == 64
    with pytest.raises(UsageError, match="generator unet-deep has no option 'bsae': did you mean 'base'"):
        known.build("generator", "unet-deep:bsae=4", size=64)


@pytest.mark.parametrize("text", ["photos/", "./photos", "photos", "~/x", "/a/b+c=d,e", "photos/a:b"])
def test_a_bare_path_is_short_for_a_folder(photos: Path, text: str) -> None:
    assert photos.is_dir()
    assert registry.get().read("dataset", text) == Spec("folder", {"path": text})


def test_a_component_wins_over_a_folder_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    known = registry.get()
    assert known.read("dataset", "scenes").name == "scenes"
    assert known.read("dataset", "scenes:seed=2").options == {"seed": "2"}
    assert known.read("dataset", "datasets/scenes").name == "datasets/scenes"


def test_paths_are_made_absolute(photos: Path) -> None:
    known = registry.get()
    spec = known.part("dataset", "photos/").spec
    assert spec.options["path"] == str(photos)
