"""An evaluation in files."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import UsageError
from zoo.evaluation.evaluation import Evaluation
from zoo.files import write_json, write_text

JSON, TABLE, PICTURES, REPORT = "evaluation.json", "evaluation.csv", "pictures.csv", "report.html"
"""The files of a saved evaluation."""


def save(evaluation: Evaluation, folder: Path | str) -> None:
    """Write evaluation.json, evaluation.csv, pictures.csv and report.html, each whole or not at all.

    Args:
        evaluation: what came out.
        folder: made if it is missing; files of these names in it are replaced.

    Raises:
        UsageError: it is a file.
        OSError: it cannot be written.
    """
    from zoo.evaluation.report import to_html

    folder = Path(folder)
    check_folder(folder)
    # All of them are there before the first one is written.
    texts = {PICTURES: evaluation.pictures_csv(), TABLE: evaluation.to_csv(), REPORT: to_html(evaluation)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    write_json(folder / JSON, evaluation.to_json())


def check_folder(folder: Path) -> None:
    """See that results can be written to a folder.

    Raises:
        UsageError: it is a file, or in one.
    """
    if file := next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), None):
        raise UsageError(f"-o {folder}: {file} is a file; give a folder")
