"""Take the pictures of `zoo web` that docs/commands/web.md shows, in a headless Chromium: on a desk and on a phone.

The photographs come with scikit-image: the astronaut Eileen Collins and a rocket (NASA, public domain), coffee, the cat
Chelsea and the cameraman (CC0).
"""

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import skimage.data
from PIL import Image
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

FOLDER = Path(__file__).parent / "pictures"
PHOTOGRAPHS = ("rocket", "astronaut", "chelsea", "coffee", "camera")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage")


def main() -> None:
    """Take them, where there is a Chromium."""
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (chromium and driver):
        print("there is no Chromium: the pictures of `zoo web` stay as they are")
        return
    with tempfile.TemporaryDirectory() as folder, served() as address:
        photographs = [Path(folder) / f"{name}.png" for name in PHOTOGRAPHS]
        for name, path in zip(PHOTOGRAPHS, photographs, strict=True):
            Image.fromarray(getattr(skimage.data, name)()).convert("L").save(path)
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for option in OPTIONS:
            options.add_argument(option)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            seen_on(browser, 1280, 860)
            browser.get(address)
            browser.find_element("id", "files").send_keys("\n".join(map(str, photographs)))
            count = len(photographs)
            WebDriverWait(browser, 120).until(
                lambda _: f"{count} of {count} coloured" in browser.find_element("id", "status").text
            )
            take(browser, "web.webp")
            seen_on(browser, 360, 740)
            browser.find_elements("css selector", "#strip button")[1].click()
            take(browser, "web-phone.webp")
        finally:
            browser.quit()


@contextmanager
def served() -> Iterator[str]:
    """Serve the page; yield its address."""
    words = [sys.executable, "-m", "zoo", "web", "--model", "natural", "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait(30)


def seen_on(browser: Any, width: int, height: int) -> None:
    """Give the page a screen. A window of Chromium's is never as narrow as a phone."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def take(browser: Any, name: str) -> None:
    """Write what is seen as a picture."""
    # Once what was changed last is loaded and drawn.
    browser.execute_async_script(
        "const done = arguments[0];"
        "Promise.all(Array.from(document.images, (one) => one.decode().catch(() => null)))"
        ".then(() => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / name
    with Image.open(io.BytesIO(browser.get_screenshot_as_png())) as image:
        image.convert("RGB").save(target, quality=86, method=6)
    print(f"{target}: {target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
