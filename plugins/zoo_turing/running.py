"""What the command does: make or open a study, serve it, show its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from zoo.cli.console import make_console
from zoo.errors import UsageError, ZooError
from zoo.files import explain_os_error, write_text
from zoo_turing.results import results_csv, summarize, votes_csv
from zoo_turing.study import VOTES, Study, check_same, exists, read_study
from zoo_turing.votes import Votes

SECONDS, TRIALS = 1.0, 60


def open_study(
    folder: Path,
    models: Sequence[str],
    photos: Sequence[Path],
    *,
    seconds: float | None,
    trials: int | None,
    seed: int | None = None,
    extras: Sequence[str] = (),
    device: str,
) -> Study:
    """Read the study in a folder, or make it where there is none, which takes as long as colouring the photographs.

    Raises:
        UsageError: there is another one, or none and nothing to make it of.
        ZooError: it cannot be read, or made.
    """
    if exists(folder):
        study = read_study(folder)
        if models or seconds or trials or seed is not None:
            from zoo_turing.preparing import find_models

            check_same(folder, study, find_models(models)[1], seconds, trials, seed)
        return study
    if not models and not photos:
        return read_study(folder)  # says what is missing
    if not models or not photos:
        raise UsageError("a new study needs both: zoo turing MODEL --photos FOLDER")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"-o {folder} is a file: give a folder")
    from zoo.cli.scan_bar import ScanBar
    from zoo.given import find_extras
    from zoo_turing.preparing import check_extras, find_models, look_through, prepare
    from zoo_turing.terminal import print_left_out, print_preparation

    beside = find_extras(extras)
    found, examined = find_models(models)
    console, errors = make_console(), make_console(stderr=True)
    sources, left_out = look_through(photos, ScanBar(errors))
    print_left_out(left_out, errors)
    from zoo.model import load_model

    loaded = [load_model(source.file, device) for source in found]
    check_extras(loaded, beside)
    outcomes = prepare(
        folder,
        list(zip(examined, loaded, strict=True)),
        sources,
        left_out,
        seconds=seconds or SECONDS,
        trials=trials or TRIALS,
        seed=seed or 0,
        extras=beside,
    )
    print_preparation(outcomes, console, errors)
    return read_study(folder)


def serve(folder: Path, study: Study, host: str, port: int, *, max_failed: float, precision: float) -> None:
    """Serve a study until Ctrl-C.

    Raises:
        ZooError: the address cannot be had, or the votes cannot be kept.
    """
    from zoo.serving import address_of, listen
    from zoo.serving import serve as serve_app
    from zoo_turing.server import make_app
    from zoo_turing.terminal import print_study

    app = make_app(folder, study, max_failed=max_failed, precision=precision)
    with listen(host, port) as listener:
        print_study(study, make_console())
        address = address_of(host, listener)
        typer.echo(f"for raters:  {address}/")
        typer.echo(f"the results: {address}/results?key={study.results_key}")
        typer.echo("Ctrl-C ends it; every vote is kept, and the same command goes on with it")
        serve_app(app, listener)


def show_results(
    folder: Path,
    files: Sequence[Path],
    csv: Path | None,
    csv_votes: Path | None,
    *,
    max_failed: float,
    precision: float,
) -> None:
    """Print what the votes of a study say, those in `files` included, and write them as CSV where that is wanted.

    Raises:
        UsageError: there is no study, or no such file.
        ZooError: something cannot be read or written.
    """
    from zoo_turing.terminal import print_results

    study = read_study(folder)
    votes = Votes(folder / VOTES).all(study) if (folder / VOTES).is_file() else []
    if files:
        from zoo_turing.static import read_votes

        returned, problems = read_votes(folder, study, files)
        votes += returned
        for problem in problems:
            typer.echo(problem, err=True)
    found = summarize(study, votes, max_failed=max_failed, precision=precision)
    print_results(found, make_console())
    for path, text in ((csv, results_csv(found)), (csv_votes, votes_csv(found, votes))):
        if path is not None:
            try:
                write_text(path, text)
            except OSError as error:
                raise ZooError(f"cannot write {path}: {explain_os_error(error)}") from error
