"""What people see in the terminal, or in a notebook."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from zoo.cli.album_bar import AlbumBar
from zoo.cli.console import make_console
from zoo.cli.notebook import LiveOutput, LivePicture
from zoo.cli.scan_bar import ScanBar
from zoo.events import Alarm, Status
from zoo.training.callbacks import Callback

if TYPE_CHECKING:
    from zoo.colorize.album import Outcome
    from zoo.registry import Part
    from zoo.registry.offers import Component
    from zoo.registry.options import Option
    from zoo.run import Run
    from zoo.training.assembly import Assembly

_PLAIN_EVERY = 10.0
"""Seconds between lines where there is no terminal to redraw."""
_BAR, _LEAST_BAR = 24, 8
"""Characters of a run's bar, and of the shortest one that says anything."""
_LEAST_TEXT = 24
"""Characters that a column of sentences has, at least; with less, the sentences stand below what they belong to."""


class Display(Callback):
    """Shows a run: a live bar in a terminal, that and the newest samples in a notebook, plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or make_console(dispensable=True)
        self._stack = ExitStack()
        self._live: Live | LiveOutput | None = None
        self._samples = LivePicture() if self.console.is_jupyter else None
        self._printed = 0.0
        self._scan = ScanBar(self.console)
        self._stack.callback(self._scan.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def on_scan(self, done: int, total: int | None) -> None:
        self._scan(done, total)

    def on_start(self, run: Run, assembly: Assembly, step: int) -> None:
        self._scan.close()
        print_assembly(assembly, self.console)
        stop = "interrupting the kernel" if self.console.is_jupyter else "Ctrl-C"
        self._print(f"run          {run.path}  ({stop} stops and saves)\n")
        self.show_live("first step …")

    def show_live(self, words: str) -> None:
        """Begin the live line, in a terminal or a notebook."""
        shown = _bar(0.0, words, self.console)
        if self.console.is_jupyter:
            self._live = LiveOutput(self.console.width)
            self._live.update(shown)
            self._stack.callback(self._live.flush)
        elif self.console.is_terminal:
            self._live = self._stack.enter_context(Live(shown, console=self.console, transient=True))

    def live(self, status: Status) -> RenderableType:
        """Return what moves: how far the run is, and how it goes."""
        place, details = _in_words(status)
        return Group(_bar(status.progress, place, self.console), Text(details))

    def on_step(self, status: Status) -> None:
        if self._live is not None:
            self._live.update(self.live(status))
        elif time.monotonic() - self._printed > _PLAIN_EVERY:
            self._printed = time.monotonic()
            place, details = _in_words(status)
            self._print(f"{status.progress:4.0%}  {place} | {details}")

    def on_validation(self, step: int, metrics: dict[str, float], grey: dict[str, float], picture: Path) -> None:
        # What rounding leaves of nothing is nothing.
        greys = {name: f" (grey {round(value, 4) + 0.0:.3g})" for name, value in grey.items()}
        words = "  ".join(f"{name} {round(value, 4) + 0.0:.3g}{greys.get(name, '')}" for name, value in metrics.items())
        # Not as the other lines, which a terminal breaks anywhere: between words, so that numbers are whole.
        self.console.print(f"step {step}, validation:  {words}", markup=False)
        if self._samples is not None:
            self._samples.update(picture)

    def on_alarm(self, alarm: Alarm) -> None:
        self.console.print(Text.assemble((f"alarm: step {alarm.step}: ", "bold red"), str(alarm)), soft_wrap=True)

    def on_message(self, message: str) -> None:
        self._print(f"note: {message}")

    def on_end(self, run: Run, state: str) -> None:
        self._stack.close()
        self._print(f"\n{state}: {run.path}")
        if run.model.is_file():
            self._print(f"model    {run.model}")
        if samples := sorted(run.samples.glob("*.png")):
            self._print(f"samples  {samples[-1]}  (grey | coloured | original)")
        if state != "finished":
            if any(run.checkpoints.glob("step-*")):
                self._print(f"go on with: {own_command()} resume {shlex.quote(str(run.path))}")
        elif run.model.is_file():
            model = shlex.quote(str(run.path))
            self._print(f"use it:  {own_command()} colorize PHOTO… --model {model} -o coloured/")

    def _print(self, text: str) -> None:
        # Paths may hold what would be markup.
        self.console.print(text, soft_wrap=True, markup=False)


def own_command() -> str:
    """Return what calls this zoo from the working folder: its name if the PATH leads here, else where it lies."""
    script = Path(sys.executable).with_name("zoo")
    found = shutil.which("zoo")
    if not script.is_file() or (found and script.samefile(found)):
        return "zoo"
    return shlex.quote(os.path.relpath(script) if script.is_relative_to(Path.cwd()) else str(script))


def print_assembly(assembly: Assembly, console: Console | None = None) -> None:
    """Say what was assembled."""
    from zoo.training.assembly import describe

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for name, text in describe(assembly):
        table.add_row(f"[bold]{name}[/bold]", escape(text))
    (console or make_console()).print(table)


def print_dry_run(losses: dict[str, float]) -> None:
    """Say that one step worked."""
    words = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
    make_console().print(f"\neverything fits together; the losses of one step:  {words}")


def print_component(part: Part, size: int) -> None:
    """Show a component's options and, of a network, what it costs."""
    import inspect

    from zoo.cost import describe_cost
    from zoo.registry.options import options_of

    console, component = make_console(), part.component
    if component.kind == "model":
        print_model(component)
        return
    factory = component.factory()
    console.print(f"[bold]{component.kind} {component.name}[/bold]: {escape(component.summary)}")
    console.print(f"plugin {component.plugin} of {component.distribution} {component.version}, {component.target}")
    if component.kind == "loss":
        console.print(f"weight {component.weight:g} in a sum where none is written")
    description = inspect.getdoc(factory) or ""
    text = description.split("Args:")[0].strip()
    if text:
        console.print(f"\n{escape(text)}")
    options = options_of(factory, component.kind)
    if options:
        console.print()
        console.print(_options(options, console.width))
    if component.kind in ("generator", "critic"):
        given = part.brief.partition(":")[2]
        cost = describe_cost(component.kind, part.make(size=size, restoring=True), size)
        console.print(f"\n{f'with {escape(given)} ' if given else ''}{cost}")


