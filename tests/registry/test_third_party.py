"""A plugin of somebody else's, really installed: a package of its own, which zoo learns of by its entry point."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sites import python, zoo_, zoo_each

from zoo.model import read_about

PACKAGE = Path(__file__).parents[1] / "packages" / "zoo-tiny"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that zoo-tiny is installed in."""
    # A build leaves things behind in its source.
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "zoo-tiny")
    target = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *options, "--target", target, source],
        check=True,
        capture_output=True,
    )
    return target


def names(answer: subprocess.CompletedProcess[str]) -> set[str]:
    return {component["name"] for component in json.loads(answer.stdout)["components"]}


TINY = {"tiny-gen", "tiny-critic", "tiny-mean", "tiny-wgan", "tiny-stripes"}


def test_list_shows_whose_it_is(site: Path) -> None:
    answer = zoo_("list", "tiny", "--json", site=site)
    components = json.loads(answer.stdout)["components"]
    assert {c["name"] for c in components} == TINY
    assert {(c["plugin"], c["distribution"], c["version"]) for c in components} == {("tiny", "zoo-tiny", "0.3.0")}
    assert not TINY & names(zoo_("list", "--json"))


def test_the_environment_and_the_catalogue_can_leave_it_out(site: Path) -> None:
    assert not TINY & names(zoo_("list", "--json", site=site, ZOO_PLUGINS="none"))
    assert names(zoo_("list", "--json", site=site, ZOO_PLUGINS="tiny")) >= TINY
    Path("registry.toml").write_text('disabled = ["tiny"]\n')
    assert not TINY & names(zoo_("list", "--json", site=site))


def test_all_of_it_is_shown_checked_trained_and_colours(site: Path, photos: Path) -> None:
    parts = (
        "--gen tiny-gen:width=4 --critic tiny-critic --loss tiny-mean:power=2+tiny-wgan --data tiny-stripes:length=6"
    )
    small = "--size 16 --batch 2 --steps 2 --device cpu --set workers=0 --set precision=float32"
    shown, checked, trained, coloured, misspelt = zoo_each(
        ["show", "tiny-gen", "--size", "64"],
        ["check", "tiny", "--json"],
        ["run", *parts.split(), *small.split(), "--name", "theirs"],
        ["colorize", photos, "--model", "runs/theirs", "--out", "out"],
        ["run", "--gen", "tiny-gen:widht=3", "--data", "tiny-stripes", "--steps", "1"],
        site=site,
    )

    # Its options are in its docstring.
    assert shown.returncode == 0, shown.stderr
    words = " ".join(shown.stdout.split())
    for text in ("plugin tiny of zoo-tiny 0.3.0", "width integer 8 channels between them.", "at 64×64", "GFLOP"):
        assert text in words

    reports = {report["spec"]: report["results"] for report in json.loads(checked.stdout)}
    assert set(reports) == TINY
    assert [row for results in reports.values() for row in results if row["verdict"] == "failed"] == []
    assert checked.returncode == 0

    assert trained.returncode == 0, trained.stderr
    assert "finished: runs/theirs" in trained.stdout
    about = read_about("runs/theirs")
    assert about["recipe"]["loss"] == "5*tiny/tiny-mean:power=2+1*tiny/tiny-wgan"
    assert about["generator"] == {
        "name": "tiny-gen",
        "plugin": "tiny",
        "distribution": "zoo-tiny",
        "version": "0.3.0",
    }
    assert coloured.returncode == 0, coloured.stderr
    assert len(list(Path("out").iterdir())) == 12

    # They are checked like zoo's own.
    assert misspelt.returncode == 2
    assert "generator tiny-gen has no option 'widht': did you mean 'width'? (it has: width)" in misspelt.stderr

    refused = zoo_("colorize", photos, "--model", "runs/theirs", "--out", "elsewhere")
    assert refused.returncode == 1
    assert "needs the generator tiny-gen of the plugin tiny: pip install 'zoo-tiny==0.3.0'" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not Path("elsewhere").exists()


def test_its_command_is_one_of_zoos(site: Path) -> None:
    assert "  tiny-photo  Save one of the striped photographs.\n" in zoo_("--help", site=site).stdout
    assert "tiny-photo" not in zoo_("--help").stdout
    helped, saved, refused = zoo_each(
        ["tiny-photo", "--help"],
        ["tiny-photo", "stripes.png", "--index", "3"],
        ["tiny-photo", "stripes.png", "--index", "-1"],
        site=site,
    )
    assert "--index" in helped.stdout
    assert (saved.returncode, saved.stdout) == (0, "stripes.png is written\n"), saved.stderr
    assert Path("stripes.png").stat().st_size
    assert refused.returncode == 2
    assert "--index" in refused.stderr


@pytest.mark.parametrize("words", ["--help", "list", "plugins", "tiny-foto"])
def test_its_command_is_not_imported_before_it_is_called(site: Path, words: str) -> None:
    script = f"""
import sys
from zoo.cli.main import app
try:
    app({words.split()}, prog_name="zoo")
except SystemExit:
    print([name for name in ("zoo_tiny.plugin", "zoo_tiny.commands", "torch") if name in sys.modules])
"""
    assert python("-c", script, site=site).stdout.splitlines()[-1] == "['zoo_tiny.plugin']"
