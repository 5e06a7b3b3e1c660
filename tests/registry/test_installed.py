"""Plugins that are installed and not as they should be: each gets its line, and everything else goes on."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any

import pytest
from sites import CRITIC, add_metadata, install, python, zoo_
from torch import nn
from typer.testing import CliRunner

from zoo import Run
from zoo.cli.main import app
from zoo.testing import check_generator
from zoo.testing.temporary import Add

COMMAND = """
from zoo import hookimpl

@hookimpl
def zoo_commands(commands):
    commands.add("{name}", "{target}", summary="Does something.")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(
        folder, "good", requires=["gan-zoo", "pluggy>=1.5", "nowhere; extra == 'more'", "gone; python_version < '3'"]
    )
    install(folder, "raises", "raise RuntimeError('no licence')")
    # A stand-in, which takes no seconds to import.
    (folder / "jax.py").touch()
    install(folder, "greedy", "import jax\n" + CRITIC.format(name="greedy", module="zoo_greedy"))
    install(folder, "twin", CRITIC.format(name="patch", module="zoo_twin"))
    install(folder, "tomorrows", requires=["gan-zoo>=99"])
    install(folder, "needy", requires=["fish-and-chips>=2", "pluggy<1"])
    install(folder, "unreadable", requires=["gan-zoo >>> 1"])
    add_metadata(folder, "zoo-thief", "1.0", {"losses": "zoo_good"})
    install(folder, "misspelt", CRITIC.format(name="misspelt", module="x").replace("zoo_components", "zoo_componets"))
    install(folder, "usurper", COMMAND.format(name="run", target="a:b"))
    install(folder, "slow", "import time\nend = time.process_time() + 0.12\nwhile time.process_time() < end: pass")
    # What else the machine does shall make no other plugin slow.
    (folder / "sitecustomize.py").write_text("import time; time.perf_counter = time.process_time")
    return folder


