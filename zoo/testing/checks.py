"""Which checks make up the contract of which kind, and running them.

A check returns a sentence about what it found, or a `Note` where that is no failure but worth knowing; it raises where
the contract is broken. Whatever else it raises is the component's failure, too.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from zoo import registry
from zoo.errors import UsageError, ZooError, one_line
from zoo.registry.contracts import Kind
from zoo.registry.offers import Component
from zoo.registry.options import check_options
from zoo.testing import augmentations, datasets, factories, losses, metrics, models, networks, optimizers, trackers
from zoo.testing.losses import is_adversarial
from zoo.testing.report import IMPORT, SIZE, Report, Result, header
from zoo.testing.subject import CPU, Check, ContractError, Note, Subject, short

FACTORY: tuple[Check, ...] = (factories.docstring, factories.options_described, factories.options_round_trip)
REGISTERED: tuple[Check, ...] = (factories.summary, factories.light_entry)
NETWORK: tuple[Check, ...] = (
    networks.network_made,
    networks.output_shapes,
    networks.precision,
    networks.gradients,
    networks.batch_of_one,
    networks.batch_independent,
    networks.extreme_input,
    networks.deterministic,
    networks.graphs_released,
    networks.saved_and_restored,
    networks.copied,
    networks.unbounded,
    networks.compiled,
    networks.cost,
)
IMAGE_LOSS: tuple[Check, ...] = (
    losses.loss_made,
    losses.scalar,
    losses.gradients_of_fake,
    losses.identical_pictures,
    losses.extreme_pictures,
    losses.deterministic_loss,
    losses.repeated_calls,
    losses.restored,
    losses.steps,
    losses.graphs_released,
)
ADVERSARIAL_LOSS: tuple[Check, ...] = (
    losses.sides,
    losses.signs,
    losses.bfloat16_logits,
    losses.extreme_logits,
    losses.penalty,
    losses.repeated_calls,
    losses.restored,
    losses.steps,
    losses.graphs_released,
)
DATASET: tuple[Check, ...] = (
    datasets.dataset_made,
    datasets.photographs,
    datasets.same_photograph,
    datasets.splits,
    datasets.worker,
    datasets.fingerprint,
    datasets.fingerprint_elsewhere,
)
AUGMENTATION: tuple[Check, ...] = (
    augmentations.augmentation_made,
    augmentations.windows,
    augmentations.draws,
    augmentations.pictures_kept,
    augmentations.each_by_itself,
    augmentations.same_picture,
    augmentations.loaded_elsewhere,
)
OPTIMIZER: tuple[Check, ...] = (
    optimizers.optimizer_made,
    optimizers.learns,
    optimizers.learning_rate,
    optimizers.without_gradient,
    optimizers.skipped,
    optimizers.resumed,
    optimizers.averages,
)
METRIC: tuple[Check, ...] = (
    metrics.metric_made,
    metrics.number,
    metrics.originals,
    metrics.same_number,
    metrics.one_by_one,
)
TRACKER: tuple[Check, ...] = (trackers.tracker_made, trackers.whole_run)
MODEL: tuple[Check, ...] = (models.model_loads, models.colours, models.critic, models.card)
CONTRACTS: dict[Kind, tuple[Check, ...]] = {
    "generator": NETWORK,
    "critic": NETWORK,
    "loss": IMAGE_LOSS,
    "dataset": DATASET,
    "augmentation": AUGMENTATION,
    "optimizer": OPTIMIZER,
    "metric": METRIC,
    "tracker": TRACKER,
    "model": MODEL,
}
"""The first makes the component; without it, the others are not tried. If a loss turns out to be an adversarial one,
they are those of `ADVERSARIAL_LOSS`."""


class Watcher:
    """Hears of checks as they are made, one by one."""

    def __init__(self, done: Collection[str] = ()) -> None:
        """`done` are checks that are not made, since they were made before."""
        self.done = done

    def begins(self, check: str, essential: bool) -> None:
        """A check begins. Without one that is `essential`, no other can be made."""

    def found(self, result: Result) -> None:
        """It has ended."""


NOBODY = Watcher()


def report_on(
    component: Component,
    options: Mapping[str, str],
    *,
    device: torch.device = CPU,
    size: int = SIZE,
    watcher: Watcher = NOBODY,
) -> Report:
    """Check a registered component, with options as typed.

    Raises:
        UsageError: an option is unknown, missing or of another type.
    """
    report = header(component, options)
    watcher.begins(IMPORT, True)
    try:
        subject = subject_of(component, options, device, size)
    except UsageError:
        raise
    except ZooError as error:
        report.results.append(Result(IMPORT, "failed", short(str(error))))
        watcher.found(report.results[-1])
        return report
    report.results.extend(run(subject, watcher=watcher))
    return report


def report_on_defaults(component: Component, *, device: torch.device, size: int, watcher: Watcher = NOBODY) -> Report:
    """Check a registered component with its default options, as far as it has them."""
    try:
        return report_on(component, {}, device=device, size=size, watcher=watcher)
    except UsageError as error:
        result = Result("options", "noted", f"not tried: {error}")
    watcher.found(result)
    return Report(component.kind, component.name, f"plugin {component.plugin}", [result])


def report_on_any(kind: Kind, component: str | Callable[..., Any], options: Mapping[str, Any]) -> Report:
    """Check one component, given by name or by its factory. See `zoo.testing.check_generator`."""
    if not isinstance(component, str):
        subject = Subject(kind, component, options)
        return Report(kind, getattr(component, "__name__", str(component)), component.__module__, run(subject))
    if options:
        raise UsageError(f"write the options into the text, as in {component}:{next(iter(options))}=…")
    known = registry.get()
    if kind == "model" and not known.named(component, kind):
        # A file, or a folder with one in it.
        return Report(kind, component, "a file", run(Subject(kind, models.opener(component), {})))
    spec = known.read(kind, component)
    return report_on(known.find(kind, spec.name), spec.options)


def subject_of(component: Component, options: Mapping[str, str], device: torch.device, size: int) -> Subject:
    """Return a registered component as a subject, with options as typed.

    Raises:
        UsageError: an option is unknown, missing or of another type.
        ZooError: its module cannot be imported.
    """
    if component.kind == "model" and not options:
        return Subject(component.kind, models.opener(component.qualified), {}, component, device, size)
    factory = component.factory()
    values = check_options(factory, component.kind, options, str(component))
    return Subject(component.kind, factory, values, component, device, size)


def run(subject: Subject, leave_out: Sequence[Check] = (), watcher: Watcher = NOBODY) -> list[Result]:
    """Run all checks of a component's contract. Where it cannot be made, the rest is not tried."""
    results: list[Result] = []

    def make(check: Check, essential: bool = False) -> None:
        name = _name(check)
        if check in leave_out or name in watcher.done:
            return
        watcher.begins(name, essential)
        results.append(_try(check, subject))
        watcher.found(results[-1])

    with torch.random.fork_rng([subject.device] if subject.device.type == "cuda" else []):
        for check in (*(() if subject.kind == "model" else FACTORY), *(REGISTERED if subject.component else ())):
            make(check)
        made, *others = CONTRACTS[subject.kind]
        make(made, essential=True)
        if not results or results[-1].check != _name(made) or results[-1].verdict != "failed":
            if subject.kind == "loss" and is_adversarial(subject.made):
                others = list(ADVERSARIAL_LOSS)
            for check in others:
                make(check)
    return results


def _name(check: Check) -> str:
    return check.__name__.replace("_", " ")


def _try(check: Check, subject: Subject) -> Result:
    name = _name(check)
    try:
        message = check(subject)
    except (ContractError, ZooError) as error:
        return Result(name, "failed", short(str(error)))
    except (Exception, SystemExit) as error:
        return Result(name, "failed", short(one_line(error)) + _place(error, subject.factory))
    return Result(name, "noted" if isinstance(message, Note) else "passed", message)


def _place(error: BaseException, factory: Callable[..., Any]) -> str:
    """Say where in the component's own file it happened: " (critic.py, line 12)"."""
    file = sys.modules[factory.__module__].__file__
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""
