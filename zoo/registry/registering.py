"""What plugins' hooks are handed: it takes down what they offer. See `zoo.registry.hookspecs`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from zoo.registry.contracts import Kind, Range
from zoo.registry.offers import Command, Component

NAME = re.compile(r"[A-Za-z0-9_.-]+")
"""What plugins and what they offer may be called, so that `plugin/name` can be typed."""


_ATTRIBUTE = re.compile(r"[\w.]+:[\w.]+")
_FILE = re.compile(r"[\w.]+:[\w-][\w.-]*(/[\w-][\w.-]*)*\.safetensors")


def _check_offer(what: str, name: str, target: str, known: bool) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(f"{what} {name!r}: a name is made of letters, digits, '-', '_' and '.'")
    form, words = (_FILE, "package:file.safetensors") if what == "model" else (_ATTRIBUTE, "package.module:attribute")
    if not form.fullmatch(target):
        raise ValueError(f"{what} {name!r}: its target {target!r} is not of the form {words}")
    if known:
        raise ValueError(f"{what} {name!r} is registered twice")


class Registration:
    """What a plugin's `zoo_components` is handed. See `zoo.registry.hookspecs.Register`."""

    def __init__(self, plugin: str, distribution: str, version: str) -> None:
        self.components: list[Component] = []
        self._source = (plugin, distribution, version)

    def generator(self, name: str, target: str, *, summary: str) -> None:
        self._add("generator", name, target, summary)

    def critic(self, name: str, target: str, *, summary: str) -> None:
        self._add("critic", name, target, summary)

    def loss(self, name: str, target: str, *, summary: str, weight: float = 1.0, adversarial: bool = False) -> None:
        self._add("loss", name, target, summary, weight=weight, adversarial=adversarial)

    def dataset(self, name: str, target: str, *, summary: str) -> None:
        self._add("dataset", name, target, summary)

    def augmentation(self, name: str, target: str, *, summary: str) -> None:
        self._add("augmentation", name, target, summary)

    def optimizer(self, name: str, target: str, *, summary: str) -> None:
        self._add("optimizer", name, target, summary)

    def metric(
        self,
        name: str,
        target: str,
        *,
        summary: str,
        best: Literal["lowest", "highest"] = "lowest",
        healthy: Range | Mapping[str, Range] | None = None,
    ) -> None:
        ranges = dict(healthy) if isinstance(healthy, Mapping) else {} if healthy is None else {"": healthy}
        for low, high in ranges.values():
            if not low < 1 < high:
                raise ValueError(
                    f"metric {name!r}: healthy from {low:g} to {high:g} leaves out 1, which stands for the originals"
                )
        self._add("metric", name, target, summary, best=best, healthy=ranges)

    def tracker(self, name: str, target: str, *, summary: str) -> None:
        self._add("tracker", name, target, summary)

    def model(self, name: str, target: str, *, summary: str, critic: str = "") -> None:
        if critic and not _FILE.fullmatch(critic):
            raise ValueError(f"model {name!r}: its critic {critic!r} is not of the form package:file.safetensors")
        self._add("model", name, target, summary, critic=critic)

    def _add(self, kind: Kind, name: str, target: str, summary: str, **more: Any) -> None:
        _check_offer(kind, name, target, any(c.kind == kind and c.name == name for c in self.components))
        self.components.append(Component(name, target, summary, *self._source, kind, **more))


class CommandRegistration:
    """What a plugin's `zoo_commands` is handed. See `zoo.registry.hookspecs.Commands`."""

    def __init__(self, plugin: str, distribution: str, version: str) -> None:
        self.commands: list[Command] = []
        self._source = (plugin, distribution, version)

    def add(self, name: str, target: str, *, summary: str) -> None:
        _check_offer("command", name, target, any(c.name == name for c in self.commands))
        if name.startswith("-"):
            raise ValueError(f"command {name!r}: it would be taken for an option")
        self.commands.append(Command(name, target, summary, *self._source))