FOLLOWER = """
import time
from zoo import hookimpl

@hookimpl
def {hook}():
    {what}
"""


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installed plugins that follow every run: one that fails, one that sleeps."""
    folder = tmp_path_factory.mktemp("followed")
    install(folder, "failing", FOLLOWER.format(hook="zoo_step", what="raise RuntimeError('no connection')"))
    install(folder, "sleeping", FOLLOWER.format(hook="zoo_metrics", what="time.sleep(600)"))
    return folder


@pytest.fixture(scope="module")
def plugins(site: Path) -> dict[tuple[str, str], Any]:
    answer = zoo_("plugins", "--json", site=site)
    assert answer.returncode == 0, answer.stderr
    return {(p["plugin"], p["distribution"]): p for p in json.loads(answer.stdout)}


def plugin_of(plugins: dict[tuple[str, str], Any], name: str) -> Any:
    return plugins[name, f"zoo-{name}"]


BROKEN = {
    "raises": "RuntimeError: no licence",
    "tomorrows": "needs gan-zoo>=99, and 0.1.0 is installed: install that zoo, as its README says",
    "needy": "needs fish-and-chips>=2, which is not installed; pluggy<1, and ",
    "unreadable": "InvalidRequirement: ",
}
REMARKS = {
    "greedy": "imports jax when it is listed (",
    "misspelt": "implements zoo_componets, which is no hook of this zoo: did you mean 'zoo_components'?",
    "usurper": "its command 'run' is left out: zoo has one of that name",
    "slow": "takes ",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_used_is_left_out_with_its_reason(plugins: dict[tuple[str, str], Any], name: str) -> None:
    plugin = plugin_of(plugins, name)
    assert plugin["state"] == "broken"
    assert plugin["error"].startswith(BROKEN[name])
    assert not plugin["components"]
    assert "Traceback" in plugin["traceback"]


@pytest.mark.parametrize("name", REMARKS)
def test_what_its_author_should_know_is_said(plugins: dict[tuple[str, str], Any], name: str) -> None:
    plugin = plugin_of(plugins, name)
    assert plugin["state"] == "loaded"
    (remark,) = plugin["remarks"]
    assert remark.startswith(REMARKS[name])


def test_the_others_are_as_ever(site: Path, plugins: dict[tuple[str, str], Any]) -> None:
    good = plugin_of(plugins, "good")
    assert (good["state"], good["remarks"], good["hooks"]) == ("loaded", [], ["zoo_components"])
    assert good["components"] == [{"kind": "critic", "name": "good"}]
    assert good["location"] == str(site / "zoo_good.py")
    assert 0 < good["seconds"] < 5
    assert {p["state"] for p in plugins.values() if p["distribution"] == "gan-zoo"} == {"loaded"}


def test_a_plugin_of_a_taken_name_is_left_out(site: Path, plugins: dict[tuple[str, str], Any]) -> None:
    error = "its name is taken by the plugin losses of gan-zoo 0.1.0: uninstall one of the two"
    assert plugins["losses", "zoo-thief"]["error"] == error
    assert plugins["losses", "gan-zoo"]["components"]
    assert f"broken plugin losses (zoo-thief 1.0): {error}" in zoo_("list", site=site).stdout


SMALL = ["run", "--recipe", "demo", "--size", "32", "--batch", "2", "--steps", "20", "--set", "workers=0"]


@pytest.mark.slow
def test_listeners_that_fail_and_sleep_hold_nothing_up(followed: Path) -> None:
    impatient = (
        "import sys\nfrom zoo.cli.main import main\nfrom zoo.training import listeners\n"
        f"listeners.PATIENCE = 0.5\nsys.argv[1:] = {SMALL} + ['--name', 'mine']\nmain()"
    )
    # The report's curves take longer than that, so its thread is at work in C++ when Python ends.
    answer = python("-c", impatient, site=followed)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    for line in (
        "note: the listener failing failed at zoo_step: RuntimeError: no connection; what else fails there is not "
        "shown",
        "note: the listener sleeping was still busy at the end; nobody waited for it",
    ):
        assert lines.count(line) == 1
    assert "Traceback" not in answer.stdout + answer.stderr
    info = Run.open("runs/mine").info
    assert (info["state"], info["progress"]["steps"]) == ("finished", 20)
    assert set(info["listeners"]) == {"failing", "report", "sleeping"}


def test_a_generator_of_the_wrong_shape_is_told_before_it_trains(zoo_register: Add) -> None:
    def make() -> nn.Module:
        """Make three channels instead of two."""
        return nn.Conv2d(1, 3, 3, padding=1)

    zoo_register("generator", "three", make)
    answer = CliRunner().invoke(app, [*SMALL, "--gen", "three", "--dry-run"])
    assert answer.exit_code == 1
    assert "the generator returned chroma of shape (2, 3, 32, 32), expected (2, 2, 32, 32)" in answer.stderr
    assert "Traceback" not in answer.stderr
    with pytest.raises(AssertionError, match=r"chroma of shape \(2, 3, 64, 64\), expected \(2, 2, 64, 64\)"):
        check_generator("three")


def test_list_says_each_in_one_line(site: Path) -> None:
    listed = zoo_("list", site=site)
    assert listed.returncode == 0, listed.stderr
    assert "Traceback" not in listed.stdout + listed.stderr
    lines = listed.stdout.splitlines()
    for name, error in BROKEN.items():
        assert sum(line.startswith(f"broken plugin {name} (zoo-{name} 1.0): {error}") for line in lines) == 1
    for name, remark in REMARKS.items():
        assert sum(line.startswith(f"plugin {name} (zoo-{name} 1.0) {remark}") for line in lines) == 1
    assert any(line.startswith("  unet-deep ") for line in lines)
    for name in ("good", "critics/patch", "twin/patch"):
        assert any(line.startswith(f"  {name} ") for line in lines)


def test_a_name_that_two_offer_is_usable_by_its_full_one(site: Path) -> None:
    refused = zoo_("run", "--loss=l1", "--critic=patch", site=site)
    assert refused.returncode == 2
    assert "more than one plugin offers the critic 'patch': write critics/patch or twin/patch" in refused.stderr
    for name in ("critics/patch", "twin/patch"):
        # It is found, and only then judged.
        assert (
            f"the critic {name} has no part in --loss l1"
            in zoo_("run", "--loss=l1", f"--critic={name}", site=site).stderr
        )


def test_torch_at_the_top_is_named(tmp_path: Path) -> None:
    install(tmp_path / "site", "torchy", "import torch\n" + CRITIC.format(name="torchy", module="zoo_torchy"))
    listed = zoo_("list", "torchy", site=tmp_path / "site")
    assert "plugin torchy (zoo-torchy 1.0) imports torch when it is listed (" in listed.stdout
    assert "move the import into the component's module" in listed.stdout


@pytest.mark.parametrize("name", [*BROKEN, *(name for name in REMARKS if name != "slow")])
def test_strict_makes_an_error_of_each(site: Path, name: str) -> None:
    strict = zoo_("list", site=site, ZOO_STRICT="1", ZOO_PLUGINS=name)
    assert strict.returncode == 1
    assert strict.stderr.startswith(f"error: plugin {name} (zoo-{name})")
    assert (BROKEN | REMARKS)[name] in strict.stderr


def test_strict_lets_the_good_ones_pass(site: Path) -> None:
    assert zoo_("list", site=site, ZOO_STRICT="1", ZOO_PLUGINS="good,twin,slow").returncode == 0


def test_help_is_there_whatever_is_broken(site: Path) -> None:
    helped = zoo_("--help", site=site, ZOO_STRICT="1")
    assert helped.returncode == 0
    assert "  colorize  " in helped.stdout
    assert "error: plugin" in helped.stderr


# ------------------------------------------------------------------------------------------------- commands


def test_commands_of_one_name_are_called_by_their_full_ones(tmp_path: Path) -> None:
    code = COMMAND.format(name="hail", target="zoo_{name}:greet") + "\n\ndef greet():\n    print('hail from {name}')\n"
    for name in ("one", "two"):
        install(tmp_path / "site", name, code.replace("{name}", name))
    assert zoo_("two/hail", site=tmp_path / "site").stdout == "hail from two\n"
    refused = zoo_("hail", site=tmp_path / "site")
    assert refused.returncode == 2
    assert "No such command 'hail'" in refused.stderr
    helped = zoo_("--help", site=tmp_path / "site").stdout
    assert "  one/hail  " in helped
    assert "  two/hail  " in helped


def test_a_command_may_have_subcommands(tmp_path: Path) -> None:
    code = """
