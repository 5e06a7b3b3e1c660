"""torch.compile, with a backend that needs no C++ compiler: the same graphs, run as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny import Notes, tiny

from zoo import Run, train
from zoo.device import compiles

CHANGES: dict[str, Any] = {"critic": "patch:base=4,layers=1,norm=spectral", "steps": 3, "batch": 4}
compile_ = torch.compile


def through(monkeypatch: pytest.MonkeyPatch, backend: str | Callable[..., Any]) -> list[torch.nn.Module]:
    seen: list[torch.nn.Module] = []

    def recorded(network: torch.nn.Module, mode: str, dynamic: bool) -> Any:
        assert not dynamic  # after sizes that grew, the last one would be slower for good
        seen.append(network)
        return compile_(network, backend=backend, dynamic=dynamic)

    monkeypatch.setattr(torch, "compile", recorded)
    torch._dynamo.reset()
    return seen


def losses(run: Run) -> list[float]:
    return [value for line in run.metrics if "losses" in line for value in line["losses"].values()]


@pytest.mark.filterwarnings("ignore")  # torch's own, of its compiler
def test_compiled_networks_learn_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = train(tiny(**CHANGES, compile="off"), name="plain")
    seen = through(monkeypatch, "aot_eager")
    compiled = train(tiny(**CHANGES, compile="max"), name="compiled")
    assert len(seen) == 2
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_with_low_memory_the_critic_alone_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = through(monkeypatch, "aot_eager")
    notes = Notes()
    train(tiny(**CHANGES, compile="max", memory="low"), name="mine", callback=notes)
    assert len(seen) == 1
    assert not [note for note in notes.notes if "gave up" in note]


@pytest.mark.filterwarnings("ignore")
def test_a_component_that_breaks_the_compiler_is_trained_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no kernel for this")

    seen = through(monkeypatch, broken)
    notes = Notes()
    run = train(tiny(**CHANGES, compile="max"), name="mine", callback=notes)
    assert seen
    assert run.info["state"] == "finished"
    (note,) = [note for note in notes.notes if "torch.compile gave up" in note]
    assert "no kernel for this" in note


def test_automatic_means_cuda() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [compiles(wanted, cpu) for wanted in ("auto", "off", "max")] == [False, False, True]
    assert [compiles(wanted, cuda) for wanted in ("auto", "off", "max")] == [True, False, True]
