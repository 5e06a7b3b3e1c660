"""The checks that authors run: what is right passes, and what is wrong is told in a clear row."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faulty
import pytest
import sly
import torch
from faulty import Extent, shares
from forking import Forking
from right import Brighter, Descent, Diary, Game, Gen, Judge, Photos, difference, distance
from sites import python, zoo_
from torch import Tensor
from typer.testing import CliRunner, Result

from zoo import UsageError, registry
from zoo.cli.main import app
from zoo.data.picture import LabPicture
from zoo.registry import Registry
from zoo.registry.contracts import FILLED_IN, KINDS, Kind
from zoo.testing import (
    check_augmentation,
    check_critic,
    check_dataset,
    check_generator,
    check_loss,
    check_metric,
    check_optimizer,
    check_tracker,
    checks,
    datasets,
    networks,
)
from zoo.testing.subject import Subject

WRONG: list[tuple[Kind, Callable[..., Any], str, str]] = [
    ("generator", faulty.WrongShape, "output shapes", "chroma of shape (2, 3, 64, 64), expected (2, 2, 64, 64)"),
    ("generator", faulty.OddRefused, "output shapes", "fails on 75 × 50 pixels, an odd size: BrokenContractError: "),
    ("generator", faulty.Idle, "gradients", "no gradient reaches spare.weight, spare.bias: use them in forward"),
    ("generator", faulty.NanOnBlack, "extreme input", "a picture that is all black gives NaN or infinity in training"),
    ("generator", faulty.Moody, "deterministic",
     "two networks of the same seed differ: draw every random number from torch"),
    ("generator", faulty.Undocumented, "options described",
     "no line under `Args:` in the factory's docstring describes"),
    ("generator", faulty.Untyped, "options described", "no annotation says the type of width: write width: int"),
    ("generator", faulty.BadDefault, "options round trip",
     "option width=2: input should be greater than or equal to 4"),
    ("generator", faulty.Forgetful, "saved and restored", "something that it depends on is not in its state_dict"),
    ("generator", faulty.Halved, "precision", "float32 input gives torch.float16, expected torch.float32"),
    ("generator", faulty.CannotBeMade, "network made", "RuntimeError: no such thing (faulty.py, line "),
    ("generator", faulty.nothing, "network made", "what the factory returns (object) is no torch.nn.Module"),
    ("critic", faulty.Squashed, "unbounded", "leave out the sigmoid or tanh at the end; the losses do that"),
    ("critic", faulty.ColourBlind, "gradients", "no gradient reaches the chroma"),
    ("critic", faulty.CutOff, "gradients", "the output is cut off from the weights"),
    ("loss", faulty.per_pixel, "scalar", "it returns a tensor of shape (2, 2, 64, 64), expected a scalar, of shape ()"),
    ("loss", faulty.root, "extreme pictures", "the original itself: the gradient is NaN or infinite"),
    ("loss", faulty.of_nothing, "gradients of fake", "no gradient reaches the fake's chroma"),
    ("loss", faulty.IdleLoss, "gradients of fake", "no gradient of it reaches spare, and nothing can be learned there"),
    ("loss", faulty.IdleGame, "sides", "no gradient of generator(…) reaches spare, and nothing can be learned there"),
    ("loss", faulty.HalfKept, "restored", "restored, it gives another value: what it depends on must be in buffers"),
    ("loss", faulty.LateShape, "restored", "made with restoring=True, it has other tensors, or of other shapes: seen"),
    ("loss", faulty.Steep, "steps", "at progress 1, step 1e+06: it returns inf, expected a finite number"),
    ("loss", faulty.nothing, "loss made", "what the factory returns (object) is no loss"),
    ("loss", faulty.UpsideDown, "signs",
     "the generator's side is 0.5 where its pictures pass and -0.5 where they don't"),
    ("loss", faulty.Overflowing, "extreme logits", "logits of 100 and -100: generator(…) returns inf"),
    ("loss", faulty.OnceOnly, "penalty", "cut off from the critic: compute gradients with create_graph=True"),
    ("dataset", faulty.Floats, "photographs", "photograph 0 is torch.float32, expected torch.uint8, 0 to 255"),
    ("dataset", faulty.Small, "photographs", "photograph 0 is 24 × 8 pixels: no side may be below 16"),
    ("dataset", faulty.Restless, "same photograph", "photograph 0 is another one the second time"),
    ("dataset", faulty.Leaking, "splits", "of the split train is photograph"),
    ("dataset", faulty.Empty, "dataset made", "it holds no photograph to train on"),
    ("dataset", faulty.Numbered, "fingerprint", "the fingerprint changes from 0."),
    ("dataset", faulty.nothing, "dataset made", "what the factory returns (object) is no data set: it lacks __len__"),
    ("metric", faulty.nothing, "metric made", "what the factory returns (object) cannot be called"),
    ("metric", faulty.per_pixel, "number", "it returns a tensor of shape (1, 2, 64, 64), expected one number"),
    ("metric", faulty.meddling, "same number", "the same pictures give"),
    ("metric", faulty.FromNone, "metric made", "smallest is 0: it must be a whole number of pictures above 0"),
    ("metric", faulty.unnamed, "number", "it returns an empty mapping, expected numbers by name"),
    ("metric", faulty.numbered, "number", "it returns numbers by name, one of them named 1, which is no text"),
    ("metric", faulty.maps, "number", "for 'map' it returns a tensor of shape (1, 2, 64, 64), expected one number"),
    ("metric", faulty.SaysOtherwise, "one by one", "compare(…) of the features returns 0.0"),
    ("metric", faulty.Relative, "one by one", "a picture has other features alone than among others: they are 100"),
    ("metric", faulty.OfPixels, "one by one", "a picture of another size has 9600 features, where others have 8192"),
    ("metric", faulty.Flat, "one by one", "features of 4 pictures have the shape (4,), expected (4, F)"),
    ("metric", faulty.Rounded, "one by one", "features are torch.int64, expected float32 or float64"),
    ("loss", faulty.HoardingGame, "graphs released", "the graphs of 3 in 3 calls are kept alive, with the memory of"),
    ("loss", faulty.Stepped, "sides", "the gradient of generator(…) is zero, whatever the logits are"),
    ("augmentation", faulty.nothing, "augmentation made", "(object) cannot be called, nor has it a window"),
    ("augmentation", faulty.Outside, "windows", "no square of a photograph of 16 × 16"),
    ("augmentation", faulty.Whimsical, "draws", "the same generator gives other numbers: draw every random number"),
    ("augmentation", faulty.Unsteady, "draws", "numbers, and "),
    ("augmentation", faulty.InPlace, "pictures kept", "it writes to the pictures that it is given: make new ones"),
    ("augmentation", faulty.Averaged, "each by itself", "lightness is another one alone than among others"),
    ("augmentation", faulty.Grainy, "same picture", "the same numbers give another picture: let draw(rng) return"),
    ("augmentation", faulty.Glaring, "pictures kept", "lightness is beyond [-1, 1]"),
    ("optimizer", faulty.nothing, "optimizer made", "(object) is no optimizer: it lacks step"),
    ("optimizer", faulty.Stubborn, "learning rate", "read group['lr'] in every step"),
    ("optimizer", faulty.Amnesiac, "resumed", "something that they depend on is not in state_dict"),
    ("optimizer", faulty.Uphill, "learns", "at lr 0.01, the loss went from "),
    ("optimizer", faulty.Secretive, "resumed", "its state holds object under it-optimizer/secret"),
    ("tracker", faulty.nothing, "tracker made", "object has no method that is marked @hookimpl"),
    ("tracker", faulty.Misspelt, "tracker made",
     "implements zoo_metriks, which is no hook of this zoo: did you mean 'zoo_me"),
    ("tracker", faulty.Lost, "whole run", "RuntimeError: where was I (faulty.py, line "),
]  # fmt: skip


SLOW = (networks.compiled, datasets.fingerprint_elsewhere)


def results(kind: Kind, factory: Callable[..., Any]) -> dict[str, tuple[str, str]]:
    return {r.check: (r.verdict, r.message) for r in checks.run(Subject(kind, factory, {}), SLOW)}


@pytest.mark.parametrize(
    ("kind", "factory", "check", "words"), [pytest.param(*row, id=f"{row[0]}-{row[1].__name__}") for row in WRONG]
)
def test_what_is_wrong_fails_in_its_row(kind: Kind, factory: Callable[..., Any], check: str, words: str) -> None:
    verdict, message = results(kind, factory)[check]
    assert verdict == "failed", message
    assert words in message
    assert "\n" not in message


def test_one_failure_does_not_hide_another() -> None:
    found = results("generator", faulty.Idle)
    assert [check for check, (verdict, _) in found.items() if verdict == "failed"] == ["gradients"]
    assert found["cost"][0] == "noted"
    # What cannot be made cannot be tried; what is said of its factory still is.
    assert list(results("generator", faulty.CannotBeMade)) == [
        "docstring", "options described", "options round trip", "network made",
    ]  # fmt: skip


def test_dropout_in_evaluation_is_found() -> None:
    class Drops(Gen):
        """Counts its calls."""

        calls = 0

        def forward(self, lightness: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(lightness) + (0 if self.training else self.calls)

    assert results("generator", Drops)["deterministic"][1].startswith("in evaluation, the same picture gives another")


def test_what_is_no_failure_is_noted() -> None:
    class EvenOnly(Judge):
        """Refuses odd sizes, ends in a tanh."""

        def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
            if lightness.shape[-1] % 2:
                raise ValueError("odd")
            return super().forward(lightness, chroma)

    class Bounded(Gen):
        """Ends in a tanh."""

        def forward(self, lightness: Tensor) -> Tensor:
            return super().forward(lightness).tanh()

    assert results("critic", EvenOnly)["output shapes"] == (
        "noted",
        "refuses 75 × 50 pixels, an odd size: ValueError: odd",
    )
    assert results("generator", Bounded)["unbounded"][0] == "noted"

    def largest() -> Callable[[LabPicture, LabPicture], Tensor]:
        """No mean over pictures."""
        return lambda fake, real: (fake.chroma - real.chroma).abs().max()

    verdict, message = results("metric", largest)["one by one"]
    assert verdict == "noted"
    assert message.endswith("what is no mean over pictures needs the methods features and compare")

    # A class of this function's own cannot be pickled.
    class Local(Photos):
        """Local."""

    assert results("dataset", Local)["worker"][0] == "noted"


def test_what_only_looks_wrong_is_no_failure() -> None:
    """What is right and looks like what is wrong; what is noted where nobody can know."""
    for kind, factory, check, expected in (
        ("generator", sly.ZeroFirst, "gradients", ("passed", "reach all 4 parameters")),
        ("generator", sly.HalfNumb, "gradients", ("noted", "the gradient of spare.weight is zero everywhere")),
        ("critic", sly.Curious, "batch independent", ("noted", "in evaluation, a picture alone comes to something")),
        ("loss", sly.Wavering, "repeated calls", ("noted", "it is 1.")),
        ("loss", sly.Counting, "repeated calls", ("noted", "it is 0.1")),
        ("loss", sly.Fading, "repeated calls", ("passed", "it is 0.1")),
        ("dataset", sly.OneUnreadable, "photographs", ("noted", "uint8 (3, H, W): 299 of 300 of train, ")),
        ("dataset", sly.MostlyGrey, "photographs", ("noted", "uint8 (3, H, W): all of train, ")),
    ):
        found = results(kind, factory)
        assert [check for check, (verdict, _) in found.items() if verdict == "failed"] == []
        assert found[check][0] == expected[0]
        assert found[check][1].startswith(expected[1])


# ------------------------------------------------------------------------------------------------- for authors


def test_what_is_right_passes() -> None:
    check_generator(Gen, width=3)
    check_critic(Judge)
    check_loss(difference, power=2)
    check_loss(Game)
    check_dataset(Photos)
    check_metric(distance)
    check_metric(shares)
    check_metric(Extent)
    check_augmentation(Brighter)
    check_optimizer(Descent)
    check_tracker(Diary)
    check_critic("patch:base=2,layers=1")
    assert {name.removeprefix("check_") for name in globals() if name.startswith("check_")} == {*KINDS} - {"model"}
    assert set(checks.CONTRACTS) == set(KINDS) == set(FILLED_IN)


def test_all_failures_are_listed() -> None:
    class Both(faulty.Idle):
        """Idle and odd."""

        multiple = 1

    with pytest.raises(AssertionError) as caught:
        check_generator(Both)
    assert str(caught.value).startswith("generator Both: 2 checks failed\n  output shapes: fails on")
    assert "\n  gradients: no gradient reaches spare.weight" in str(caught.value)


def test_options_belong_into_the_text() -> None:
    with pytest.raises(UsageError, match=r"as in patch:base=…"):
        check_critic("patch", base=2)


def test_the_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    check_loss(difference)
    assert torch.equal(torch.rand(1), wanted)


def test_fixtures(zoo_registry: Registry, zoo_batch: LabPicture) -> None:
    assert zoo_registry is registry.get()
    critic = zoo_registry.build("critic", "patch:base=2,layers=1")
    assert critic(zoo_batch.lightness, zoo_batch.chroma).shape == (2, 1, 14, 14)
    assert zoo_registry.build("loss", "l1")(zoo_batch, zoo_batch) == 0
    assert zoo_batch.lightness.abs().max() <= 1
    assert 0.05 < zoo_batch.chroma.std() < 1


def test_every_check_is_documented() -> None:
    page = (Path(registry.__file__).parents[2] / "docs" / "commands" / "check.md").read_text(encoding="utf-8")
    of_all = {"docstring": "docstring", "options described": "description", "options round trip": "can be typed"}
    for check in [*checks.FACTORY, *itertools.chain(*checks.CONTRACTS.values()), *checks.ADVERSARIAL_LOSS]:
        name = check.__name__.replace("_", " ")
        assert of_all.get(name, f"| {name} |") in page


# ------------------------------------------------------------------------------------------------- the command


@pytest.fixture(autouse=True)
def _has_torch_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command begin a copy of this process; one test has it begin one afresh."""
    monkeypatch.setattr("zoo.testing.apart.multiprocessing", Forking())


