"""What the terminal shows of a study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zoo_turing.results import Results
from zoo_turing.study import LeftOutPhoto, Study
from zoo_turing.words import of_raters, percent, span

if TYPE_CHECKING:
    from zoo_turing.preparing import Outcome

_SHOWN = 10
"""Lines of a list that might be as long as the album."""


def print_left_out(left_out: Sequence[LeftOutPhoto], errors: Console) -> None:
    """Say which photographs a study does without, and why."""
    for one in left_out[:_SHOWN]:
        errors.print(f"left out: {escape(one.path)} ({escape(one.reason)})", soft_wrap=True)
    if len(left_out) > _SHOWN:
        errors.print(f"left out: {len(left_out) - _SHOWN} more")


def print_preparation(outcomes: Iterable[Outcome], console: Console, errors: Console) -> None:
    """Say what becomes of each photograph."""
    for outcome in outcomes:
        place = f"[dim]{outcome.done}/{outcome.total}[/dim]"
        if outcome.error:
            errors.print(f"{place} [red]left out[/red] {escape(outcome.error)}", soft_wrap=True)
        else:
            console.print(f"{place} {escape(outcome.name)}", soft_wrap=True)


def print_study(study: Study, console: Console) -> None:
    """Say what a study compares."""
    models = ", ".join(model.name for model in study.models)
    photos = study.photos("compared")
    each = f"each rater compares {min(photos, study.trials)} of {photos} photographs with their colours of {models}"
    console.print(
        f"{escape(each)}; {study.photos('practice')} practice and {study.photos('catch')} catch trials; "
        f"{study.seconds:g} s each"
    )
    if not study.photos("catch"):
        console.print("note: there are too few photographs for catch trials, so careless raters will not be found")


def print_results(results: Results, console: Console) -> None:
    """Show the rates of models and pictures, and the raters who failed catch trials."""
    if not results.raters:
        console.print("no votes yet")
        return
    models = _table("model", "votes", "fooled", "rate", "95% (Wilson)", "95% (bootstrap)", "votes", "clustered")
    for one in results.models:
        both = [(one.model, one.kept), (f"{one.model}, all raters", one.everybody)]
        for name, rate in both if results.left_out else both[:1]:
            if rate.share is None:
                models.add_row(escape(name), "0", "0")
                continue
            ends = span(rate.wilson), span(rate.bootstrap)
            needed = f"{rate.needed:,}", f"{rate.needed_clustered:,}"
            models.add_row(escape(name), str(rate.votes), str(rate.fooled), percent(rate.share), *ends, *needed)
    console.print(models)
    console.print(
        f"[dim]the last two: votes for ±{results.precision:.0%}, if all were independent, and as these scatter[/dim]"
    )
    pictures = _table("picture", "model", "votes", "fooled", "rate", "95% (Wilson)")
    for picture in results.pictures:
        if picture.votes:
            share = percent(picture.fooled / picture.votes)
            numbers = str(picture.votes), str(picture.fooled), share, span(picture.wilson)
            pictures.add_row(escape(picture.photo), escape(picture.model), *numbers)
    console.print()
    console.print(pictures)
    console.print()
    failed = [rater for rater in results.raters if rater.failed]
    for rater in failed:
        out = ": left out of the rates" if rater.left_out else ""
        console.print(f"rater {rater.number} failed {rater.failed} of {rater.catches} catch trials{out}")
    console.print(of_raters(len(results.raters), results.left_out, results.max_failed))


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        is_text = title in ("picture", "model")
        table.add_column(title, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_text)
    return table
