"""A run's measures as one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from zoo import hookimpl
from zoo.files import write_text
from zoo.run import Run
from zoo.training.watch import Progress

FILE = "metrics.csv"
COLUMNS = ("step", "name", "value")


class Table:
    """One line per step and measure, in the columns step, name and value: every spreadsheet pivots it, and pandas."""

    @hookimpl
    def zoo_run_started(self, run: Run, step: int) -> None:
        """Begin the file, or drop the lines of steps that will be taken again."""
        path = run.path / FILE
        kept = []
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [line for line in csv.reader(file) if len(line) == len(COLUMNS) and line[0].isdigit()]
        write_text(path, _as_csv([COLUMNS, *(line for line in kept if int(line[0]) <= step)]))

    @hookimpl
    def zoo_step(self, run: Run, progress: Progress) -> None:
        """Add the losses and the speed."""
        losses = {f"loss/{name}": value for name, value in progress.losses.items()}
        self._add(run, progress.step, losses | {"images_per_second": progress.images_per_second})

    @hookimpl
    def zoo_metrics(self, run: Run, step: int, metrics: Mapping[str, float]) -> None:
        """Add what was measured on held-out photographs."""
        self._add(run, step, {f"held_out/{name}": value for name, value in metrics.items()})

    def _add(self, run: Run, step: int, values: Mapping[str, float]) -> None:
        with (run.path / FILE).open("a", newline="", encoding="utf-8") as file:
            file.write(_as_csv([(step, name, value) for name, value in values.items()]))


def _as_csv(lines: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
