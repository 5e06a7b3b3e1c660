"""Raters, trials and votes, in SQLite. A vote is on the disk before anybody is told that it is.

No names, no addresses and no times: a rater is a random token that their browser keeps.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ZooError
from zoo_turing.study import Pair, Study
from zoo_turing.trials import Trial

_TABLES = """
CREATE TABLE IF NOT EXISTS raters (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS trials (
    token TEXT PRIMARY KEY,
    rater INTEGER NOT NULL REFERENCES raters,
    position INTEGER NOT NULL,
    pair TEXT NOT NULL,
    original INTEGER NOT NULL CHECK (original IN (0, 1)),
    UNIQUE (rater, position),
    UNIQUE (rater, pair)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS votes (
    rater INTEGER NOT NULL REFERENCES raters,
    trial TEXT NOT NULL REFERENCES trials,
    side INTEGER NOT NULL CHECK (side IN (0, 1)),
    UNIQUE (rater, trial)
);
"""
_BUSY = 15.0  # seconds that a write waits for another


@dataclass(frozen=True)
class Vote:
    """What a rater answered."""

    rater: str
    pair: Pair
    original: int
    """The side of the original: 0 for the left, 1 for the right."""
    side: int
    """The side that the rater took for it."""

    @property
    def fooled(self) -> bool:
        """Whether the rater took the coloured picture for the original."""
        return self.side != self.original


@dataclass(frozen=True)
class Place:
    """Where a rater is."""

    done: int
    total: int
    waiting: tuple[str, ...]
    """Tokens of the next two trials at most."""


class UnknownError(ZooError):
    """There is no such rater, or no such trial of theirs."""


class Votes:
    """The votes of a study. Each call is a transaction of its own, so that any thread may make it."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it where there is none.

        Raises:
            ZooError: it cannot be written, or is no database.
        """
        self._path = path
        with self._connection() as connection:
            # Readers, such as --results, then never wait for a rater.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_TABLES)

    def begin(self, rater: str, draw: Callable[[Mapping[tuple[str, int], int]], list[Trial]]) -> Place:
        """Find a rater, or begin with a new one, and say where they are.

        Args:
            rater: their token.
            draw: makes the trials of a new rater, from how often each pair was shown on each side.
        """
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            added = connection.execute("INSERT OR IGNORE INTO raters (token) VALUES (?)", (rater,))
            if added.rowcount:
                shown = connection.execute("SELECT pair, original, count(*) FROM trials GROUP BY pair, original")
                trials = draw({(pair, original): count for pair, original, count in shown})
                connection.executemany(
                    "INSERT INTO trials VALUES (?, ?, ?, ?, ?)",
                    [
                        (secrets.token_hex(16), added.lastrowid, position, trial.pair.id, trial.original)
                        for position, trial in enumerate(trials)
                    ],
                )
            place = _place(connection, rater)
            connection.execute("COMMIT")
            return place

    def vote(self, rater: str, trial: str, side: int) -> Place:
        """Keep a vote, unless that trial has one: then the first one stands. Say where the rater is afterwards.

        Raises:
            UnknownError: there is no such rater, or no such trial of theirs.
        """
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute(
                "SELECT raters.id FROM raters JOIN trials ON trials.rater = raters.id "
                "WHERE raters.token = ? AND trials.token = ?",
                (rater, trial),
            ).fetchone()
            if found is None:
                raise UnknownError("there is no such rater, or no such trial of theirs")
            connection.execute("INSERT OR IGNORE INTO votes VALUES (?, ?, ?)", (found[0], trial, side))
            place = _place(connection, rater)
            connection.execute("COMMIT")
            return place

    def trial(self, token: str) -> tuple[str, int]:
        """Return the pair of a trial, and the side of its original.

        Raises:
            UnknownError: there is no such trial.
        """
        with self._connection() as connection:
            found = connection.execute("SELECT pair, original FROM trials WHERE token = ?", (token,)).fetchone()
        if found is None:
            raise UnknownError("there is no such trial")
        return str(found[0]), int(found[1])

    def all(self, study: Study) -> list[Vote]:
        """Return all votes, by rater and in the order of their trials."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT raters.token, trials.pair, trials.original, votes.side FROM votes "
                "JOIN trials ON trials.token = votes.trial JOIN raters ON raters.id = votes.rater "
                "ORDER BY raters.id, trials.position"
            ).fetchall()
        pairs = study.by_id
        return [Vote(rater, pairs[pair], original, side) for rater, pair, original, side in rows if pair in pairs]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            # isolation_level: Python begins no transactions of its own.
            with closing(sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None)) as connection:
                # The commit ends when the disk has it, not when the system's cache does.
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
        except sqlite3.Error as error:
            raise ZooError(f"{self._path}: {error}") from error


def _place(connection: sqlite3.Connection, rater: str) -> Place:
    rows = connection.execute(
        "SELECT trials.token, votes.side IS NULL FROM raters JOIN trials ON trials.rater = raters.id "
        "LEFT JOIN votes ON votes.trial = trials.token WHERE raters.token = ? ORDER BY trials.position",
        (rater,),
    ).fetchall()
    waiting = [token for token, is_open in rows if is_open]
    return Place(len(rows) - len(waiting), len(rows), tuple(waiting[:2]))
