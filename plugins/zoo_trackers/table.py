"""A run's metrics as one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from zoo import RunInfo, Status, hookimpl
from zoo.files import write_text

FILE = "metrics.csv"
COLUMNS = ("step", "name", "value")


class Table:
    """One line per step and metric, in the columns step, name and value: every spreadsheet pivots it, and pandas."""

    @hookimpl
    def zoo_run_started(self, run: RunInfo, step: int) -> None:
        """Begin the file, or drop the lines of steps that will be taken again."""
        path = run.path / FILE
        kept = []
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [line for line in csv.reader(file) if len(line) == len(COLUMNS) and line[0].isdigit()]
        write_text(path, _as_csv([COLUMNS, *(line for line in kept if int(line[0]) <= step)]))

    @hookimpl
    def zoo_step(self, run: RunInfo, status: Status) -> None:
        """Add the losses and the speed."""
        losses = {f"loss/{name}": value for name, value in status.losses.items()}
        self._add(run, status.step, losses | {"images_per_second": status.images_per_second})

    @hookimpl
    def zoo_metrics(self, run: RunInfo, step: int, metrics: Mapping[str, float]) -> None:
        """Add the validation metrics."""
        self._add(run, step, {f"val/{name}": value for name, value in metrics.items()})

    def _add(self, run: RunInfo, step: int, values: Mapping[str, float]) -> None:
        with (run.path / FILE).open("a", newline="", encoding="utf-8") as file:
            file.write(_as_csv([(step, name, value) for name, value in values.items()]))


def _as_csv(lines: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
