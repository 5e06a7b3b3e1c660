from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from zoo.errors import UsageError
from zoo.registry.options import check_options, filled_in, options_of, unlike_defaults, written_out


def factory(
    *,
    size: int,
    base: Annotated[int, Field(ge=1, le=512)] = 64,
    norm: Literal["batch", "none"] = "batch",
    dropout: bool = True,
    depth: int | None = None,
    layers: tuple[int, ...] = (0, 1),
    widths: Sequence[int] = (8,),
    path: Path | None = None,
    scale: float = 1.0,
) -> None:
    """Make nothing.

    Args:
        base: channels of the first level.
        norm: the kind of
            normalization.
    """


class Thing:
    """A class is a factory too."""

    def __init__(self, *, width: int, **rest: Any) -> None:
        self.width = width


def check(**given: str) -> dict[str, Any]:
    return check_options(factory, "generator", given, "generator g")


def test_text_becomes_what_the_annotations_say() -> None:
    assert check(
        base="32", norm="none", dropout="false", depth="none", layers="2,3", widths="5", path="a,b", scale="1e-3"
    ) == {
        "base": 32,
        "norm": "none",
        "dropout": False,
        "depth": None,
        "layers": (2, 3),
        "widths": [5],
        "path": Path("a,b"),
        "scale": 0.001,
    }
    assert check(depth="7") == {"depth": 7}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bsae": "1"}, "generator g has no option 'bsae': did you mean 'base'?"),
        ({"size": "1"}, "has no option 'size'"),
        ({"base": "many"}, "option base=many: input should be a valid integer"),
        ({"base": "0"}, "option base=0: input should be greater than or equal to 1"),
        ({"norm": "layer"}, "option norm=layer: input should be 'batch' or 'none'"),
        ({"layers": "1,x"}, "option layers=1,x"),
    ],
)
def test_a_mistake_is_named(given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        check(**given)


def test_a_required_option_is_asked_for() -> None:
    with pytest.raises(UsageError, match="loss t needs the option 'width': write :width=…"):
        check_options(Thing, "loss", {}, "loss t")
    assert check_options(Thing, "loss", {"width": "3"}, "loss t") == {"width": 3}


def test_options_are_described_by_signature_and_docstring() -> None:
    options = {option.name: option for option in options_of(factory, "generator")}
    assert "size" not in options
    assert options["base"].type == "integer (at least 1, at most 512)"
    assert options["base"].default == "64"
    assert options["base"].description == "channels of the first level."
    assert options["norm"].type == "batch | none"
    assert options["norm"].description == "the kind of normalization."
    assert options["depth"].type == "integer | none"
    assert options["dropout"].default == "true"
    assert options["layers"].default == "0,1"
    assert [option.name for option in options_of(Thing, "loss")] == ["width"]


def test_zoo_fills_in_only_what_a_factory_asks_for() -> None:
    assert filled_in(factory, "generator", {"size": 64, "restoring": True}) == {"size": 64}
    assert filled_in(factory, "critic", {"size": 64}) == {}


def test_paths_become_absolute(tmp_path: Path) -> None:
    given = {"path": "x", "base": "1"}
    written = written_out(factory, "generator", given, check(**given))
    assert {name: written[name] for name in given} == {"path": str(tmp_path / "x"), "base": "1"}


def test_every_option_is_written_out_and_reads_the_same() -> None:
    written = written_out(factory, "generator", {"scale": "1.50"}, check(scale="1.50"))
    assert written == {
        "base": "64", "norm": "batch", "dropout": "true", "depth": "none", "layers": "0,1", "widths": "8",
        "path": "none", "scale": "1.50",
    }  # fmt: skip
    values = check(**written)
    assert list(values.pop("widths")) == [8]
    defaults = {name: p.default for name, p in inspect.signature(factory).parameters.items() if name in values}
    assert values == {**defaults, "scale": 1.5}
    assert unlike_defaults(factory, "generator", written) == {"scale": "1.50"}


def test_a_default_that_cannot_be_typed_is_left_out() -> None:
    def odd(*, a: int = None, b: str | None = "none", d: Any = print, e: tuple[int, ...] = (), f: float = 0.1) -> None:  # type: ignore[assignment]  # noqa: RUF013
        pass

    assert written_out(odd, "loss", {}, {}) == {"e": "", "f": "0.1"}
    assert check_options(odd, "loss", {"e": ""}, "loss odd") == {"e": ()}


def test_a_choice_may_be_among_numbers() -> None:
    def power(
        *, power: Literal[1, 2] = 1, levels: tuple[Literal[1, 2, 4], ...] = (1,), on: Literal[True, 0] = 0
    ) -> None:
        pass

    assert check_options(power, "loss", {"power": "2", "levels": "4,1", "on": "true"}, "loss p") == {
        "power": 2,
        "levels": (4, 1),
        "on": True,
    }
    with pytest.raises(UsageError, match="loss p: option power=3: input should be 1 or 2"):
        check_options(power, "loss", {"power": "3"}, "loss p")
