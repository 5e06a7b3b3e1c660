"""zoo turing: statistics, pairs, trials and votes. Server and site: test_turing_sites.py."""

from __future__ import annotations

import csv
import io
import math
import re
import sqlite3
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from conftest import colourful
from PIL import Image
from studies import HEIGHT, WIDTH, distance, halves
from zoo_turing.picture import _padded, side_by_side
from zoo_turing.results import results_csv, summarize, votes_csv
from zoo_turing.statistics import bootstrap, votes_needed, wilson
from zoo_turing.study import VOTES, Pair, Study, picture_path
from zoo_turing.trials import draw
from zoo_turing.votes import UnknownError, Vote, Votes

ANNA, BERT = "a" * 32, "b" * 32

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
