"""What people see in the terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from zoo.cli.console import make_console
from zoo.cli.scan_bar import ScanBar
from zoo.events import Status
from zoo.training.callbacks import Callback

if TYPE_CHECKING:
    from zoo.colorize.album import Outcome
    from zoo.registry import Part
    from zoo.run import Run
    from zoo.testing import Report
    from zoo.training.assembly import Assembly

_PLAIN_EVERY = 10.0
"""Seconds between lines where there is no terminal to redraw."""


class Display(Callback):
    """Shows a run: a live bar in a terminal, plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or make_console(dispensable=True)
        self._stack = ExitStack()
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._live: Live | None = None
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
        self._print(f"run          {run.path}  (Ctrl-C stops and saves)\n")
        if self.console.is_terminal:
            columns = (BarColumn(24), TextColumn("{task.percentage:3.0f}%"), TextColumn("{task.description}"))
            self._bar = Bar(*columns, console=self.console)
            self._task = self._bar.add_task("first step …", total=1.0)
            self._live = self._stack.enter_context(Live(self._bar, console=self.console, transient=True))

    def on_step(self, status: Status) -> None:
        place, details = _in_words(status)
        if self._bar is not None and self._live is not None:
            self._bar.update(self._task, completed=status.progress, description=place)
            self._live.update(Group(self._bar, details))
        elif time.monotonic() - self._printed > _PLAIN_EVERY:
            self._printed = time.monotonic()
            self._print(f"{status.progress:4.0%}  {place} | {details}")

    def on_validation(self, step: int, metrics: dict[str, float], grey: dict[str, float], picture: Path) -> None:
        words = "  ".join(f"{name} {value:.3g} (grey {grey[name]:.3g})" for name, value in metrics.items())
        self._print(f"step {step}, validation:  {words}")

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
    make_console().print(f"\neverything fits together; the losses of one step:  {words}", soft_wrap=True)


def print_component(part: Part, size: int) -> None:
    """Show a component's options and, of a network, what it costs."""
    import inspect

    from zoo.cost import describe_cost
    from zoo.registry.options import options_of

    console, component = make_console(), part.component
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
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(1, 2, 0, 0))
        table.padding = (0, 2, 0, 0)
        for column in ("option", "type", "default", ""):
            table.add_column(column, overflow="fold")
        for option in options:
            table.add_row(option.name, escape(option.type), escape(option.default), escape(option.description))
        console.print()
        console.print(table)
    if component.kind in ("generator", "critic"):
        given = part.brief.partition(":")[2]
        cost = describe_cost(component.kind, part.make(size=size, restoring=True), size)
        console.print(f"\n{f'with {escape(given)} ' if given else ''}{cost}")


def print_report(report: Report) -> None:
    """Show what the checks of a component found."""
    console = make_console()
    console.print(f"[bold]{report.kind} {escape(report.spec)}[/bold] of {escape(report.source)}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    styles = {"passed": "green", "failed": "red", "noted": "yellow"}
    for result in report.results:
        style = styles[result.verdict]
        table.add_row(f"  {result.check}", f"[{style}]{result.verdict}[/{style}]", escape(result.message))
    console.print(table)


def print_verdict(reports: Sequence[Report]) -> None:
    """Say how many checks of all components passed."""
    found = Counter(result.verdict for report in reports for result in report.results)
    words = [f"{found['passed']} passed", f"{found['failed']} failed", f"{found['noted']} noted"]
    make_console().print(f"[bold]{', '.join(words)}[/bold]")


def print_album(outcomes: Iterable[Outcome], total: int, out: Path) -> int:
    """Say what becomes of each photograph, and at the end of all; return how many failed."""
    console, errors = make_console(), make_console(stderr=True)
    start = time.monotonic()
    done = failed = 0
    for outcome in outcomes:
        done += 1
        place = f"[dim]{done}/{total}[/dim]"
        if outcome.error:
            failed += 1
            errors.print(f"{place} [red]failed[/red] {escape(outcome.error)}", soft_wrap=True)
        else:
            console.print(
                f"{place} {escape(str(outcome.job.target))}  {outcome.width}×{outcome.height}, {outcome.seconds:.1f} s",
                soft_wrap=True,
            )
    seconds = time.monotonic() - start
    console.print(f"{done - failed} coloured in {escape(str(out))}, {failed} failed, {seconds:.1f} s", soft_wrap=True)
    return failed


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
