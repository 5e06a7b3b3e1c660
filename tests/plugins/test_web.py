"""zoo web: the server and the command. Its description: test_web_api.py; the page: test_web_browser.py."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image
from tiny import tiny
from typer.testing import CliRunner
from webs import Brown, Web, photograph, web
from zoo_web import limits
from zoo_web.server import _file_name
from zoo_web.studio import Coloured, Studio

from zoo import serving
from zoo.cli.main import app
from zoo.colorize import Job
from zoo.model import save_model
from zoo.photo.color import rgb_to_lab
from zoo.photo.reading import decode_rgb
from zoo.registry import resolve

pytestmark = pytest.mark.skipif(not all(map(find_spec, serving.NEEDED)), reason="the extra `web` is not installed")
TIME = 36867  # EXIF's DateTimeOriginal


def ab(picture: bytes, x: int, y: int) -> list[float]:
    """a* and b* of a pixel."""
    return rgb_to_lab(decode_rgb(picture, "picture"))[1:, y, x].tolist()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def left(server: Web) -> list[Path]:
    # What goes while it is looked at is not there, other than for rglob.
    return [Path(folder, name) for folder, folders, files in os.walk(server.folder) for name in folders + files]


# ------------------------------------------------------------------------------------------------- colours


def test_a_photograph_comes_back_as_zoo_colorize_writes_it(server: Web, tmp_path: Path) -> None:
    notes = Image.Exif()
    notes.get_ifd(0x8769)[TIME] = "1931:05:04 10:00:00"
    notes[274] = 6  # turned by a quarter
    (tmp_path / "Großmutter.jpg").write_bytes(photograph(exif=notes, dpi=(300, 300)))
    words = [str(tmp_path / "Großmutter.jpg"), "-o", str(tmp_path / "out"), "-m", server.studio.first, "--size", "48"]
    assert CliRunner().invoke(app, ["colorize", *words, "--saturation", "0.5", "--device", "cpu"]).exit_code == 0
    answer = server.colorize((tmp_path / "Großmutter.jpg").read_bytes(), name="Großmutter.jpg", size=48, saturation=0.5)
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''Gro%C3%9Fmutter.png"
    assert float(answer.headers["x-zoo-seconds"]) > 0
    assert answer.body == (tmp_path / "out" / "Großmutter.png").read_bytes()
    with Image.open(io.BytesIO(answer.body)) as image:
        assert image.size == (64, 96)
        assert image.getexif().get_ifd(0x8769)[TIME] == "1931:05:04 10:00:00"
    assert left(server) == []


def test_hints_go_where_they_belong(server: Web) -> None:
    answer = server.colorize(photograph(), hint=["20,10,#3040c0", "70,40,#c03020"])
    assert answer.status == 200
    (_, blue), (red, _), (_, brown) = (ab(answer.body, *place) for place in ((20, 10), (70, 40), (48, 2)))
    assert blue < -20
    assert red > 25
    assert 15 < brown < 35


def test_saturation_0_is_grey(server: Web) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(server.colorize(photograph(), saturation=0).body)), np.int16)
    assert np.ptp(pixels, axis=2).max() <= 1


def test_a_preview_is_upright_and_not_too_large(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_web.studio.PREVIEW", 32)
    turned = Image.Exif()
    turned[274] = 6
    answer = server.ask("/api/preview", photograph(kind="TIFF", exif=turned), name="a.tif")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    with Image.open(io.BytesIO(answer.body)) as image:
        assert image.size == (32, 48)
    assert left(server) == []


# ------------------------------------------------------------------------------------------------- models


def test_models_are_listed_without_being_loaded(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.model.load_model", None)
    first, *others = server.ask("/api/models").json["models"]
    assert first["name"] == server.studio.first
    assert (first["default"], first["loaded"], first["takes"], first["size"]) == (True, True, ["hints"], 32)
    assert [one["name"] for one in others] == ["natural"]
    assert (others[0]["default"], others[0]["loaded"], others[0]["takes"]) == (False, False, None)


def test_another_model_takes_the_place_of_the_first(server: Web, tmp_path: Path) -> None:
    answer = server.ask("/api/models/natural")
    assert (answer.json["loaded"], answer.json["takes"]) == (True, [])
    assert [one["loaded"] for one in server.ask("/api/models").json["models"]] == [False, True]
    assert server.ask(f"/api/models/{server.studio.first}").json["loaded"]


def test_only_models_that_are_listed_can_be_had(server: Web, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes((tmp_path / "web" / "painter.safetensors").read_bytes())
    for answer in (server.ask(f"/api/models/{other}"), server.colorize(photograph(), model=str(other))):
        assert answer.status == 404
        assert "there is no model" in answer.error


def test_a_model_without_hints_says_so(tmp_path: Path) -> None:
    with web(tmp_path / "brown", Brown) as server:
        assert server.ask("/api/models").json["models"][0]["takes"] == []
        answer = server.colorize(photograph(), hint="1,1,#c03020")
        assert answer.status == 422
        assert "takes no hints" in answer.error


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("path", ["/api/colorize", "/api/preview"])
def test_a_broken_photograph_is_named_and_the_next_one_is_taken(server: Web, path: str) -> None:
    answer = server.ask(path, photograph()[:300], name="albums/broken.jpg")
    assert answer.status == 422
    assert answer.error.startswith("cannot read broken.jpg: it is damaged")
    answer = server.ask(path, b"text", name="letter.txt")
    assert answer.error == "cannot read letter.txt: it is not a picture, or of a kind that zoo does not know"
    assert server.ask(path, b"").error.startswith("photograph is empty")
    assert server.ask(path, photograph()).status == 200
    assert left(server) == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"saturation": "nan"}, "saturation must be a number from 0 to 4"),
        ({"saturation": "5"}, "saturation must be"),
        ({"size": "8"}, "size must be a whole number from 16 to 1024"),
        ({"size": "64.5"}, "size must be"),
        ({"seed": "-1"}, "seed must be"),
        ({"hint": "1,2"}, "is no hint"),
        ({"hint": "500,2,#ffffff"}, "the hint at 500,2 is outside of its 96×64 pixels"),
        ({"hint": ["1,2,#ffffff"] * (limits.HINTS + 1)}, "201 hints, and 200 are the most"),
        ({"colour": "red"}, "there is no parameter 'colour'"),
    ],
)
def test_parameters_that_make_no_sense(server: Web, parameters: dict[str, Any], words: str) -> None:
    answer = server.colorize(photograph(), **parameters)
    assert answer.status == 422
    assert words in answer.error
    assert str(server.folder) not in answer.error


@pytest.mark.parametrize("path", ["/api/colorize", "/api/preview"])
def test_a_photograph_of_too_many_bytes(server: Web, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MEGABYTES", 0.0005)
    announced = server.ask(path, photograph())
    # In parts, without saying how many bytes they will be.
    in_parts = server.ask(path, iter([b"x" * 900] * 3))
    for answer in (announced, in_parts):
        assert answer.status == 413
        assert "a photograph may have 0.0005 MB at most" in answer.error
    assert left(server) == []


def test_a_large_request_hears_why_it_is_refused(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers send all of it before they listen."""
    body = bytes(30_000_000)
    assert server.colorize(body, size=1).status == 422
    assert server.colorize(body, model="nope").status == 404
    assert server.colorize(body, {"Origin": "null"}).status == 403
    with monkeypatch.context() as patch:
        patch.setattr(limits, "WAITING", 0)
        assert server.colorize(body).status == 503
    monkeypatch.setattr(limits, "MEGABYTES", 20)
    assert server.colorize(body).status == 413


