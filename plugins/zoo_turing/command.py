"""zoo turing: ask people which picture is the original."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def turing(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Models: names, files, runs' folders or hf://owner/repository."),
    ] = None,
    photos: Annotated[
        list[Path] | None, typer.Option("--photos", help="A colour photograph or a folder of them; may be repeated.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The study's folder.")] = Path("study"),
    seconds: Annotated[
        float | None, typer.Option(help="How long a pair is seen; 1 by default.", min=0.05, max=60)
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Photographs that one rater compares, at most; 60 by default.", min=1)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of models that draw noise: another one, other colours.", min=0)
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option("--extra", metavar="NAME=FOLDER", help="Pictures that a model takes beside photographs."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 is any free one.", min=0, max=65535)] = 8000,
    static: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a site that needs no server, and end.")
    ] = None,
    results: Annotated[bool, typer.Option("--results", help="Show what the votes say, and end.")] = False,
    votes: Annotated[
        list[Path] | None,
        typer.Option(help="With --results, votes that a site returned: a file, or a folder; may be repeated."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="With --results, write the rates as CSV.")] = None,
    csv_votes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --results, write every vote as CSV.")
    ] = None,
    max_failed: Annotated[
        float, typer.Option(help="Share of the catch trials that a rater may fail.", min=0, max=1)
    ] = 0.25,
    precision: Annotated[
        float, typer.Option(help="Half of the 95 % interval that is wanted, as a share.", min=0.001, max=0.4)
    ] = 0.05,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:1, mps or cpu.")] = "auto",
) -> None:
    """Ask people which is the original: they see pairs of a photograph and its coloured version.

    Without MODEL, go on with the study in the folder.
    """
    from zoo.errors import UsageError

    if results:
        if models or photos or static:
            raise UsageError("--results is of a study that is there: leave MODEL, --photos and --static out")
        from zoo_turing.running import show_results

        show_results(out, votes or [], csv, csv_votes, max_failed=max_failed, precision=precision)
        return
    if votes or csv or csv_votes:
        raise UsageError("--votes, --csv and --csv-votes go with --results")
    if static is None:
        from zoo.serving import check_installed

        check_installed()
    from zoo_turing.running import open_study, serve

    study = open_study(
        out, models or [], photos or [], seconds=seconds, trials=trials, seed=seed, extras=extra or [], device=device
    )
    if static is not None:
        from zoo_turing.static import write_site

        write_site(out, study, static)
        typer.echo(f"{static} is written: put it on any web server, and collect the files of votes that it returns")
        typer.echo(f"which picture is which stands in {out / 'key.json'}, and nowhere else: keep it to yourself")
        return
    serve(out, study, host, port, max_failed=max_failed, precision=precision)
