from __future__ import annotations

import pytest

from zoo.registry.spec import Spec, SpecError, parse, parse_sum


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("unet-deep", "unet-deep", {}),
        ("unet-deep:base=64,depth=8", "unet-deep", {"base": "64", "depth": "8"}),
        ("gram:layers=0,1,2,weights=random", "gram", {"layers": "0,1,2", "weights": "random"}),
        ("plugin/name:x=1", "plugin/name", {"x": "1"}),
        ('folder:path="a+b, c=d"', "folder", {"path": "a+b, c=d"}),
        ("folder:path=/photos/2024 summer", "folder", {"path": "/photos/2024 summer"}),
        ("folder:path=", "folder", {"path": ""}),
        ("""folder:path="it's"' "fine"' """, "folder", {"path": """it's "fine" """}),
    ],
)
def test_reads_a_component_and_writes_it_back(text: str, name: str, options: dict[str, str]) -> None:
    spec = parse(text)
    assert spec == Spec(name, options)
    assert parse(str(spec)) == spec


def test_reads_a_sum_with_weights() -> None:
    text = "100*l1+adv+1e-3*gram:layers=1,2,net='a+b'"
    terms = parse_sum(text)
    assert [(term.weight, term.name) for term in terms] == [(100.0, "l1"), (None, "adv"), (0.001, "gram")]
    assert terms[2].options == {"layers": "1,2", "net": "a+b"}
    assert parse_sum("+".join(map(str, terms))) == terms


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 0),
        ("l1++adv", 3),
        ("l1+", 3),
        ("*l1", 0),
        ("l1 + adv", 2),
        ("a:", 2),
        ("a:b", 2),
        ("a:b=1,b=2", 6),
        ('a:b="x', 4),
        ("ä", 0),
    ],
)
def test_marks_the_place_of_a_mistake(text: str, place: int) -> None:
    with pytest.raises(SpecError) as caught:
        parse_sum(text)
    message, shown, mark = str(caught.value).splitlines()
    assert message
    assert shown == f"    {text}"
    assert mark.index("^") == 4 + place


def test_a_single_component_is_no_sum() -> None:
    with pytest.raises(SpecError, match="expected ':' or the end"):
        parse("unet+unet")
