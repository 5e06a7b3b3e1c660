"""zoo turing in a real browser: what two people choose is what the results say, whatever dies in between.

`make test-browser` installs what it takes, and runs this.
"""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers import browser, in_a_browser, until
from PIL import Image
from studies import Sepia, distance, halves, make_album, make_study

from zoo.photo import read_photo

pytest.importorskip("uvicorn", reason="the extra `turing` is not installed")
pytest.importorskip("starlette", reason="the extra `turing` is not installed")
pytestmark = in_a_browser

SECONDS = 0.15


class Server:
    """`zoo turing` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.start()

    def start(self) -> None:
        words = [sys.executable, "-m", "zoo", "turing", "-o", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"results: (http://127\.0\.0\.1:(\d+)/)(\S+)", line):
                self.address, self.port, self.results = found[1], int(found[2]), found[1] + found[3]
                return
        raise AssertionError("the server did not start")

    def end(self, how: int) -> None:
        self.process.send_signal(how)
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


# One question for all of what the page may show, so that nothing changes between two.
SEEN = """
const shown = Array.from(document.querySelectorAll("main")).find((one) => !one.hidden)?.id ?? null;
const token = document.getElementById("trial").dataset.trial ?? null;
return [shown, shown === "trial" ? token : null, document.getElementById("number").textContent];
"""


@dataclass
class Album:
    """The photographs, and what the model makes of them: so the test finds out itself what it sees."""

    originals: dict[str, np.ndarray]
    coloured: dict[str, np.ndarray]

    def look(self, picture: bytes) -> tuple[str, int, bool]:
        """Say of which photograph a pair is, on which side the original is, and whether the other is the model's."""
        with Image.open(BytesIO(picture)) as image:
            both = halves(image)
        found = {
            (name, side): distance(both[side], original) for name, original in self.originals.items() for side in (0, 1)
        }
        name, side = min(found, key=lambda key: found[key])
        assert found[name, side] < 2
        return name, side, distance(both[1 - side], self.coloured[name]) < 2


def album_of(folder: Path) -> Album:
    originals, coloured = {}, {}
    for path in folder.iterdir():
        with Image.open(path) as image:
            originals[path.name] = np.asarray(image, np.float32)
        coloured[path.name] = Sepia().colorize(read_photo(path)).permute(1, 2, 0).numpy().astype(np.float32)
    return Album(originals, coloured)


@dataclass
class Rater:
    """Somebody who is wrong in one of so many pairs."""

    wrong: int
    fails_catches: bool
    by_keys: bool
    album: Album
    address: str
    chosen: dict[str, bool] = field(default_factory=dict)
    """Whether they were fooled, by photograph, of pairs that count."""
    driver: Any = None
    last: str | None = None

    def open(self) -> None:
        self.driver.get(self.address)
        until(self.driver, lambda driver: driver.find_element("id", "begin").is_displayed())
        width, needed = self.driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
        assert needed <= width == (360 if self.by_keys else 1280)
        self.press("begin")

    def press(self, button: str) -> None:
        if self.by_keys:
            from selenium.webdriver.common.keys import Keys

            assert self.driver.switch_to.active_element.get_attribute("id") == button
            self.driver.switch_to.active_element.send_keys(Keys.ENTER)
        else:
            self.driver.find_element("id", button).click()

    def answer(self) -> bool:
        """Answer the next trial; return whether there was one."""

        def seen(driver: Any) -> Any:
            shown, token, number = driver.execute_script(SEEN)
            if shown in ("ready", "end"):
                return shown, None, number
            return (shown, token, number) if token and token != self.last else None

        shown, token, number = until(self.driver, seen)
        if shown == "end":
            return False
        if shown == "ready":
            self.press("go-on")
            return self.answer()
        self.last = token
        with urllib.request.urlopen(f"{self.address}pictures/{token}.jpg") as picture:
            name, original, is_models = self.album.look(picture.read())
        if number.startswith("Practice"):
            fooled = True
        elif is_models:
            fooled = self.chosen[name] = len(self.chosen) % self.wrong == 0
        else:
            fooled = self.fails_catches
        self.choose(original ^ fooled)
        return True

    def choose(self, side: int) -> None:
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys

        if self.by_keys:
            # On a screen that is higher than wide, one picture is below the other.
            ActionChains(self.driver).send_keys((Keys.ARROW_UP, Keys.ARROW_DOWN)[side]).perform()
        else:
            self.driver.find_elements("css selector", ".side")[side].click()


