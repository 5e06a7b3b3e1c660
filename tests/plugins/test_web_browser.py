"""zoo web in a real browser, at a desk's and a phone's width, with the mouse, with fingers and with the keyboard alone.

`make test-browser` installs what it takes, and runs this.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers import browser, in_a_browser, resize, until
from conftest import colourful
from PIL import Image
from typer.testing import CliRunner
from webs import Web, web
from zoo_web import limits

from zoo.cli.main import app
from zoo.photo import read_rgb
from zoo.photo.color import rgb_to_lab

pytest.importorskip("uvicorn", reason="the extra `web` is not installed")
pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytestmark = in_a_browser

DESK, PHONE = (1280, 860), (360, 740)


class Page:
    """The page, as people see it."""

    def __init__(self, driver: Any, server: Web, saved: Path) -> None:
        self.driver, self.server, self.saved = driver, server, saved

    def __getitem__(self, name: str) -> Any:
        return self.driver.find_element("id", name)

    def ask(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def open(self) -> None:
        self.driver.get(self.server.address)
        until(self.driver, lambda _: self["size"].get_attribute("placeholder") == "32")
        self.fits()

    def add(self, *files: Path) -> None:
        self["files"].send_keys("\n".join(map(str, files)))

    def says(self, text: str) -> None:
        until(self.driver, lambda _: self["status"].text == text)

    def shown(self) -> str:
        return str(self.ask("document.activeElement.id"))

    def keys(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def tab_to(self, name: str) -> None:
        from selenium.webdriver.common.keys import Keys

        for _ in range(20):
            self.keys(Keys.TAB)
            if self.shown() == name:
                return
        raise AssertionError(f"the Tab key does not lead to {name}")

    def hint(self) -> tuple[int, int]:
        """Where the only colour was given, in pixels."""
        x, y = self["hints"].text.removesuffix(" ×").split(", ")
        return int(x), int(y)

    def fits(self) -> None:
        """Nothing is wider than the screen, and nothing that is pressed is too small for a finger."""
        width, needed = self.ask("[innerWidth, document.documentElement.scrollWidth]")
        assert needed <= width
        for button in self.driver.find_elements("css selector", "button, .button, select, input[type=number]"):
            if button.is_displayed():
                assert button.size["height"] >= 36
                in_strip = button.find_elements("css selector", "canvas")  # which is moved sideways
                assert in_strip or button.rect["x"] + button.size["width"] <= width

    def downloaded(self, name: str) -> Path:
        until(self.driver, lambda _: (self.saved / name).is_file())
        return self.saved / name


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    (tmp_path / "saved").mkdir()
    with (
        web(tmp_path / "web") as server,
        browser(tmp_path / "profile", *DESK, tmp_path / "saved") as driver,
    ):
        page = Page(driver, server, tmp_path / "saved")
        page.open()
        yield page
        # Whatever was done: nothing is fetched from elsewhere, nothing stays, and no script failed.
        fetched = page.ask("performance.getEntriesByType('resource').map((one) => one.name)")
        assert fetched
        assert all(one.startswith((server.address, "blob:", "data:")) for one in fetched)
        assert list(server.folder.rglob("*")) == []
        faults = [one for one in driver.get_log("browser") if one["source"] != "network"]
        assert faults == []
        page.ask("(photos.forEach((one) => { one.saved = true; }))")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "1931").mkdir(parents=True)
    for seed, name in enumerate(("a.jpg", "a.tif", "b.png", "1931/c.jpg")):
        colourful(120, 180, seed=seed).convert("L").save(folder / name)
    return folder


def test_photographs_are_coloured_and_come_as_zoo_colorize_writes_them(page: Page, album: Path, tmp_path: Path) -> None:
    (album / "broken.jpg").write_bytes((album / "a.jpg").read_bytes()[:200])
    page.add(album / "a.jpg", album / "broken.jpg", album / "a.tif", album / "b.png")
    page.says("3 of 4 coloured, 1 failed.")
    until(page.driver, lambda _: page["details"].text.startswith("180 × 120"))
    assert page["name"].text == "a.jpg"
    page.fits()
    # The one that failed says why, and the others do not.
    assert not page["problem"].is_displayed()
    page.driver.find_elements("css selector", "#strip button")[1].click()
    assert page["problem"].text.startswith("cannot read broken.jpg: it is damaged")
    assert not page["download"].is_displayed()
    page["remove"].click()
    page.says("3 of 3 coloured.")
    # A TIFF file, which browsers cannot show.
    assert page["name"].text == "a.tif"
    until(page.driver, lambda _: page.ask("document.getElementById('before').naturalWidth") == 180)

    words = [str(album / name) for name in ("a.jpg", "a.tif", "b.png")]
    words += ["-o", str(tmp_path / "out"), "-m", page.server.studio.first, "--device", "cpu"]
    assert CliRunner().invoke(app, ["colorize", *words]).exit_code == 0
    page["download"].click()
    assert page.downloaded("a.tif.png").read_bytes() == (tmp_path / "out" / "a.tif.png").read_bytes()
    page["download-all"].click()
    with zipfile.ZipFile(page.downloaded("coloured.zip")) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.jpg.png", "a.tif.png", "b.png"]
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "out" / name).read_bytes()


def drop(page: Page, *paths: Path) -> None:
    """Drag files from another window, and drop them onto the page."""
    data = {"items": [], "files": list(map(str, paths)), "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        page.driver.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 300, "data": data})
        if kind == "dragOver":
            assert "dropping" in page.ask("document.body.className")
    assert "dropping" not in page.ask("document.body.className")


def test_a_folder_is_dropped(page: Page, album: Path) -> None:
    (album / "letter.txt").write_text("Dear")
    (album / ".a.jpg").write_bytes(b"")
    drop(page, album)
    page.says("4 of 4 coloured.")
    drop(page, album / "b.png")
    page.says("5 of 5 coloured.")
    (album / "Großmutter.png").write_bytes((album / "b.png").read_bytes())
    drop(page, album / "b.png", album / "Großmutter.png")
    page.says("7 of 7 coloured.")
    page["download-all"].click()
    with zipfile.ZipFile(page.downloaded("coloured.zip")) as archive:
        assert archive.namelist() == [
            "album/1931/c.png", "album/a.jpg.png", "album/a.tif.png", "album/b.png",
            "b.png.png", "b.png (2).png", "Großmutter.png",
        ]  # fmt: skip
        assert archive.testzip() is None


def test_before_and_after_by_mouse_finger_and_keys(page: Page, album: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    page.add(album / "b.png")
    page.says("1 of 1 coloured.")

    def at() -> float:
        """Where the line is, as what can be seen says."""
        clip = page.ask("getComputedStyle(document.getElementById('before')).clipPath")
        line, frame = page["divider"].rect, page["frame"].rect
        share = (line["x"] + line["width"] / 2 - frame["x"]) / frame["width"]
        assert clip.startswith("inset(0")
        assert abs(100 * share - float(page["divide"].get_attribute("value"))) < 1
        return share

    assert abs(at() - 0.5) < 0.01
    frame = page["frame"]
    ActionChains(page.driver).move_to_element_with_offset(frame, -frame.size["width"] // 4, 10).click().perform()
    assert abs(at() - 0.25) < 0.02
    pull = ActionChains(page.driver).move_to_element_with_offset(frame, -frame.size["width"] // 4, 10).click_and_hold()
    pull.move_by_offset(frame.size["width"] // 2, 0).release().perform()
    assert abs(at() - 0.75) < 0.02
    page.keys(Keys.ARROW_LEFT)
    assert abs(at() - 0.74) < 0.02
    page.keys(Keys.END)
    assert abs(at() - 1) < 0.01

    resize(page.driver, *PHONE)
    page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    page.fits()
    box = page.ask("document.getElementById('frame').getBoundingClientRect().toJSON()")
    for kind, share in (("touchStart", 0.9), ("touchMove", 0.7), ("touchMove", 0.3), ("touchEnd", None)):
        points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": box["y"] + 60}]
        page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    until(page.driver, lambda _: abs(at() - 0.3) < 0.03)


def test_colours_are_given_with_the_keyboard_alone_on_a_phone(page: Page, album: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    resize(page.driver, *PHONE)
    page.fits()
    page.tab_to("choose")
    page.add(album / "b.png")
    page.says("1 of 1 coloured.")
    page.fits()
    page.tab_to("hint")
    page.keys(Keys.ENTER)
    assert page.shown() == "aim"
    page.ask("(document.getElementById('colour').value = '#3040c0')")
    page.keys(*[Keys.ARROW_RIGHT] * 5, *[Keys.ARROW_UP] * 10, Keys.ENTER)
    until(page.driver, lambda _: page["hints"].text.endswith("×"))
    x, y = page.hint()
    assert abs(x - 99) <= 1
    assert abs(y - 48) <= 1
    page.says("1 of 1 coloured.")
    page.fits()
    page.keys(Keys.ESCAPE)
    assert page.shown() == "hint"
    page.tab_to("download")
    page.keys(Keys.ENTER)
    lab = rgb_to_lab(read_rgb(page.downloaded("b.png")))
    assert lab[2, y, x] < -20  # blue
    assert lab[2, 100, 20] > 15  # brown
    # Taken back.
    page.tab_to("remove")
    page.keys(Keys.TAB, Keys.ENTER)
    until(page.driver, lambda _: not page["hints"].is_displayed())
    page.says("1 of 1 coloured.")
    assert page.shown() == "hint"


def test_a_colour_is_given_by_a_click_where_the_model_takes_hints(page: Page, album: Path) -> None:
    from selenium.webdriver import ActionChains

    page.add(album / "b.png")
    page.says("1 of 1 coloured.")
    page["hint"].click()
    page.ask("(document.getElementById('colour').value = '#c03020')")
    frame = page["frame"]
    ActionChains(page.driver).move_to_element_with_offset(frame, frame.size["width"] // 4, 0).click().perform()
    until(page.driver, lambda _: page["hints"].text.endswith("×"))
    x, y = page.hint()
    assert abs(x - 135) <= 1
    assert abs(y - 60) <= 1
    page.says("1 of 1 coloured.")
    page["download"].click()
    assert rgb_to_lab(read_rgb(page.downloaded("b.png")))[1, y, x] > 25  # red
    page["model"].send_keys("natural")
    until(page.driver, lambda _: page["model-note"].text == "Careful colours for photographs of all kinds")
    page.says("1 of 1 coloured.")
    assert not page["hint"].is_displayed()
    assert not page["hints"].is_displayed()


def test_settings_colour_everything_anew(page: Page, album: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page.add(album / "a.jpg", album / "b.png")
    page.says("2 of 2 coloured.")
    page["saturation"].send_keys(Keys.HOME)
    assert page["saturation-value"].text == "0.0"
    until(page.driver, lambda _: page.ask("photos.every((one) => one.state === 'done')"))
    page["download-all"].click()
    with zipfile.ZipFile(page.downloaded("coloured.zip")) as archive:
        for name in archive.namelist():
            with archive.open(name) as file, Image.open(file) as image:
                assert np.ptp(np.asarray(image, np.int16), axis=2).max() <= 1
    # What makes no sense changes nothing, and the browser says so.
    page["size"].send_keys("3", Keys.TAB)
    assert page.ask("photos.every((one) => one.state === 'done')")
    assert not page.ask("document.getElementById('size').checkValidity()")


def test_too_much_is_left_out(page: Page, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PHOTOGRAPHS", 2)
    monkeypatch.setattr(limits, "MEGABYTES", 0.02)
    page.open()
    Image.effect_noise((300, 300), 90).save(album / "noise.png")
    page.add(album / "noise.png", album / "a.jpg", album / "b.png")
    page.says("1 of 2 coloured, 1 failed. 2 photographs are the most at once; left out: 1.")
    assert page["problem"].text == "noise.png has 0 MB, and the page takes 0.02: colour it with zoo colorize"


def test_a_server_that_is_gone_is_said_and_tried_again(page: Page, album: Path) -> None:
    page.driver.set_network_conditions(offline=True, latency=0, download_throughput=0, upload_throughput=0)
    page.add(album / "a.jpg")
    page.says("0 of 1 coloured, 1 failed.")
    assert page["problem"].text == "zoo does not answer. Is it still running in its terminal?"
    page.driver.delete_network_conditions()
    page["retry"].click()
    page.says("1 of 1 coloured.")


def test_photographs_are_chosen_by_keys(page: Page, album: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page.add(album / "a.jpg", album / "a.tif", album / "b.png")
    page.says("3 of 3 coloured.")
    page["remove"].send_keys("")
    page.keys(Keys.TAB)  # into the strip: one stop, whatever the number of photographs
    keys = {Keys.ARROW_RIGHT: "a.tif", Keys.END: "b.png", Keys.ARROW_DOWN: "b.png", Keys.HOME: "a.jpg"}
    for key, name in keys.items():
        page.keys(key)
        assert page["name"].text == name
        assert page.ask("document.activeElement.getAttribute('aria-label')") == f"{name}, coloured"
    page.keys(Keys.TAB)
    assert page.shown() == "model"
