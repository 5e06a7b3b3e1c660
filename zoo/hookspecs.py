"""The whole contract between zoo and its plugins.

A plugin is a module that an entry point of the group `zoo` names. It imports nothing heavy; it names its
components by import string, and zoo imports them when a run asks for them.

    from zoo import Register, hookimpl

    @hookimpl
    def zoo_components(register: Register) -> None:
        register.critic("tiny", "my_package.critic:tiny", summary="Two convolutions, for experiments")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    # pluggy ships its markers untyped in effect: a decorated hook would lose its signature under mypy --strict.
    from collections.abc import Callable
    from typing import TypeVar

    _F = TypeVar("_F", bound=Callable[..., object])

    def hookimpl(function: _F) -> _F:
        """Mark a function as the implementation of the hook of the same name."""

    def hookspec(function: _F) -> _F:
        """Mark a function as the specification of a hook."""

else:
    hookspec = pluggy.HookspecMarker("zoo")
    hookimpl = pluggy.HookimplMarker("zoo")


class Register(Protocol):
    """Takes the components that one plugin offers.

    `name` is what people type (letters, digits, `-`, `_` and `.`); `target` is where the factory is, as
    `package.module:attribute`; `summary` is one line for `zoo list`. What the factories must return, and the
    keywords that zoo passes them beside their options, is in `zoo.contracts`.
    """

    def generator(self, name: str, target: str, *, summary: str) -> None:
        """Offer a generator: lightness -> chroma."""

    def critic(self, name: str, target: str, *, summary: str) -> None:
        """Offer a critic: (lightness, chroma) -> logits."""

    def loss(self, name: str, target: str, *, summary: str, weight: float = 1.0, adversarial: bool = False) -> None:
        """Offer a loss: over (fake, real) pictures, or, if `adversarial`, over a critic's logits.

        `weight` is its factor in a sum where none is written.
        """

    def dataset(self, name: str, target: str, *, summary: str) -> None:
        """Offer a data set of photographs."""


class Commands(Protocol):
    """Takes the subcommands that one plugin adds to `zoo`."""

    def add(self, name: str, target: str, *, summary: str) -> None:
        """Add a subcommand.

        `name` is what people type after `zoo`; `target` is where it is, as `package.module:attribute`: a function with
        Typer's annotations, or a `typer.Typer` with subcommands. It is imported when it is called, and no sooner.
        `summary` is its line in `zoo --help`.
        """


@hookspec
def zoo_components(register: Register) -> None:
    """Offer components, by name and import string."""


@hookspec
def zoo_commands(commands: Commands) -> None:
    """Add subcommands to `zoo`, by name and import string."""
