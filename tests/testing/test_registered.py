"""Components and hooks for one test, without a package that is installed."""

from __future__ import annotations

from typing import Any

import pytest
from right import Diary, difference
from tiny import tiny

from zoo import Run, UsageError, hookimpl, registry, train
from zoo.testing import check_loss, registered
from zoo.testing.temporary import parked
from zoo.training import dry_run


def test_components_are_known_for_as_long_as_the_block_lasts() -> None:
    def twice() -> Any:
        """Twice the difference."""
        return lambda fake, real: 2 * difference()(fake, real)

    with registered() as add:
        add("loss", "mine", difference, weight=3, summary="The difference")
        add("loss", "twice", twice)
        add("tracker", "by-its-place", "right:Diary")
        known = registry.get()
        assert known.find("loss", "mine").target == "right:difference"
        assert known.find("loss", "mine").weight == 3
        assert known.find("tracker", "by-its-place").factory() is Diary
        losses = dry_run(tiny(loss="mine:power=2+twice", critic="none"))[1]
        assert losses["twice"] > 0
        check_loss("twice")
        with registered() as add_more:  # beside the first
            add_more("loss", "third", difference)
            assert {"mine", "third"} <= {c.name for c in registry.components(kind="loss")}
    assert not vars(parked)
    with pytest.raises(UsageError, match="there is no loss 'mine'"):
        registry.get().find("loss", "mine")


def test_hooks_are_followed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Listening:
        heard: list[str] = []  # noqa: RUF012 - read by the test

        @hookimpl
        def zoo_run_ended(self, run: Run, state: str) -> None:
            self.heard.append(state)

        @hookimpl
        def zoo_run_started(self) -> None:
            raise RuntimeError("not yet")

    monkeypatch.setenv("ZOO_TRACE", "1")
    with registered(listening=Listening()):
        train(tiny(steps=1), name="mine")
        with pytest.raises(ValueError, match="a plugin 'listening' is registered already"), registered(listening=Diary):
            pass
    assert Listening.heard == ["finished"]
    traced = [line for line in capsys.readouterr().err.splitlines() if " of listening at " in line]
    assert [line.split()[:4] for line in traced] == [
        ["trace:", "zoo_run_started", "of", "listening"], ["trace:", "zoo_run_ended", "of", "listening"],
    ]  # fmt: skip
    assert "test_registered.py:" in traced[0]
    assert traced[0].endswith(" ms, raised RuntimeError")
    assert traced[1].endswith(" ms")
