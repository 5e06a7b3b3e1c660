"""What the votes of a study say."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from zoo_turing.statistics import bootstrap, votes_needed, wilson
from zoo_turing.study import Pair, Study
from zoo_turing.votes import Vote


@dataclass(frozen=True)
class Rate:
    """How often a coloured picture was taken for the original."""

    votes: int
    fooled: int
    wilson: tuple[float, float]
    """95 % interval, as if every vote was independent."""
    bootstrap: tuple[float, float]
    """95 % interval that allows for raters and photographs that differ."""
    needed: int
    """Votes for the wanted precision, if all were independent."""
    needed_clustered: int
    """The same where votes scatter between raters and photographs as these do."""

    @property
    def share(self) -> float | None:
        """The fooling rate; None without votes."""
        return self.fooled / self.votes if self.votes else None


@dataclass(frozen=True)
class OfModel:
    """A model's rates."""

    model: str
    kept: Rate
    """Without the raters who failed too many catch trials."""
    everybody: Rate


@dataclass(frozen=True)
class OfPicture:
    """A pair's votes, without those of the raters who are left out."""

    model: str
    photo: str
    votes: int
    fooled: int
    wilson: tuple[float, float]


@dataclass(frozen=True)
class OfRater:
    """A rater."""

    number: int
    votes: int
    """On pairs that count."""
    catches: int
    failed: int
    left_out: bool


@dataclass(frozen=True)
class Results:
    """All of it."""

    models: tuple[OfModel, ...]
    pictures: tuple[OfPicture, ...]
    raters: tuple[OfRater, ...]
    max_failed: float
    """Share of catch trials; who failed more of them is left out."""
    precision: float

    @property
    def left_out(self) -> int:
        """How many raters are left out."""
        return sum(rater.left_out for rater in self.raters)


def summarize(study: Study, votes: Sequence[Vote], *, max_failed: float, precision: float) -> Results:
    """Count the votes of a study.

    Args:
        study: what they are about.
        votes: all of them, practice and catch trials included.
        max_failed: share of the catch trials that a rater may fail without being left out.
        precision: half of the wanted 95 % interval, to say how many votes it takes.
    """
    raters = _raters(votes, max_failed)
    out = {token for token, rater in raters.items() if rater.left_out}
    compared: defaultdict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        if vote.pair.role == "compared":
            compared[vote.pair.against].append(vote)
    models = [
        OfModel(
            model.name,
            _rate([vote for vote in compared[model.name] if vote.rater not in out], precision),
            _rate(compared[model.name], precision),
        )
        for model in study.models
    ]
    counted = [vote for vote in votes if vote.rater not in out]
    return Results(tuple(models), _pictures(study, counted), tuple(raters.values()), max_failed, precision)


def _raters(votes: Sequence[Vote], max_failed: float) -> dict[str, OfRater]:
    number: dict[str, int] = {}
    counted: Counter[str] = Counter()
    catches: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for vote in votes:
        number.setdefault(vote.rater, len(number) + 1)
        counted[vote.rater] += vote.pair.role == "compared"
        catches[vote.rater] += vote.pair.role == "catch"
        failed[vote.rater] += vote.pair.role == "catch" and vote.fooled
    return {
        token: OfRater(n, counted[token], catches[token], failed[token], failed[token] > max_failed * catches[token])
        for token, n in number.items()
    }


def _rate(votes: Sequence[Vote], precision: float) -> Rate:
    fooled = [vote.fooled for vote in votes]
    low, high = interval = wilson(sum(fooled), len(votes))
    scatter = bootstrap([vote.rater for vote in votes], [vote.pair.photo for vote in votes], fooled)
    needed = votes_needed(sum(fooled) / len(votes) if votes else 0.5, precision)
    # By how much one of these votes says less than an independent one: the design effect.
    effect = max(1.0, ((scatter[1] - scatter[0]) / (high - low)) ** 2) if votes else 1.0
    return Rate(len(votes), sum(fooled), interval, scatter, needed, round(needed * effect))


def _pictures(study: Study, votes: Sequence[Vote]) -> tuple[OfPicture, ...]:
    total = Counter(vote.pair.id for vote in votes)
    fooled = Counter(vote.pair.id for vote in votes if vote.fooled)

    def of(pair: Pair) -> OfPicture:
        n, k = total[pair.id], fooled[pair.id]
        return OfPicture(pair.against, pair.name, n, k, wilson(k, n))

    order = [model.name for model in study.models]
    found = [of(pair) for pair in study.of_role("compared")]
    # What fooled most comes first.
    found.sort(key=lambda one: (order.index(one.model), not one.votes, -one.fooled / max(1, one.votes), one.photo))
    return tuple(found)


def results_csv(results: Results) -> str:
    """Return the rates as CSV: a row for each model, with and without those who are left out, and for each picture."""
    header = (
        "scope", "model", "picture", "votes", "fooled", "rate", "wilson_low", "wilson_high", "bootstrap_low",
        "bootstrap_high", "votes_needed", "votes_needed_clustered",
    )  # fmt: skip
    rows: list[Sequence[object]] = [header]
    for one in results.models:
        for scope, rate in (("model", one.kept), ("model_all_raters", one.everybody)):
            share = "" if rate.share is None else f"{rate.share:.6f}"
            ends = [f"{end:.6f}" for end in (*rate.wilson, *rate.bootstrap)]
            rows.append(
                (scope, one.model, "", rate.votes, rate.fooled, share, *ends, rate.needed, rate.needed_clustered)
            )
    for picture in results.pictures:
        share = f"{picture.fooled / picture.votes:.6f}" if picture.votes else ""
        ends = [f"{end:.6f}" for end in picture.wilson]
        rows.append(
            ("picture", picture.model, picture.photo, picture.votes, picture.fooled, share, *ends, "", "", "", "")
        )
    return _csv(rows)


def votes_csv(results: Results, votes: Sequence[Vote]) -> str:
    """Return every vote as CSV, for whoever wants to compute more: a row for each."""
    number: dict[str, int] = {}
    out = {rater.number for rater in results.raters if rater.left_out}
    rows: list[Sequence[object]] = [("rater", "left_out", "kind", "model", "picture", "original", "chosen", "fooled")]
    for vote in votes:
        rater = number.setdefault(vote.rater, len(number) + 1)
        sides = [("left", "right")[side] for side in (vote.original, vote.side)]
        about = vote.pair.role, vote.pair.against, vote.pair.name
        rows.append((rater, int(rater in out), *about, *sides, int(vote.fooled)))
    return _csv(rows)


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
