"""What `zoo run` says of a component that breaks its contract, and of an error that nobody foresaw."""

from __future__ import annotations

import shlex
from importlib.metadata import entry_points
from types import SimpleNamespace

import breaking
import pytest
from typer.testing import CliRunner, Result

import zoo.registry.plugins
from zoo import Register, hookimpl, registry
from zoo.cli.faults import describe
from zoo.cli.main import app

TINY = shlex.split(
    "--gen unet-shallow:base=4,depth=2 --critic none --loss l1 --data scenes:side=48,length=8 --size 32 --batch 2 "
    "--steps 1 --set workers=0 --set precision=float32 --device cpu"
)


WRONG = {
    "generator": ["Pair", "Whole", "Crooked", "WrongShape", "nothing"],
    "critic": ["Named", "Silent", "nothing"],
    "loss": ["number", "constant", "per_pixel", "nothing"],
    "metric": ["many", "nobody", "nothing"],
    "dataset": ["Arrays", "Torn", "Floats", "Small", "nothing"],
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin whose components are wrong in one way each."""

    def target(name: str) -> str:
        return f"{'breaking' if hasattr(breaking, name) else 'faulty'}:{name}"

    @hookimpl
    def zoo_components(register: Register) -> None:
        for kind, names in WRONG.items():
            for name in names:
                getattr(register, kind)(name, target(name), summary="wrong")
        for name in ("HalfGame", "Often", "Vector"):
            register.loss(name, target(name), summary="wrong", adversarial=True)

    plugin = SimpleNamespace(
        name="wrong",
        value="wrong",
        dist=SimpleNamespace(name="zoo-wrong", version="1.2", requires=None),
        load=lambda: SimpleNamespace(zoo_components=zoo_components),
    )
    real = list(entry_points(group="zoo"))
    monkeypatch.setattr(zoo.registry.plugins, "entry_points", lambda group: [*real, plugin])
    registry.get.cache_clear()


def dry_run(*words: str) -> Result:
    return CliRunner().invoke(app, ["run", *TINY, *words, "--dry-run"])


CRITIC = ("--critic=patch:base=4,layers=1", "--loss=l1+adv")


@pytest.mark.parametrize(
    ("words", "component", "problem"),
    [
        (["--gen=Pair"], "generator Pair", "the generator returned a list, expected a tensor of shape (2, 2, 32, 32)"),
        (["--gen=Whole"], "generator Whole", "the generator returned torch.int64, expected floating point"),
        (
            ["--gen=WrongShape"],
            "generator WrongShape",
            "the generator returned chroma of shape (2, 3, 32, 32), expected (2, 2, 32, 32)",
        ),
        (["--gen=nothing"], "generator nothing", "what the factory returns (object) is no torch.nn.Module"),
        ([*CRITIC, "--critic=nothing"], "critic nothing", "what the factory returns (object) is no torch.nn.Module"),
        (
            [*CRITIC, "--critic=Named"],
            "critic Named",
            "logits must be a tensor, or a list of them, one per scale; found dict",
        ),
        ([*CRITIC, "--critic=Silent"], "critic Silent", "it returns an empty list"),
        (["--loss=number"], "loss number", "it returns no tensor: float"),
        (["--loss=constant"], "loss constant", "it returns what is cut off from its input: no gradient can reach it"),
        (
            ["--loss=per_pixel"],
            "loss per_pixel",
            "it returns a tensor of shape (2, 2, 32, 32), expected a scalar, of shape ()",
        ),
        (["--loss=nothing"], "loss nothing", "what the factory returns (object) is no loss: it can neither be called"),
        ([*CRITIC, "--loss=l1+HalfGame"], "loss HalfGame", "it is registered with adversarial=True, but lacks"),
        ([*CRITIC, "--loss=l1+Often"], "loss Often", "penalty_every is 0.5: it must be a whole number of steps"),
        ([*CRITIC, "--loss=l1+Vector"], "loss Vector", "critic(…) returns a tensor of shape (392,), expected a scalar"),
        (["--set", "metrics=many"], "metric many", "it returns a tensor of shape (2,), expected one number"),
        (["--set", "metrics=nobody"], "metric nobody", "it returns NoneType, expected one number"),
        (["--set", "metrics=nothing"], "metric nothing", "what the factory returns (object) cannot be called"),
        (["--data=Arrays"], "dataset Arrays", "is no tensor: ndarray"),
        (["--data=Floats"], "dataset Floats", "is torch.float32, expected torch.uint8, 0 to 255"),
        (["--data=Small"], "dataset Small", "is 24 × 8 pixels: no side may be below 16"),
        (["--data=nothing"], "dataset nothing", "what the factory returns (object) is no data set: it lacks __len__"),
    ],
)
def test_a_run_says_what_a_component_breaks(words: list[str], component: str, problem: str) -> None:
    answer = dry_run(*words)
    assert answer.exit_code == 1, answer.output
    assert f"{component} of the plugin wrong (zoo-wrong 1.2) breaks its contract: " in answer.stderr
    assert problem in answer.stderr
    assert f"`zoo check wrong/{component.split()[1]}` shows what else" in answer.stderr
    assert "This is a fault" not in answer.stderr


def test_a_fault_of_a_plugin_is_called_that() -> None:
    for words, place in ((["--gen=Crooked"], "KeyError: 'shfit'"), (["--data=Torn"], "IndexError: list index out of")):
        answer = dry_run(*words)
        assert answer.exit_code == 1
        assert place in answer.stderr
        assert "This is a fault of the plugin wrong (zoo-wrong 1.2), in breaking.py, line " in answer.stderr


def test_a_fault_in_a_process_that_loads_is_told_in_one_line() -> None:
    loader = "Caught IndexError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
    trace = f'  File "{breaking.__file__}", line 7, in __getitem__\nIndexError: list index out of range\n'
    assert describe(IndexError(loader + trace)) == (
        "IndexError: list index out of range\nThis is a fault of the plugin wrong (zoo-wrong 1.2), in breaking.py, "
        "line 7: `zoo --debug …` shows where it happened."
    )


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("could not create a primitive"), ImportError("x.so: failed to map segment")]
)
def test_too_little_memory_is_nobodys_fault(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object) -> None:
        raise error

    monkeypatch.setattr("zoo.cli.commands.run.resolve", greedy)
    answer = dry_run()
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: not enough memory: close other programs, or ask for less at once (")
    assert "fault" not in answer.stderr


def test_a_refused_thread_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("zoo.cli.commands.run.resolve", refused)
    assert dry_run().stderr == (
        "error: can't start new thread: the system allows no more of them; see `ulimit -u`, a container's limit, or "
        "memory\n"
    )


def test_a_fault_of_zoo_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.cli.commands.run.resolve", {}.__getitem__)
    monkeypatch.setattr("zoo.cli.commands.run.find_recipe", lambda *_, **__: "oops")
    answer = dry_run()
    assert answer.stderr == (
        "error: KeyError: 'oops'\nThis is a fault of zoo: `zoo --debug …` shows where it happened.\n"
    )
