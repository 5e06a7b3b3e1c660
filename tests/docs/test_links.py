"""Links in the documentation lead somewhere, and every page is linked to."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pages import PAGES, ROOT, name_of


@pytest.mark.parametrize("page", [pytest.param(page, id=name_of(page)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """On a code host, that is; `make docs` checks them as the site has them."""
    for file, anchor in links(page):
        assert file.is_file(), file
        if anchor:
            assert anchor in headings(file), f"{name_of(file)}#{anchor}"


def links(page: Path) -> list[tuple[Path, str]]:
    """The files that a page links to, and the anchors in them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("https://", "http://")):
            file, _, anchor = target.partition("#")
            found.append(((page.parent / file).resolve() if file else page, anchor))
    return found


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    reached, waiting = {index}, [index]
    while waiting:
        linked = {file for file, _ in links(waiting.pop()) if file in PAGES}
        waiting += linked - reached
        reached |= linked
    assert reached == set(PAGES)


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    with (ROOT / "zensical.toml").open("rb") as file:
        nav = tomllib.load(file)["project"]["nav"]
    assert sorted(in_navigation(nav)) == sorted(map(name_of, PAGES))


def in_navigation(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for one in (entry.values() if isinstance(entry, dict) else entry) for page in in_navigation(one)]
