"""The whole contract between zoo and its plugins.

A plugin is a module that an entry point of the group `zoo` names. It imports nothing heavy; it names its
components by import string, and zoo imports them when a run asks for them.

    from zoo import Register, hookimpl

    @hookimpl
    def zoo_components(register: Register) -> None:
        register.critic("tiny", "my_package.critic:tiny", summary="Two convolutions, for experiments")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import pluggy

if TYPE_CHECKING:
    # pluggy ships its markers untyped in effect: a decorated hook would lose its signature under mypy --strict.
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import TypeVar

    from zoo.events import Alarm, RunInfo, Status
    from zoo.registry.contracts import Range

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
    keywords that zoo passes them beside their options, is in `zoo.registry.contracts`.
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

    def augmentation(self, name: str, target: str, *, summary: str) -> None:
        """Offer an augmentation of training pictures."""

    def optimizer(self, name: str, target: str, *, summary: str) -> None:
        """Offer an optimizer: what moves a network's weights along their gradients."""

    def metric(
        self,
        name: str,
        target: str,
        *,
        summary: str,
        best: Literal["lowest", "highest"] = "lowest",
        healthy: Range | Mapping[str, Range] | None = None,
    ) -> None:
        """Offer a metric over validation images. `best` says which of two values is the better one.

        `healthy` is a range, such as (0.15, 2), as shares of what the metric says of the originals themselves: a run
        whose pictures leave it may be collapsing. Of a metric that returns several numbers, it is given by name.
        """

    def tracker(self, name: str, target: str, *, summary: str) -> None:
        """Offer a tracker: an object whose methods implement events, for the runs that ask for it (`--track`)."""

    def model(self, name: str, target: str, *, summary: str, critic: str = "") -> None:
        """Offer a trained model: a file that zoo saved, in a package of the plugin's distribution.

        `target` is where it is, as `package:model.safetensors`, and so is `critic`, where the critic comes along that
        it was trained with. What stands beside the model under its name with `.md` is its card.
        """


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


OFFERS = frozenset({"zoo_components", "zoo_commands"})
"""The hooks that are no events."""


@hookspec
def zoo_run_started(run: RunInfo, step: int) -> None:
    """Follow a run from here on. `step` were taken before: 0, or those up to a resumed run's checkpoint.

    `run.request_stop(reason)`, here and in every other event, asks it to stop at its next step, as Ctrl-C does.
    """


@hookspec
def zoo_step(run: RunInfo, status: Status) -> None:
    """Hear of the losses and the speed, every 10 steps."""


@hookspec
def zoo_metrics(run: RunInfo, step: int, metrics: Mapping[str, float], grey: Mapping[str, float]) -> None:
    """Hear of the validation metrics, by their names; `grey` has those of leaving the photographs grey."""


@hookspec
def zoo_samples(run: RunInfo, step: int, picture: Path) -> None:
    """Hear of a PNG file with validation images: grey | coloured | original."""


@hookspec
def zoo_checkpoint_saved(run: RunInfo, step: int, checkpoint: Path) -> None:
    """Hear of a checkpoint that is on the disk, in a folder; newer ones may take its place later."""


@hookspec
def zoo_alarm(run: RunInfo, step: int, message: str, alarm: Alarm | None) -> None:
    """Hear of something that people should know of. `alarm` is the number that left its healthy range, if one did."""


@hookspec
def zoo_run_ended(run: RunInfo, step: int, state: str) -> None:
    """Hear of the end: finished, interrupted or failed."""