def check(*words: str) -> Result:
    return CliRunner().invoke(app, ["check", *words])


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plugin that imports torch at its top, and offers something wrong and something twice."""
    folder = tmp_path / "theirs"
    about = folder / "zoo_theirs-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Name: zoo-theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[zoo]\ntheirs = zoo_theirs\n")
    (folder / "zoo_theirs.py").write_text(
        "import torch\n"
        "from zoo import hookimpl\n\n"
        "@hookimpl\n"
        "def zoo_components(register):\n"
        "    register.loss('wrong', 'zoo_theirs:Wrong', summary='', adversarial=True)\n"
        "    register.loss('gone', 'zoo_theirs:Gone', summary='Is not there')\n"
        "    register.critic('twice', 'zoo_critics.model:patch', summary='One')\n"
        "    register.loss('twice', 'zoo_losses.image:L1', summary='Another')\n"
        "    register.dataset('asking', 'zoo_datasets.folder:folder', summary='Needs an option')\n\n"
        "def Wrong():\n"
        "    return lambda fake, real: 0\n"
    )
    monkeypatch.syspath_prepend(folder)
    registry.get.cache_clear()
    yield
    sys.modules.pop("zoo_theirs", None)
    registry.get.cache_clear()


def test_the_command_says_the_verdict() -> None:
    passed = check("patch:base=2,layers=1")
    assert passed.exit_code == 0, passed.output
    words = " ".join(passed.stdout.split())
    for text in (
        "critic patch:base=2,layers=1 of plugin critics",
        "options round trip passed read as typed: base=2,layers=1,norm=batch",
        "compiled passed torch.compile makes one graph of it",
        "cost noted",
        "18 passed, 0 failed, 1 noted",
    ):
        assert text in words


def test_a_plugin_is_checked_whole(theirs: None) -> None:
    failed = check("theirs", "--json")
    assert failed.exit_code == 1, failed.output
    reports = {(report["kind"], report["spec"]): report["results"] for report in json.loads(failed.stdout)}
    assert set(reports) == {
        ("loss", "wrong"), ("loss", "gone"), ("critic", "twice"), ("loss", "twice"), ("dataset", "asking"),
    }  # fmt: skip
    found = {row["check"]: (row["verdict"], row["message"]) for row in reports["loss", "wrong"]}
    assert found["docstring"][0] == found["summary"][0] == "failed"
    assert found["light entry"] == (
        "failed",
        "zoo_theirs imports torch, numpy, which every `zoo list` would wait for: import only zoo there, and name the "
        "component by its import string",
    )
    assert "registered with adversarial=True, but lacks the methods" in found["loss made"][1]
    (gone,) = reports["loss", "gone"]
    assert (gone["check"], gone["verdict"]) == ("import", "failed")
    assert "cannot be imported" in gone["message"]
    (asking,) = reports["dataset", "asking"]
    assert (asking["verdict"], asking["message"]) == (
        "noted",
        "not tried: dataset asking needs the option 'path': write :path=…",
    )


def test_what_makes_no_sense_is_misuse(theirs: None) -> None:
    for words, message in (
        (("pach",), "there is no component or plugin 'pach': did you mean 'patch'?"),
        (("patch", "--kind", "loss"), "there is no loss or plugin 'patch'"),
        (("patch:bse=2",), "critic patch has no option 'bse': did you mean 'base'?"),
        (("losses:x=1",), "losses is a plugin, which has no options"),
        (("losses", "--kind", "critic"), "plugin losses offers no critic"),
        (("asking",), "dataset asking needs the option 'path'"),
        (("patch", "--device", "gpu"), "--device gpu: write auto, cuda"),
        (("twice",), "'twice' is a critic and a loss: say which with --kind"),
    ):
        refused = check(*words)
        assert refused.exit_code == 2, words
        assert message in refused.stderr
    assert check("twice", "--kind", "loss").exit_code == 1  # its entry module is heavy


def test_what_cannot_be_imported_is_a_failed_row(theirs: None) -> None:
    failed = check("gone")
    assert failed.exit_code == 1, failed.output
    assert "import failed loss gone of plugin theirs" in " ".join(failed.stdout.split())
    with pytest.raises(AssertionError, match="import: loss gone of plugin theirs"):
        check_loss("gone")


def test_a_broken_plugin_is_an_error(theirs: None, tmp_path: Path) -> None:
    (tmp_path / "theirs" / "zoo_theirs.py").write_text("1 / 0\n")
    sys.modules.pop("zoo_theirs", None)
    registry.get.cache_clear()
    failed = check("theirs")
    assert failed.exit_code == 1, failed.output
    assert "plugin theirs (zoo-theirs 1.0) is broken: ZeroDivisionError: division by zero" in failed.stderr


# ------------------------------------------------------------------------------------------------- what ends a process

ENDING = """
from zoo import hookimpl

