"""What plugins offer: components and commands, known by name and import string, imported when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from zoo.errors import UsageError, ZooError, one_line
from zoo.registry.contracts import Kind, Range


@dataclass(frozen=True)
class Offer:
    """What a plugin offers: enough to list it without importing it."""

    name: str
    target: str
    summary: str
    plugin: str
    distribution: str
    version: str

    @property
    def qualified(self) -> str:
        """The name that stays unambiguous where two plugins offer the same: `plugin/name`."""
        return f"{self.plugin}/{self.name}"

    def load(self) -> Any:
        """Import it. This is where torch and the rest come in.

        Raises:
            ZooError: the plugin's module cannot be imported, or lacks the attribute.
        """
        from pkgutil import resolve_name

        try:
            return resolve_name(self.target)
        except Exception as error:
            raise ZooError(
                f"{self} of plugin {self.plugin} ({self.distribution} {self.version}) cannot be imported from "
                f"{self.target}: {one_line(error)}"
            ) from error


@dataclass(frozen=True)
class Component(Offer):
    """A component that a plugin registered."""

    kind: Kind
    weight: float = 1.0
    adversarial: bool = False
    best: Literal["lowest", "highest"] = "lowest"
    healthy: Mapping[str, Range] = field(default_factory=dict, hash=False)
    """Of a metric, the range of each number, as shares of the originals'; by an empty name where there is one number.
    """
    critic: str = ""
    """Of a model, where the file of its critic is; `target` says where its own is."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def factory(self) -> Callable[..., Any]:
        """Import the factory.

        Raises:
            UsageError: it is a model, which is a file.
            ZooError: it cannot be imported, or cannot be called.
        """
        if self.kind == "model":
            raise UsageError(f"{self} is made already: it has no options")
        factory = self.load()
        if not callable(factory):
            raise ZooError(f"{self} of plugin {self.plugin}: {self.target} cannot be called, so it makes nothing")
        result: Callable[..., Any] = factory
        return result

    def broken(self, problem: str) -> ZooError:
        """Return the error that says that it does not do what its contract says, in the words of `zoo check`."""
        return ZooError(
            f"{self} of the plugin {self.plugin} ({self.distribution} {self.version}) breaks its contract: {problem} "
            f"(`zoo check {self.qualified}` shows what else)"
        )


@dataclass(frozen=True)
class Command(Offer):
    """A subcommand that a plugin adds: a function, or a `typer.Typer` with subcommands of its own."""

    def __str__(self) -> str:
        return f"command {self.name}"