@pytest.mark.parametrize("path", ["/api/colorize", "/api/preview"])
def test_a_photograph_of_too_many_pixels(server: Web, path: str) -> None:
    # A small file: nothing is decoded to find out.
    for side in (11_000, 14_000):  # of the latter, Pillow itself warns or refuses
        file = io.BytesIO()
        Image.new("1", (side, side)).save(file, "PNG")
        answer = server.ask(path, file.getvalue(), name="map.png")
        assert answer.status == 413
        assert "map.png" in answer.error
        assert "100" in answer.error


def test_a_photograph_that_never_arrives(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.2)

    def dawdling() -> Iterator[bytes]:
        yield b"some"
        time.sleep(0.6)

    answer = server.colorize(dawdling())
    assert answer.status == 408
    assert left(server) == []


def test_it_answers_while_it_colours_and_takes_only_so_many(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WAITING", 2)
    began, go_on, together, most = threading.Event(), threading.Event(), [0], [0]

    def colour(*_: object) -> Coloured:
        together[0] += 1
        most[0] = max(most[0], together[0])
        began.set()
        assert go_on.wait(20)
        together[0] -= 1
        return Coloured("a.png", b"picture", 0.0)

    monkeypatch.setattr(Studio, "colour", lambda *_: colour())
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(server.colorize(b"x").status)) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        assert began.wait(20)
        assert server.ask("/api/models").status == 200
        wait_for(lambda: len(left(server)) == 6)  # two photographs, each in a folder in a folder
        answer = server.colorize(b"x")
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert answer.error == "2 photographs are waiting already: try again in a moment"
    finally:
        go_on.set()
        for thread in threads:
            thread.join(20)
    assert answers == [200, 200]
    assert most == [1]


