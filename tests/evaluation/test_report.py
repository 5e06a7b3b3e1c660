"""The files of an evaluation: whole or not there, and harmless whatever photographs are called."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from zoo import files
from zoo.evaluation import Evaluation, evaluate, find_protocol, save
from zoo.evaluation.report import to_html

EVIL = "<img src=x onerror=alert(1)>'\"&.png"


class Parsed(HTMLParser):
    """What tags a page has, and what they refer to."""

    VOID = ("meta", "img", "input", "br", "path", "circle")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture
def found(photos: Path, model: Path, another: Path) -> Evaluation:
    (photos / "03.png").rename(photos / EVIL)
    (photos / "</script><script>alert(2)</script>.png".replace("/", "\u2215")).write_bytes(b"nothing")
    evil = model.with_name("<b onclick=alert(3)>.safetensors")
    model.rename(evil)
    return evaluate([evil, another], photos, protocol=find_protocol(None, "chroma_error,variety"), device="cpu")


def test_a_page_needs_nothing_else_and_runs_nothing_of_others(found: Evaluation) -> None:
    page = to_html(found)
    tags = Parsed(page).tags
    assert {tag for tag, _ in tags} >= {"style", "script", "table", "svg", "img"}
    for tag, attributes in tags:
        assert tag not in ("link", "iframe", "object", "base", "b onclick")
        assert not [name for name in attributes if name.startswith("on")], attributes
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:image/jpeg;base64,"), value
    assert page.count("<script>") == page.count("</script>") == 1
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", page)
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "default-src 'none'" in page
    assert len(page) < 5_000_000


def test_a_page_shows_each_picture_before_after_and_as_it_was(found: Evaluation) -> None:
    tags = Parsed(to_html(found)).tags
    stages = [attributes["data-name"] for _, attributes in tags if attributes.get("class") == "stage"]
    assert len(stages) == len(set(stages)) == len(found.cards) >= 6
    assert EVIL in {card.name for card in found.cards} <= {row.name for row in found.rows}
    shown = [attributes["data-is"] for tag, attributes in tags if tag == "img"]
    assert shown == ["grey", "original", "m1", "m2", "m3"] * len(stages)
    reasons = {why for card in found.cards for why in card.why}
    assert "drawn by lot" in reasons
    assert {f"worst chroma_error ({model})" for model in found.models} <= reasons


def test_the_tables_have_everything(found: Evaluation, tmp_path: Path) -> None:
    save(found, tmp_path / "out" / "deep")
    folder = tmp_path / "out" / "deep"
    assert sorted(path.name for path in folder.iterdir()) == [
        "evaluation.csv", "evaluation.json", "pictures.csv", "report.html",
    ]  # fmt: skip
    said: Any = json.loads((folder / "evaluation.json").read_text("utf-8"))
    assert said == json.loads(json.dumps(found.to_json()))
    rows = list(csv.DictReader(io.StringIO((folder / "evaluation.csv").read_text("utf-8"))))
    assert len(rows) == 2 * (4 + 6)
    (row,) = (r for r in rows if (r["number"], r["method"], r["minus"]) == ("chroma_error", "sepia", "grey"))
    assert float(row["value"]) == pytest.approx(found.numbers[0].differences["sepia", "grey"].value, rel=1e-4)
    pictures = list(csv.DictReader(io.StringIO((folder / "pictures.csv").read_text("utf-8"))))
    assert len(pictures) == 4 * 12
    assert EVIL in {picture["photograph"] for picture in pictures}


def test_a_number_that_is_none_is_left_empty(found: Evaluation) -> None:
    from dataclasses import replace

    from zoo.evaluation.statistics import Estimate

    number = replace(found.numbers[0], estimates={m: Estimate(float("nan")) for m in found.methods})
    changed = replace(found, numbers=(number,))
    assert json.dumps(changed.to_json(), allow_nan=False)
    assert to_html(changed)
    assert "chroma_error,grey,,,," in changed.to_csv()
    # Nor is it compared with others.
    nothing = dict.fromkeys(number.differences, Estimate(float("nan")))
    page = to_html(replace(found, numbers=(replace(number, differences=nothing),)))
    assert " to grey" not in page
    assert " to grey" in to_html(found)


def test_how_it_was_measured_is_said_line_by_line(found: Evaluation) -> None:
    page = to_html(found)
    for key, text in (
        ("greys", "no"),
        (f"{found.models[1]}: takes", "nothing"),
        (f"{found.models[1]}: generator", "unet-shallow"),
        ("photographs: split", "all"),
        ("metrics", "metrics/chroma_error of gan-zoo"),
    ):
        assert re.search(f"<dt>{re.escape(key)}</dt><dd>[^<]*{text}", page), key
    assert "{" not in page.partition("How it was measured")[2].partition("</dl>")[0]


def test_an_interval_may_end_at_0(found: Evaluation) -> None:
    from dataclasses import replace

    from zoo.evaluation.statistics import Estimate

    ends = {method: Estimate(-1.0, -2.0, 0.0) for method in found.methods}
    page = to_html(replace(found, numbers=(replace(found.numbers[0], estimates=ends),)))
    assert page.count('<path d="M6.0 8H154.0"') == 1


def test_what_is_interrupted_leaves_nothing_half_written(
    found: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "flush", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(found, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
