"""The pictures of the pages: each is shown, all together are small, and nothing is fetched to look at one."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]


def test_every_picture_is_shown_and_said_in_words() -> None:
    shown = {
        (page.parent / file).resolve()
        for page in PAGES
        for words, file in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        if words
    }
    assert shown == set(PICTURES)


def test_all_together_they_are_small() -> None:
    assert sum(picture.stat().st_size for picture in PICTURES) < 2_000_000


def test_every_picture_is_one() -> None:
    for picture in PICTURES:
        if picture.suffix == ".svg":
            text = picture.read_text(encoding="utf-8")
            assert text.startswith("<svg")
            assert not re.search(r"""(url\(|href=)["']?[^#"')]""", text), "it would be fetched from elsewhere"
        else:
            with Image.open(picture) as opened:
                opened.verify()


def test_the_readme_opens_with_one() -> None:
    assert "](docs/pictures/" in (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[0]


def test_the_live_display_is_shown_at_work() -> None:
    text = re.sub(r"<[^>]*>|&#160;", " ", (ROOT / "docs" / "pictures" / "terminal.svg").read_text(encoding="utf-8"))
    for words in ("zoo run --recipe demo", "generator", "validation:", "% step"):
        assert words in text