import typer
app = typer.Typer()

@app.command()
def add(count: int): print(count + 1)

@app.command()
def fail(): raise ZeroDivisionError("oh")
"""
    install(tmp_path / "site", "sums", COMMAND.format(name="sums", target="zoo_sums:app") + code)
    assert zoo_("sums", "add", "3", site=tmp_path / "site").stdout == "4\n"
    failed = zoo_("sums", "fail", site=tmp_path / "site")
    assert failed.returncode == 1
    assert "error: ZeroDivisionError: oh\nThis is a fault of the command sums of the plugin sums (" in failed.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "zoo_lost.nowhere:go",
            "command lost of plugin lost (zoo-lost 1.0) cannot be imported from zoo_lost.nowhere:go",
        ),
        ("zoo_lost:number", "zoo_lost:number is neither a function nor a typer.Typer"),
    ],
)
def test_a_command_that_is_none_says_whose_it_is(tmp_path: Path, target: str, message: str) -> None:
    install(tmp_path / "site", "lost", COMMAND.format(name="lost", target=target) + "\nnumber = 3\n")
    failed = zoo_("lost", site=tmp_path / "site")
    assert failed.returncode == 1
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


# ------------------------------------------------------------------------------------------------- time


@pytest.mark.slow
def test_twenty_plugins_cost_next_to_nothing(tmp_path: Path) -> None:
    for number in range(20):
        install(tmp_path / "site", f"number-{number}", requires=["gan-zoo>=0.1", "pluggy>=1"])

    def seconds(site: Path | None) -> float:
        before = os.times()
        assert zoo_("list", site=site).stdout.count("number-") == (40 if site else 0)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # By turns, so that what else the machine does weighs on both alike.
    pairs = [(seconds(None), seconds(tmp_path / "site")) for _ in range(3)]
    without, with_them = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert with_them < max(0.5, 1.5 * without)
