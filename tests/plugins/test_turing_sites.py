"""zoo turing: the server, the site without one, and the command. The pages: test_turing_browser.py."""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.error
import urllib.request
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import colourful
from studies import served
from typer.testing import CliRunner, Result
from zoo_turing.study import VOTES, Study, read_study
from zoo_turing.votes import Votes

from zoo import ZooError, find_recipe, serving
from zoo.cli.main import app
from zoo.model import save_model
from zoo.registry import resolve

ANNA, BERT = "a" * 32, "b" * 32


def turing(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["turing", *map(str, words)])


# ------------------------------------------------------------------------------------------------- the server

needs_server = pytest.mark.skipif(not all(map(find_spec, serving.NEEDED)), reason="extra `turing`")


def ask(address: str, said: Any = None) -> tuple[int, dict[str, str], bytes]:
    data = said if isinstance(said, bytes | None) else json.dumps(said).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data), timeout=10) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}, error.read()


@needs_server
def test_two_raters_through_the_server(made: tuple[Path, Study], tmp_path: Path) -> None:
    folder, study = made
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "pictures").symlink_to(folder / "pictures")
    truth: dict[str, list[int]] = {ANNA: [], BERT: []}
    asked: set[str] = set()
    with served(tmp_path / "study", study) as address:
        for rater, wrong in ((ANNA, 4), (BERT, 3)):
            _, _, body = ask(f"{address}/begin", {"rater": rater})
            state = json.loads(body)
            while not state["done"]:
                # Nothing of what kind a trial is, or of its answer.
                assert state.keys() == {"done", "trial", "ahead", "practice", "number", "total"}
                assert state["trial"] not in asked
                asked.add(state["trial"])
                code, headers, body = ask(f"{address}/pictures/{state['trial']}.jpg")
                assert (code, headers["content-type"]) == (200, "image/jpeg")
                assert not {"etag", "last-modified", "set-cookie", "server"} & headers.keys()
                original = Votes(tmp_path / "study" / VOTES).trial(state["trial"])[1]
                fooled = len(truth[rater]) % wrong == 0
                truth[rater].append(fooled)
                said = {"rater": rater, "trial": state["trial"], "side": original ^ fooled}
                first = ask(f"{address}/vote", said)
                assert ask(f"{address}/vote", said)[2] == first[2]  # as a browser does that heard nothing
                state = json.loads(first[2])
            assert state == {"done": True, "answered": 26}
            assert json.loads(ask(f"{address}/begin", {"rater": rater})[2]) == state
        assert ask(f"{address}/results")[0] == 403
        assert ask(f"{address}/results?key=nope")[0] == 403
        _, _, page = ask(f"{address}/results?key={study.results_key}")
        rows = list(csv.DictReader(io.StringIO(ask(f"{address}/votes.csv?key={study.results_key}")[2].decode())))
    assert [int(row["fooled"]) for row in rows] == truth[ANNA] + truth[BERT]
    assert b"warm" in page
    assert b"2 raters" in page


@needs_server
def test_the_page_holds_no_answer_and_fetches_nothing_from_elsewhere(made: tuple[Path, Study], tmp_path: Path) -> None:
    _, study = made
    (tmp_path / "study").mkdir()
    with served(tmp_path / "study", study) as address:
        code, headers, page = ask(address + "/")
        texts = [page, *(ask(f"{address}/{name}")[2] for name in ("turing.css", "turing.js"))]
        assert ask(f"{address}/study.json")[0] == 404
        assert ask(f"{address}/pictures/{'0' * 32}.jpg")[0] == 404
    assert code == 200
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert not any(re.search(rb"https?://|@import|url\(", text) for text in texts)
    about = json.loads(re.search(rb'id="study">(.*?)</script>', page)[1])  # type: ignore[index]
    assert about == {"id": study.id, "seconds": 1.0}


@needs_server
@pytest.mark.parametrize(
    ("path", "said", "code"),
    [
        ("begin", b"", 400),
        ("begin", b"[1", 400),
        ("begin", b"[" * 900, 400),
        ("begin", b"x" * 2000, 413),
        ("begin", {"rater": "anna"}, 400),
        ("begin", {"rater": 7}, 400),
        ("begin", {"rater": ANNA, "name": "Anna"}, 400),
        ("vote", {"rater": ANNA, "trial": BERT, "side": 2}, 400),
        ("vote", {"rater": ANNA, "trial": BERT, "side": True}, 400),
        ("vote", {"rater": ANNA, "trial": BERT, "side": "0"}, 400),
        ("vote", {"rater": ANNA, "trial": BERT, "side": 0}, 404),
    ],
)
def test_what_makes_no_sense_is_refused(
    made: tuple[Path, Study], tmp_path: Path, path: str, said: Any, code: int
) -> None:
    with served(tmp_path, made[1]) as address:
        assert ask(f"{address}/{path}", said)[0] == code
    assert Votes(tmp_path / VOTES).all(made[1]) == []