def results(folder: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """What `zoo turing --results` writes: rates, and votes."""
    words = ["--results", "--csv", "rates.csv", "--csv-votes", "votes.csv"]
    subprocess.run([sys.executable, "-m", "zoo", "turing", "-o", folder, *words], check=True, capture_output=True)
    with Path("rates.csv").open() as rates, Path("votes.csv").open() as votes:
        return list(csv.DictReader(rates)), list(csv.DictReader(votes))


def test_sixty_votes_by_two_raters_and_a_killed_server(tmp_path: Path) -> None:
    album = make_album(tmp_path / "album", 36)
    study = make_study(tmp_path / "study", album, seconds=SECONDS)
    assert (study.photos("practice"), study.photos("catch"), study.photos("compared")) == (3, 3, 30)
    server = Server(tmp_path / "study")
    anna = Rater(3, False, True, album_of(album), server.address)
    bert = Rater(2, True, False, anna.album, server.address)
    with browser(tmp_path / "anna", 360, 740) as anna.driver:
        anna.open()
        with browser(tmp_path / "bert", 1280, 800) as bert.driver:
            bert.open()
            for _ in range(14):
                assert anna.answer()
                assert bert.answer()
            # With a vote under way, and a picture that is to be fetched.
            assert anna.answer()
            server.end(signal.SIGKILL)
            until(anna.driver, lambda driver: "Trying again" in driver.find_element("id", "notice").text)
            server.start()
            assert anna.address == server.address
            assert anna.answer()
            assert anna.driver.find_element("id", "notice").text == ""
            assert bert.answer()
        # Bert's browser ends, and begins again.
        with browser(tmp_path / "bert", 1280, 800) as bert.driver:
            bert.last = None
            bert.open()
            going = [anna, bert]
            while going:
                going = [rater for rater in going if rater.answer()]
            bert.driver.get(server.results)
            page = bert.driver.find_element("tag name", "main").text
    server.end(signal.SIGINT)

    assert len(anna.chosen) == len(bert.chosen) == 30
    assert (sum(anna.chosen.values()), sum(bert.chosen.values())) == (10, 15)
    rates, votes = results(tmp_path / "study")
    counted = [row for row in votes if row["kind"] == "compared"]
    assert len(counted) == 60
    for number, rater in (("1", anna), ("2", bert)):
        ours = {row["picture"]: row["fooled"] == "1" for row in counted if row["rater"] == number}
        assert ours == rater.chosen
    kept, everybody = rates[:2]
    # Bert failed all catch trials.
    assert (kept["votes"], kept["fooled"]) == ("30", "10")
    assert (everybody["votes"], everybody["fooled"]) == ("60", "25")
    assert {row["picture"]: row["fooled"] for row in rates[2:]} == {
        name: str(int(fooled)) for name, fooled in anna.chosen.items()
    }
    assert "2 raters, 1 left out" in page
    assert re.search(r"sepia 30 10 33\.3%", page)
    assert re.search(r"sepia, all raters 60 25 41\.7%", page)


def test_a_site_without_a_server_returns_votes_as_a_file(tmp_path: Path) -> None:
    album = make_album(tmp_path / "album", 8)
    make_study(tmp_path / "study", album, seconds=SECONDS)
    words = [sys.executable, "-m", "zoo", "turing", "-o", tmp_path / "study", "--static", tmp_path / "site"]
    subprocess.run(words, check=True, capture_output=True)
    (tmp_path / "saved").mkdir()
    address = f"{(tmp_path / 'site').as_uri()}/"
    rater = Rater(2, False, True, album_of(album), address)
    with browser(tmp_path / "profile", 360, 740, tmp_path / "saved") as rater.driver:
        rater.driver.get(f"{address}index.html")
        until(rater.driver, lambda driver: driver.find_element("id", "begin").is_displayed())
        rater.press("begin")
        for _ in range(3):
            assert rater.answer()
        # Reloaded, it goes on.
        rater.last = None
        rater.driver.get(f"{address}index.html")
        until(rater.driver, lambda driver: driver.find_element("id", "save-early").is_displayed())
        rater.press("begin")
        while rater.answer():
            pass
        rater.press("save")
        (file,) = until(rater.driver, lambda _: list((tmp_path / "saved").glob("votes-*.json")))
    assert len(json.loads(file.read_text())["votes"]) == 8
    command = ["-o", tmp_path / "study", "--results", "--votes", file, "--csv-votes", "votes.csv"]
    subprocess.run([sys.executable, "-m", "zoo", "turing", *command], check=True, capture_output=True)
    with Path("votes.csv").open() as votes:
        rows = [row for row in csv.DictReader(votes) if row["kind"] == "compared"]
    assert {row["picture"]: row["fooled"] == "1" for row in rows} == rater.chosen