def _options(options: Sequence[Option], width: int) -> RenderableType:
    """Show options as a table; in a narrow terminal, each with its description below."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    rows = [(option.name, option.type, option.default, option.description) for option in options]
    whole = sum(2 + max(len(row[column]) for row in rows) for column in (0, 2))
    if whole + 2 * _LEAST_TEXT > width:
        shown: list[RenderableType] = []
        for name, kind, default, description in rows:
            shown += [Text.assemble((name, "bold"), f"  {kind}; default: {default}"), _below(description)]
        return Group(*shown)
    for title in ("option", "type", "default", ""):
        table.add_column(title, overflow="fold", no_wrap=title in ("option", "default"))
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _below(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 4))


def print_model(component: Component) -> None:
    """Show what a model says of its training, and its card."""
    from zoo.model import describe_model
    from zoo.registry.models import packaged_file

    console, file = make_console(), packaged_file(component, component.target)
    console.print(f"[bold]{component.kind} {component.name}[/bold]: {escape(component.summary)}")
    console.print(f"plugin {component.plugin} of {component.distribution} {component.version}, {component.target}")
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in describe_model(file):
        table.add_row(f"[bold]{name}[/bold]", escape(text))
    console.print()
    console.print(table)
    if (card := file.with_suffix(".md")).is_file():
        console.print(f"\n{escape(card.read_text(encoding='utf-8', errors='replace').strip())}")


def print_album(outcomes: Iterable[Outcome], total: int, out: Path | str) -> int:
    """Say what becomes of each photograph, and at the end of all; return how many failed."""
    console, errors = make_console(), make_console(stderr=True)
    start = time.monotonic()
    done = failed = skipped = 0
    with AlbumBar(console, total) as bar:
        for outcome in outcomes:
            done += 1
            skipped += outcome.skipped
            if outcome.error:
                failed += 1
                # Above the bar, where there is one.
                bar.above(errors, f"[dim]{done}/{total}[/dim] [red]failed[/red] {escape(outcome.error)}")
            elif total == 1 and not outcome.skipped:
                # Where a terminal breaks the line, it breaks the path.
                about = f"{outcome.width}×{outcome.height}, {outcome.seconds:.1f} s"
                console.print(f"{about}  {escape(str(outcome.job.target))}", soft_wrap=True)
            bar.show(done, skipped)
    seconds = time.monotonic() - start
    before = f", {skipped} done before" if skipped else ""
    coloured = done - failed - skipped
    speed = f" ({coloured / seconds:.1f}/s)" if coloured > 1 and seconds > 0 else ""
    console.print(f"{coloured} coloured in {escape(str(out))}{before}, {failed} failed, {seconds:.1f} s{speed}")
    return failed


def _bar(progress: float, place: str, console: Console) -> RenderableType:
    """Show how far a run is: a bar as long as there is room for, or none, the share, and the place in words."""
    words = Text(f"{progress:4.0%} {place}")
    room = min(_BAR, console.width - cell_len(words.plain) - 1)
    if room < _LEAST_BAR:
        return words
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_row(ProgressBar(1.0, progress, width=room), words)
    return line


def _in_words(status: Status) -> tuple[str, str]:
    left = status.seconds * (1 / status.progress - 1) if status.progress else 0.0
    losses = " ".join(f"{name} {value:.3g}" for name, value in status.losses.items())
    return (
        f"step {status.step}, epoch {status.epoch:.1f}, {_clock(left)} left",
        f"{losses} | {status.images_per_second:.1f} images/s, {status.memory / 2**30:.1f} GiB",
    )


def _clock(seconds: float) -> str:
    minutes = int(seconds) // 60
    return f"{minutes // 60}:{minutes % 60:02}:{int(seconds) % 60:02}"
