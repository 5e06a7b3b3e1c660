"""The contract as checks, for authors of plugins: `zoo check` on the command line, `check_critic` and so on in a test.

    from zoo.testing import check_critic

    def test_contract() -> None:
        check_critic("my-critic:width=4")

Neither torch nor pytest is imported before a check runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zoo.testing.report import SIZE, Report, Result
from zoo.testing.temporary import registered

if TYPE_CHECKING:
    from zoo.registry import Registry
    from zoo.registry.contracts import Kind
    from zoo.registry.offers import Component
    from zoo.registry.spec import Spec

__all__ = [
    "Report",
    "Result",
    "check_augmentation",
    "check_critic",
    "check_dataset",
    "check_generator",
    "check_loss",
    "check_metric",
    "check_model",
    "check_optimizer",
    "check_tracker",
    "examine",
    "registered",
]


def examine(
    text: str, kind: Kind | None = None, *, device: str = "cpu", size: int = SIZE, timeout: float | None = None
) -> Iterator[Report]:
    """Check a component, or all components of a plugin.

    Args:
        text: a component's name, with options if you like, or a plugin's name.
        kind: the component's kind, where the name alone does not say it.
        device: where networks and losses are tried: auto, cuda, cuda:1, mps or cpu.
        size: side of the pictures that they are tried on, in pixels.
        timeout: seconds that one check may take. With it, the checks are made in a process of their own: one that
            kills it, or never ends, is a failed row, and the others go on. As everywhere with multiprocessing, a script
            that asks for it needs `if __name__ == "__main__":`.

    Raises:
        UsageError: there is neither, the name means several, or the options are wrong.
        ZooError: the plugin is broken.
    """
    tasks = _tasks(text, kind)
    # From here on torch is needed; what was wrong until here was said without waiting for it.
    if timeout is not None:
        from zoo.testing.apart import examine_apart

        return examine_apart(tasks, device=device, size=size, timeout=timeout)
    from zoo.device import pick_device
    from zoo.testing.checks import report_on, report_on_defaults

    place = pick_device(device)
    if len(tasks) == 1 and (options := tasks[0][1]) is not None:
        return iter([report_on(tasks[0][0], options, device=place, size=size)])
    return (report_on_defaults(component, device=place, size=size) for component, _ in tasks)


def _tasks(text: str, kind: Kind | None) -> list[tuple[Component, Mapping[str, str] | None]]:
    """Find a component with its options, or those of a plugin, with None for their default options."""
    from zoo import registry
    from zoo.errors import UsageError
    from zoo.registry.spec import parse

    known = registry.get()
    spec = parse(text)
    kinds = sorted({component.kind for component in known.named(spec.name, kind)})
    if len(kinds) > 1:
        raise UsageError(f"{spec.name!r} is a {' and a '.join(kinds)}: say which with --kind")
    if kinds:
        return [(known.find(kinds[0], spec.name), spec.options)]
    return [(component, None) for component in _offered_by(known, spec, kind)]


def check_generator(generator: str | Callable[..., Any], /, **options: Any) -> None:
    """Check a generator against its contract.

    Args:
        generator: its name, with options if you like, as `zoo run` takes it; or its factory.
        options: the factory's options, as values. With a name they are part of the text.

    Raises:
        AssertionError: a check failed; the message lists all that did.
        UsageError: there is no such component, or an option is wrong.
    """
    _demand("generator", generator, options)


def check_critic(critic: str | Callable[..., Any], /, **options: Any) -> None:
    """Check a critic against its contract; otherwise as `check_generator`."""
    _demand("critic", critic, options)


def check_loss(loss: str | Callable[..., Any], /, **options: Any) -> None:
    """Check a loss, over pictures or over logits, against its contract; otherwise as `check_generator`."""
    _demand("loss", loss, options)


def check_dataset(dataset: str | Callable[..., Any], /, **options: Any) -> None:
    """Check a data set against its contract; otherwise as `check_generator`."""
    _demand("dataset", dataset, options)


def check_augmentation(augmentation: str | Callable[..., Any], /, **options: Any) -> None:
    """Check an augmentation against its contract; otherwise as `check_generator`."""
    _demand("augmentation", augmentation, options)


def check_optimizer(optimizer: str | Callable[..., Any], /, **options: Any) -> None:
    """Check an optimizer against its contract, on a small network; otherwise as `check_generator`."""
    _demand("optimizer", optimizer, options)


def check_metric(metric: str | Callable[..., Any], /, **options: Any) -> None:
    """Check a metric against its contract; otherwise as `check_generator`."""
    _demand("metric", metric, options)


def check_model(model: str | Callable[..., Any], /) -> None:
    """Check a trained model, by its name, the path of its file or a run's folder; otherwise as `check_generator`."""
    _demand("model", model, {})


def check_tracker(tracker: str | Callable[..., Any], /, **options: Any) -> None:
    """Check a tracker against its contract, with a run that is made up; otherwise as `check_generator`."""
    _demand("tracker", tracker, options)


def _offered_by(known: Registry, spec: Spec, kind: Kind | None) -> list[Component]:
    from zoo.errors import UsageError, ZooError
    from zoo.suggest import did_you_mean

    plugin = next((plugin for plugin in known.plugins if plugin.name == spec.name), None)
    if plugin is None:
        names = [*(c.name for c in known.select(kind=kind)), *(p.name for p in known.plugins)]
        what = f"{kind or 'component'} or plugin {spec.name!r}"
        raise UsageError(f"there is no {what}{did_you_mean(spec.name, names)}")
    if spec.options:
        raise UsageError(f"{spec.name} is a plugin, which has no options: name one of its components")
    if plugin.error is not None:
        raise ZooError(f"plugin {plugin.name} ({plugin.distribution} {plugin.version}) is broken: {plugin.error}")
    offered = [component for component in plugin.components if kind in (None, component.kind)]
    if not offered:
        raise UsageError(f"plugin {plugin.name} offers no {kind or 'component'}")
    return offered


def _demand(kind: Kind, component: str | Callable[..., Any], options: dict[str, Any]) -> None:
    from zoo.testing.checks import report_on_any

    report = report_on_any(kind, component, options)
    if report.failures:
        lines = [f"  {result.check}: {result.message}" for result in report.failures]
        raise AssertionError("\n".join([f"{kind} {report.spec}: {len(lines)} checks failed", *lines]))
