"""zoo turing: pairs, trials, votes, statistics, the server and the site. The pages: test_turing_browser.py."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sqlite3
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from conftest import colourful
from PIL import Image
from studies import HEIGHT, WIDTH, Sepia, distance, halves, make_album, make_study, served
from typer.testing import CliRunner, Result
from zoo_turing import server
from zoo_turing.picture import _padded, side_by_side
from zoo_turing.results import results_csv, summarize, votes_csv
from zoo_turing.statistics import bootstrap, votes_needed, wilson
from zoo_turing.study import VOTES, Pair, Study, picture_path, read_study
from zoo_turing.trials import draw
from zoo_turing.votes import UnknownError, Vote, Votes

from zoo import ZooError, find_recipe
from zoo.cli.main import app
from zoo.model import save_model
from zoo.registry import resolve

ANNA, BERT = "a" * 32, "b" * 32


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    """A study of two models and 26 photographs. Nobody writes to it."""
    folder = tmp_path_factory.mktemp("turing")
    album = make_album(folder / "album", 26)
    return folder / "study", make_study(folder / "study", album, {"warm": Sepia(), "cold": Sepia(-5.0, -30.0)})


@pytest.fixture
def study(made: tuple[Path, Study]) -> Study:
    return made[1]


def turing(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["turing", *map(str, words)])


# ------------------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize(("hits", "votes"), [(0, 10), (1, 10), (7, 20), (10, 20), (500, 1000), (3, 3), (0, 1)])
def test_the_interval_is_wilsons(hits: int, votes: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    interval = stats.binomtest(hits, votes).proportion_ci(method="wilson")
    assert wilson(hits, votes) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_intervals_that_are_in_the_books() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
    for (hits, votes), interval in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0000, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        assert wilson(hits, votes) == pytest.approx(interval, abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("precision", [0.01, 0.05, 0.2])
def test_votes_needed_are_the_fewest_that_do(share: float, precision: float) -> None:
    def half(votes: int) -> float:
        z = 1.959963984540054
        return z / (1 + z * z / votes) * math.sqrt(share * (1 - share) / votes + z * z / (4 * votes * votes))

    needed = votes_needed(share, precision)
    assert half(needed) <= precision * (1 + 1e-9)
    assert needed == 1 or half(needed - 1) > precision


def test_with_one_rater_the_bootstrap_is_a_binomial() -> None:
    stats = pytest.importorskip("scipy.stats")
    fooled = [number < 24 for number in range(80)]
    low, high = bootstrap(["anna"] * 80, list(range(80)), fooled)
    assert low == pytest.approx(stats.binom.ppf(0.025, 80, 0.3) / 80, abs=0.014)
    assert high == pytest.approx(stats.binom.ppf(0.975, 80, 0.3) / 80, abs=0.014)


def test_the_bootstrap_allows_for_raters_who_differ() -> None:
    # Ten raters of whom each is always right or always wrong: a hundred votes each say no more than ten.
    raters = [rater for rater in range(10) for _ in range(100)]
    low, high = bootstrap(raters, list(range(100)) * 10, [rater < 5 for rater in raters])
    assert low == pytest.approx(0.2, abs=0.05)
    assert high == pytest.approx(0.8, abs=0.05)
    assert bootstrap([1, 2], [1, 2], [True, True]) == (1.0, 1.0)
    assert bootstrap([], [], []) == (0.0, 1.0)


def vote(rater: str, photo: int, *, fooled: bool, role: Any = "compared", against: str = "warm") -> Vote:
    pair = Pair(id=f"{photo}-0", photo=photo, name=f"{photo}.png", against=against, role=role)
    return Vote(rater, pair, photo % 2, photo % 2 ^ fooled)


def test_who_fails_catch_trials_is_left_out(study: Study) -> None:
    votes = [vote(ANNA, n, fooled=n < 2) for n in range(10)] + [vote(BERT, n, fooled=True) for n in range(10)]
    votes += [
        vote(rater, 20 + n, fooled=rater == BERT and n < 2, role="catch") for rater in (ANNA, BERT) for n in range(4)
    ]
    votes += [vote(ANNA, 30, fooled=True, role="practice")]
    results = summarize(study, votes, max_failed=0.25, precision=0.05)
    warm, cold = results.models
    assert (warm.kept.votes, warm.kept.fooled, warm.everybody.votes, warm.everybody.fooled) == (10, 2, 20, 12)
    assert (cold.kept.votes, cold.kept.share, cold.kept.wilson) == (0, None, (0.0, 1.0))
    assert [(one.number, one.votes, one.catches, one.failed, one.left_out) for one in results.raters] == [
        (1, 10, 4, 0, False),
        (2, 10, 4, 2, True),
    ]
    assert warm.everybody.needed_clustered > warm.everybody.needed
    assert summarize(study, votes, max_failed=0.5, precision=0.05).left_out == 0


# ------------------------------------------------------------------------------------------------- pairs


def test_neither_half_tells_but_by_its_pixels() -> None:
    original, coloured = colourful(300, 203, seed=1), colourful(300, 203, seed=1).convert("L").convert("RGB")
    left, right = side_by_side(original, coloured)
    assert len(left) == len(right)
    assert len(left) % 4096 == 0
    for data, order in ((left, (original, coloured)), (right, (coloured, original))):
        with Image.open(io.BytesIO(data)) as image:
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "comment"}
            assert not image.getexif()
            assert not image.info["comment"].strip(b"\0")
            assert image.size == (400, 296)
            found = halves(image)
        for half, whole in zip(found, order, strict=True):
            expected = np.asarray(whole.crop((1, 2, 201, 298)), np.float32)
            assert distance(half, expected) < 2
    # What is before the pixels is the same: size, tables, order of the colours.
    header = [re.sub(b"\xff\xfe..\0*", b"", data[: data.index(b"\xff\xda")], flags=re.DOTALL) for data in (left, right)]
    assert header[0] == header[1]


@pytest.mark.parametrize("missing", [4, 5, 65536, 65537, 65538, 65541, 200_000])
def test_files_are_filled_to_any_length(missing: int) -> None:
    plain = io.BytesIO()
    colourful(16, 16).save(plain, "JPEG")
    data = _padded(plain.getvalue(), len(plain.getvalue()) + missing)
    assert len(data) == len(plain.getvalue()) + missing
    with Image.open(io.BytesIO(data)) as image, Image.open(plain) as before:
        assert np.array_equal(np.asarray(image), np.asarray(before))


def test_large_photographs_are_scaled_down() -> None:
    data, _ = side_by_side(colourful(1000, 2000), colourful(1000, 2000))
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (2 * 768, 384)


def test_a_study_has_practice_and_catch_trials_and_each_photograph_once(made: tuple[Path, Study]) -> None:
    folder, study = made
    roles = {role: {pair.photo for pair in study.of_role(role)} for role in ("practice", "catch", "compared")}
    assert [len(photos) for photos in roles.values()] == [3, 3, 20]
    assert len(set.union(*roles.values())) == 26
    assert Counter(pair.against for pair in study.of_role("compared")) == {"warm": 20, "cold": 20}
    assert {pair.against for pair in study.of_role("catch")} == {"grey", "opposite hues"}
    for pair in study.pairs:
        with Image.open(folder.parent / "album" / pair.name) as image:
            original = np.asarray(image, np.float32)
        for side in (0, 1):
            with Image.open(picture_path(folder, pair.id, side)) as image:
                assert image.size == (2 * WIDTH, HEIGHT)
                both = halves(image)
            assert distance(both[side], original) < 2
            assert distance(both[1 - side], original) > 5


# ------------------------------------------------------------------------------------------------- trials


def test_a_rater_sees_each_photograph_once(study: Study) -> None:
    trials = draw(study, {}, Random(0))
    assert len({trial.pair.photo for trial in trials}) == len(trials) == 26
    assert [trial.pair.role for trial in trials[:4]] == ["practice"] * 3 + ["compared"]
    assert trials[0].pair.against == "grey"
    places = [number for number, trial in enumerate(trials[3:]) if trial.pair.role == "catch"]
    assert len(places) == 3
    assert all(place // 8 == number for number, place in enumerate(places))
    assert [trial.pair.photo for trial in trials] != [trial.pair.photo for trial in draw(study, {}, Random(1))]


def test_models_and_sides_are_balanced_over_raters(study: Study) -> None:
    shown: Counter[tuple[str, int]] = Counter()
    for seed in range(4):
        trials = draw(study, shown, Random(seed))
        used = Counter(trial.pair.against for trial in trials if trial.pair.role == "compared")
        assert seed or used == {"warm": 10, "cold": 10}
        shown.update((trial.pair.id, trial.original) for trial in trials)
    for pair in study.of_role("compared"):
        assert shown[pair.id, 0] == shown[pair.id, 1] == 1
    for pair in study.of_role("catch"):
        assert shown[pair.id, 0] == shown[pair.id, 1] == 2


def test_with_fewer_trials_than_photographs_all_get_their_turn(study: Study) -> None:
    short = study.model_copy(update={"trials": 5})
    shown: Counter[tuple[str, int]] = Counter()
    for seed in range(4):
        trials = draw(short, shown, Random(seed))
        assert Counter(trial.pair.role for trial in trials) == {"practice": 3, "catch": 3, "compared": 5}
        shown.update((trial.pair.id, trial.original) for trial in trials)
    seen = Counter(study.by_id[pair].photo for (pair, _), n in shown.items() for _ in range(n))
    assert {seen[pair.photo] for pair in study.of_role("compared")} == {1}


# ------------------------------------------------------------------------------------------------- votes


@pytest.fixture
def votes(tmp_path: Path) -> Votes:
    return Votes(tmp_path / VOTES)


def test_a_vote_is_kept_once_and_the_first_one_stands(votes: Votes, study: Study, tmp_path: Path) -> None:
    place = votes.begin(ANNA, lambda shown: draw(study, shown, Random(0)))
    assert (place.done, place.total, len(place.waiting)) == (0, 26, 2)
    first, second = place.waiting
    after = votes.vote(ANNA, first, 1)
    assert after == votes.vote(ANNA, first, 1) == votes.vote(ANNA, first, 0)
    assert (after.done, after.waiting[0]) == (1, second)
    # Another process, later.
    again = Votes(tmp_path / VOTES)
    assert again.begin(ANNA, lambda _: []) == after
    (kept,) = again.all(study)
    assert kept.side == 1
    assert kept.fooled == (votes.trial(first)[1] == 0)


def test_votes_of_somebody_else_are_refused(votes: Votes, study: Study) -> None:
    place = votes.begin(ANNA, lambda shown: draw(study, shown, Random(0)))
    votes.begin(BERT, lambda shown: draw(study, shown, Random(0)))
    for rater, trial in ((BERT, place.waiting[0]), ("c" * 32, place.waiting[0]), (ANNA, "0" * 32)):
        with pytest.raises(UnknownError):
            votes.vote(rater, trial, 0)
    assert votes.all(study) == []


def test_a_commit_waits_for_the_disk(votes: Votes, tmp_path: Path) -> None:
    with votes._connection() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        columns = [row[1] for table in ("raters", "votes") for row in connection.execute(f"PRAGMA table_info({table})")]
        assert columns == ["id", "token", "rater", "trial", "side"]  # no name, no address, no time
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("INSERT INTO votes VALUES (1, 'x', 2)")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / VOTES).write_text("something else, and longer than a page's head" * 10)
    with pytest.raises(Exception, match=r"study\.sqlite: file is not a database"):
        Votes(tmp_path / VOTES)


# ------------------------------------------------------------------------------------------------- the server

needs_server = pytest.mark.skipif(bool([n for n in server.NEEDED if not server.find_spec(n)]), reason="extra `turing`")


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
    monkeypatch.setattr(server, "find_spec", lambda name: None if name == "uvicorn" else name)
    result = turing("natural", "--photos", photos)
    assert result.exit_code == 2
    assert "uvicorn is not installed: pip install uvicorn" in result.stderr


@needs_server
def test_a_port_that_is_taken(made: tuple[Path, Study]) -> None:
    with server.listen("127.0.0.1", 0) as taken:
        result = turing("-o", made[0], "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert "try another --port" in result.stderr


def test_a_damaged_study(made: tuple[Path, Study], tmp_path: Path) -> None:
    for text, message in (("{", "is damaged"), (json.dumps({"format": 1}), "is damaged, or from another zoo")):
        (tmp_path / "study.json").write_text(text)
        result = turing("-o", tmp_path, "--results")
        assert result.exit_code == 1
        assert message in result.stderr


def test_csv_has_a_row_for_everything(study: Study) -> None:
    votes = [vote(ANNA, n, fooled=n == 0) for n in range(3)]
    results = summarize(study, votes, max_failed=0.25, precision=0.05)
    rows = list(csv.DictReader(io.StringIO(results_csv(results))))
    assert [row["scope"] for row in rows] == ["model", "model_all_raters"] * 2 + ["picture"] * 40
    assert (rows[0]["votes"], rows[0]["fooled"], rows[0]["rate"]) == ("3", "1", "0.333333")
    (first, *_) = csv.DictReader(io.StringIO(votes_csv(results, votes)))
    assert first == {
        "rater": "1", "left_out": "0", "kind": "compared", "model": "warm", "picture": "0.png",
        "original": "left", "chosen": "right", "fooled": "1",
    }  # fmt: skip