@hookimpl
def zoo_components(register):
    for name in ("Aborts", "Leaves", "Starved", "Endless", "unmade", "Diary"):
        register.tracker(name.lower(), f"{'right' if name == 'Diary' else 'sly'}:{name}", summary=name)
"""


@pytest.fixture
def ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plugin of trackers that end their process."""
    (tmp_path / "ending.py").write_text(ENDING)
    monkeypatch.setenv("ZOO_PLUGINS_DIR", "")  # to which the command adds
    return tmp_path


@pytest.mark.slow
def test_a_process_that_began_afresh_makes_the_checks(ending: Path) -> None:
    checked = zoo_("--plugins-dir", ending, "check", "leaves", "--json", PYTHONPATH=str(Path(faulty.__file__).parent))
    assert checked.returncode == 1, checked.stderr
    assert "leaked" not in checked.stderr
    assert "farewell" in checked.stderr  # and not in the JSON
    (report,) = json.loads(checked.stdout)
    assert len(report["results"]) == 7
    assert report["results"][-1]["message"] == "it ended the process with exit code 3"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="says which signal it was")
def test_what_ends_the_process_does_not_lose_the_report(ending: Path) -> None:
    checked = CliRunner().invoke(app, ["--plugins-dir", str(ending), "check", "ending", "--json", "--timeout", "5"])
    assert checked.exit_code == 1, checked.output
    reports = {report["spec"]: report["results"] for report in json.loads(checked.stdout)}
    last = {spec: (results[-1]["check"], results[-1]["message"]) for spec, results in reports.items()}
    assert {spec: len(results) for spec, results in reports.items()} == {**dict.fromkeys(last, 7), "unmade": 6}
    alone = "; without it, nothing else can be tried"
    for spec, check, start, end in (
        ("aborts", "whole run", "it ended the process by SIGABRT (sly.py, line ", ")"),
        ("leaves", "whole run", "it ended the process with exit code 3", ""),
        ("starved", "whole run", "it ended the process by SIGKILL, as the system does where memory runs out", ""),
        ("endless", "whole run", "it did not end within 5 seconds (sly.py, line ", ")"),
        ("unmade", "tracker made", "it ended the process by SIGABRT (sly.py, line ", f"){alone}"),
        ("diary", "whole run", "follows a run and its resumption", ""),
    ):
        assert last[spec][0] == check
        assert last[spec][1].startswith(start)
        assert last[spec][1].endswith(end)
    passed = [result["check"] for result in reports["aborts"] if result["verdict"] == "passed"]
    assert passed == ["docstring", "options described", "options round trip", "summary", "light entry", "tracker made"]


def test_the_command_does_not_import_torch() -> None:
    script = "import sys\nimport zoo.testing.apart, zoo.cli.check_table\nprint('torch' in sys.modules)"
    assert python("-c", script).stdout == "False\n"