def test_who_has_left_is_not_waited_for(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on, coloured = threading.Event(), threading.Event(), list[str]()

    def colour(_: Studio, photo: Path, *__: object) -> Coloured:
        coloured.append(photo.name)
        began.set()
        assert go_on.wait(20)
        return Coloured("a.png", b"picture", 0.0)

    monkeypatch.setattr(Studio, "colour", colour)
    first = threading.Thread(target=lambda: server.colorize(b"x", name="first.jpg"))
    first.start()
    try:
        assert began.wait(20)
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as leaves:
            head = f"POST /api/colorize?name=second.jpg HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\nx"
            leaves.sendall(head.encode())
            wait_for(lambda: len(left(server)) == 6)
        time.sleep(0.2)
    finally:
        go_on.set()
        first.join(20)
    wait_for(lambda: not left(server))
    assert coloured == ["first.jpg"]


def test_a_fault_is_an_answer_too(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Studio, "colour", fail)
    answer = server.colorize(photograph())
    assert answer.status == 500
    assert "the disk is full" in answer.error
    assert left(server) == []


# ------------------------------------------------------------------------------------------------- who may ask

OWN = {"Host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OWN, 200),
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "192.168.1.4"}, 200),
        ({"Host": socket.gethostname()}, 200),
        ({"Host": f"{socket.gethostname()}.local:8000"}, 200),
        ({"Host": "zoo.example"}, 403),
        ({"Host": "127.0.0.1.zoo.example:8000"}, 403),
        ({"Host": "localhost.zoo.example"}, 403),
        ({"Host": "user@127.0.0.1"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": ""}, 403),
        ({**OWN, "Origin": "http://127.0.0.1:8000"}, 200),
        ({**OWN, "Origin": "http://127.0.0.1:8001"}, 403),
        ({**OWN, "Origin": "http://zoo.example"}, 403),
        ({**OWN, "Origin": "null"}, 403),
        ({**OWN, "Sec-Fetch-Site": "same-origin"}, 200),
        ({**OWN, "Sec-Fetch-Site": "none"}, 200),
        ({**OWN, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**OWN, "Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_pages_of_others_are_refused(server: Web, headers: dict[str, str], status: int) -> None:
    for answer in (server.ask("/api/models", headers=headers), server.colorize(photograph(), headers)):
        assert answer.status == status
        assert status == 200 or re.search(r"this server is not|only zoo's own page", answer.error)
        assert "access-control-allow-origin" not in answer.headers


def test_others_may_have_a_link_to_the_page(server: Web) -> None:
    assert server.ask("/", headers={**OWN, "Sec-Fetch-Site": "cross-site"}).status == 200
    assert server.ask("/", headers={"Host": "zoo.example"}).status == 403


# ------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("grandmother.jpg", "grandmother.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\album\\a.tif", "a.tif"),
        ("/", "photograph"),
        ("..", "photograph"),
        ("", "photograph"),
        ("a\0b.jpg", "ab.jpg"),
        ("ü" * 300 + ".jpg", "ü" * 118 + ".jpg"),
        ("a." + "b" * 300, "photograph"),
    ],
)
def test_names_lead_nowhere_else(name: str, kept: str) -> None:
    assert _file_name(name) == kept


@pytest.mark.parametrize("name", ["coloured", "original", "-o", "a b&c?.jpg", "photograph.png"])
def test_any_name_will_do(server: Web, name: str) -> None:
    answer = server.colorize(photograph(), name=name)
    assert answer.status == 200
    written = unquote(answer.headers["content-disposition"].removeprefix("attachment; filename*=UTF-8''"))
    assert written == f"{name.rpartition('.')[0] or name}.png"


def test_a_file_of_several_pages_is_not_taken_for_its_first(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should each of them become a file of its own."""

    def pages(photos: list[Path], out: Path) -> list[Job]:
        return [Job(photos[0], out / f"{page}.png") for page in range(3)]

    monkeypatch.setattr("zoo.colorize.plan", pages)
    answer = server.colorize(photograph(), name="letters.tif")
    assert (answer.status, answer.error) == (422, "letters.tif has 3 pages: colour it with `zoo colorize`")


# ------------------------------------------------------------------------------------------------- the page


def test_the_page_needs_nothing_from_elsewhere(server: Web) -> None:
    page = server.ask("/")
    assert page.headers["content-type"].startswith("text/html")
    names = re.findall(r'(?:src|href)="([^":]+)"', page.body.decode())
    assert {"web.css", "web.js", "zip.js"} <= set(names)
    for answer in (page, *(server.ask(f"/{name}") for name in names)):
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'; img-src 'self' data: blob:;")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert not {"set-cookie", "server", "etag"} & answer.headers.keys()
        assert not re.search(rb"https?://|@import|url\(", answer.body)
    # Neither a script nor a style stands in the page itself, which the policy would not run.
    assert not re.search(rb"<style|style=|\son\w+=|<script(?![^>]*(?:src=|application/json))", page.body)
    assert server.ask("/web.py").error == "there is no /web.py here"
    assert server.ask("/", b"").status == 405


# ------------------------------------------------------------------------------------------------- the command


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["web", *words])


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(serving, "find_spec", lambda name: None)
        result = run()
    assert result.exit_code == 2
    assert "starlette and uvicorn are not installed: pip install starlette uvicorn" in result.stderr
    result = run("--model", "nope")
    assert result.exit_code == 2
    assert "there is no model 'nope'" in result.stderr


def test_a_port_that_is_taken() -> None:
    with serving.listen("127.0.0.1") as first, serving.listen("127.0.0.1") as second:
        # The next one that is free is found, unless somebody asked for one.
        assert first.getsockname()[1] < second.getsockname()[1] < 8020
        result = run("--port", str(first.getsockname()[1]))
    assert result.exit_code == 1
    assert "try another --port" in result.stderr


def test_addresses_are_what_a_browser_takes() -> None:
    with serving.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert serving.address_of("127.0.0.1", listener) == f"http://127.0.0.1:{port}"
        assert serving.address_of("::1", listener) == f"http://[::1]:{port}"
        assert serving.address_of("0.0.0.0", listener) == f"http://{socket.gethostname()}:{port}"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP"])
def test_nothing_is_left_behind_however_it_ends(tmp_path: Path, how: str) -> None:
    if not hasattr(signal, how):
        pytest.skip(f"there is no {how} here")
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "OMP_NUM_THREADS": "1"}
    plan = resolve(tiny())
    save_model(tmp_path / "tiny.safetensors", plan.generator.make(size=32).state_dict(), plan, {})
    words = [sys.executable, "-m", "zoo", "web", "-m", tmp_path / "tiny.safetensors", "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    host, port = address.removeprefix("http://").strip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as half_way:
        # A photograph of which only the beginning arrives.
        half_way.sendall(b"POST /api/colorize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nsome")
        wait_for(lambda: list((tmp_path / "tmp").glob("zoo-web-*/photo-*/original/photograph")))
        process.send_signal(getattr(signal, how))
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "tmp").glob("zoo-web-*"))