@needs_server
def test_a_vote_that_cannot_be_kept_is_not_taken(
    made: tuple[Path, Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser is told so, and tries again."""

    def fail(*_: object) -> None:
        raise ZooError("study.sqlite: database or disk is full")

    with served(tmp_path, made[1]) as address:
        trial = json.loads(ask(f"{address}/begin", {"rater": ANNA})[2])["trial"]
        with monkeypatch.context() as patch:
            patch.setattr(Votes, "vote", fail)
            assert ask(f"{address}/vote", {"rater": ANNA, "trial": trial, "side": 0})[0] == 500
        assert json.loads(ask(f"{address}/begin", {"rater": ANNA})[2])["trial"] == trial


# ------------------------------------------------------------------------------------------------- the site


@pytest.fixture
def site(made: tuple[Path, Study], tmp_path: Path) -> tuple[Path, Path]:
    """The folder of the study, and that of its site."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "pictures").symlink_to(made[0] / "pictures")
    (folder / "study.json").write_bytes((made[0] / "study.json").read_bytes())
    assert turing("-o", folder, "--static", tmp_path / "site").exit_code == 0
    return folder, tmp_path / "site"


def page_data(site: Path) -> dict[str, Any]:
    found = re.search(r'id="study">(.*?)</script>', (site / "index.html").read_text())
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_a_site_has_pictures_and_no_key(site: tuple[Path, Path]) -> None:
    folder, out = site
    assert {path.name for path in out.iterdir()} == {"index.html", "turing.css", "turing.js", "pictures"}
    key = json.loads((folder / "key.json").read_text())["pictures"]
    names = {path.stem for path in (out / "pictures").iterdir()}
    assert names == set(key)
    assert all(re.fullmatch(r"[0-9a-f]{32}", name) for name in names)
    about = page_data(out)
    assert about.keys() == {"id", "seconds", "site"}
    assert about["site"].keys() == {"practice", "sequences"}
    assert {name for sequence in about["site"]["sequences"] for name in sequence} == names
    lengths = {(key[path.stem]["pair"], path.stat().st_size) for path in (out / "pictures").iterdir()}
    assert len(lengths) == len({one["pair"] for one in key.values()})
    for name in ("warm", "cold", "grey", ".png"):
        assert name not in (out / "index.html").read_text()
    # Each sequence has each photograph once.
    for sequence in about["site"]["sequences"]:
        photos = [key[name]["pair"].partition("-")[0] for name in sequence]
        assert len(photos) == len(set(photos)) == 26


def test_a_site_written_again_is_the_same(site: tuple[Path, Path]) -> None:
    folder, out = site
    before = (out / "index.html").read_bytes()
    (out / "pictures" / ("0" * 32 + ".jpg")).write_text("of another study")
    assert turing("-o", folder, "--static", out).exit_code == 0
    assert (out / "index.html").read_bytes() == before
    assert not (out / "pictures" / ("0" * 32 + ".jpg")).exists()


def returned(folder: Path, out: Path, path: Path, rater: str, number: int, fooled: int) -> None:
    """Write the file that a rater sends who gave so many votes, the first ones wrong."""
    about, key = page_data(out), json.loads((folder / "key.json").read_text())["pictures"]
    names = about["site"]["sequences"][0][:number]
    votes = [{"picture": name, "side": key[name]["original"] ^ (n < fooled)} for n, name in enumerate(names)]
    path.write_text(json.dumps({"study": about["id"], "rater": rater, "votes": votes}))


def test_votes_come_back_as_files(site: tuple[Path, Path], tmp_path: Path) -> None:
    folder, out = site
    box = tmp_path / "box"
    box.mkdir()
    returned(folder, out, box / "anna.json", ANNA, 26, 5)
    returned(folder, out, box / "anna-earlier.json", ANNA, 12, 5)
    returned(folder, out, box / "bert.json", BERT, 4, 0)
    (box / "damaged.json").write_text('{"study": "')
    (box / "other.json").write_text(json.dumps({"study": "x", "rater": ANNA, "votes": []}))
    unknown = {"study": page_data(out)["id"], "rater": ANNA, "votes": [{"picture": "0" * 32, "side": 0}]}
    (box / "unknown.json").write_text(json.dumps(unknown))
    result = turing("-o", folder, "--results", "--votes", box, "--csv-votes", "votes.csv")
    assert result.exit_code == 0, result.output
    for name, reason in (("damaged", "no file of votes"), ("other", "of another study"), ("unknown", "never had")):
        assert re.search(rf"{name}\.json is left out: .*{reason}", result.stderr)
    rows = list(csv.DictReader(io.StringIO(Path("votes.csv").read_text())))
    assert Counter(row["rater"] for row in rows) == {"1": 26, "2": 4}
    assert sum(int(row["fooled"]) for row in rows) == 5


def test_a_site_is_not_written_where_it_would_harm(site: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = site
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").touch()
    for target, message in ((tmp_path / "home", "is not empty, and no site"), (folder, "is not empty")):
        result = turing("-o", folder, "--static", target)
        assert result.exit_code == 2
        assert message in result.stderr
    (folder / "index.html").touch()
    result = turing("-o", folder, "--static", folder)
    assert result.exit_code == 2
    assert "holds the study, and with it the answers" in result.stderr


# ------------------------------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    torch.manual_seed(0)
    plan = resolve(find_recipe("demo", generator="unet-shallow:base=4", size=32, device="cpu"))
    save_model(path, plan.generator.make(size=32).state_dict(), plan, {"images": 7})
    return path


def test_from_photographs_to_a_study(model: Path, photos: Path) -> None:
    (photos / "broken.jpg").write_text("no picture")
    colourful(72, 96).convert("L").save(photos / "grey.png")
    colourful(40, 96).save(photos / "tiny.png")
    result = turing(model, "--photos", photos, "--static", "site", "--seconds", "0.5", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "12/12" in result.stdout
    study = read_study(Path("study"))
    assert {one.path: one.reason.partition(" ")[0] for one in study.left_out} == {
        "broken.jpg": "cannot",
        "grey.png": "already",
        "tiny.png": "smaller",
    }
    assert study.seconds == 0.5
    before = {path: path.stat().st_mtime_ns for path in Path("study", "pictures").iterdir()}
    assert Counter(pair.role for pair in study.pairs) == {"compared": 9, "practice": 2, "catch": 1}
    # The same again is the same study, which is there at once; another one is refused.
    assert turing(model, "--photos", photos, "--static", "site").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in Path("study", "pictures").iterdir()} == before
    result = turing("-o", "study", "--seconds", "2", "--static", "site")
    assert result.exit_code == 2
    assert "a study with --seconds 0.5, which cannot be changed" in result.stderr
    result = turing("natural", "--photos", photos, "--static", "site")
    assert result.exit_code == 2
    assert "holds a study already, of" in result.stderr
    result = turing("--results", "--csv", "rates.csv")
    assert result.exit_code == 0
    assert "no votes yet" in result.stdout
    assert Path("rates.csv").read_text().count("\n") == 1 + 2 + 9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "study holds no study: make one with"),
        (("--results",), "study holds no study"),
        (("--photos", "photos"), "a new study needs both"),
        (("natural",), "a new study needs both"),
        (("nope", "--photos", "photos"), "nope"),
        (("natural", "natural", "--photos", "photos"), "named twice"),
        (("natural", "--photos", "nowhere"), "there is no file or folder nowhere"),
        (("natural", "--photos", "empty"), "no photographs to compare with in empty"),
        (("natural", "--photos", "photos", "--csv", "a.csv"), "go with --results"),
        (("natural", "--results"), "--results is of a study that is there"),
    ],
)
def test_mistakes_get_one_sentence(photos: Path, words: tuple[str, ...], message: str) -> None:
    Path("empty").mkdir()
    result = turing(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not Path("study").exists()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "uvicorn" else name)
    result = turing("natural", "--photos", photos)
    assert result.exit_code == 2
    assert "uvicorn is not installed: pip install uvicorn" in result.stderr


@needs_server
def test_a_port_that_is_taken(made: tuple[Path, Study]) -> None:
    with serving.listen("127.0.0.1", 0) as taken:
        result = turing("-o", made[0], "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert "try another --port" in result.stderr


def test_a_damaged_study(made: tuple[Path, Study], tmp_path: Path) -> None:
    for text, message in (("{", "is damaged"), (json.dumps({"format": 1}), "is damaged, or from another zoo")):
        (tmp_path / "study.json").write_text(text)
        result = turing("-o", tmp_path, "--results")
        assert result.exit_code == 1
        assert message in result.stderr
