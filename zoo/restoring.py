"""A model's generator, or its critic, made again from what its file says of it. The file may be anybody's."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from zoo import registry
from zoo.critics import make_critic
from zoo.errors import UsageError, ZooError
from zoo.files import quoted
from zoo.memory import out_of_memory
from zoo.recipe import Recipe
from zoo.registry import Part
from zoo.registry.requirements import how_to_install

_SPARE = 2**24
"""Parameters that a factory may make and throw away, such as a classifier's head."""

About: TypeAlias = dict[str, Any]
Shapes: TypeAlias = dict[str, tuple[int, ...]]


class _TooLargeError(ZooError):
    """A network has more parameters than it may have."""


def make_generator(path: Path, about: About, recipe: Recipe, shapes: Shapes) -> nn.Module:
    """Make the generator that the recipe names, if the file has all of its tensors and no others.

    A few words in a small file may ask for a network of any size. So it is first made without memory for its numbers,
    and compared with the file.

    Args:
        path: the file.
        about: what it says of itself.
        recipe: of which.
        shapes: of its tensors, by name.

    Raises:
        ZooError: its plugin is missing, or the generator is another one than it was.
    """
    parts = _parts(path, about, recipe, "generator")
    return _made(path, about, parts, partial(parts[0].make, size=recipe.size, restoring=True), recipe, shapes)


def make_critic_again(path: Path, about: About, recipe: Recipe, shapes: Shapes) -> nn.Module:
    """Make the critic that the recipe names, or several in one, as `make_generator` makes a generator."""
    parts = _parts(path, about, recipe, "critic")
    return _made(path, about, parts, partial(make_critic, parts), recipe, shapes)


def _made(
    path: Path, about: About, parts: Sequence[Part], make: Callable[[], Any], recipe: Recipe, shapes: Shapes
) -> nn.Module:
    limit: AbstractContextManager[None] = nullcontext()
    try:
        with torch.device("meta"):
            outline = make().state_dict()
    except ZooError:
        # Its factory needs numbers to compute with. If something else is wrong, it shows when it gets them.
        limit = _at_most(_SPARE + 4 * sum(map(math.prod, shapes.values())))
    else:
        _check_fits(path, about, parts, outline, shapes)
    try:
        with limit:
            network: nn.Module = make()
    except _TooLargeError:
        raise _misfit(path, about, parts, "it has many more parameters") from None
    except ZooError as error:
        if (cause := error.__cause__) is not None and out_of_memory(cause):
            raise cause from None
        raise _needs(path, about, recipe, parts[0].component.kind, error) from None
    _check_fits(path, about, parts, network.state_dict(), shapes)
    if any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers())):
        component = parts[0].component
        raise ZooError(f"{path} cannot be loaded: {component} keeps tensors of one {component.kind} for the next")
    return network


def _parts(path: Path, about: About, recipe: Recipe, what: Literal["generator", "critic"]) -> list[Part]:
    """Find what the network is made of: one part, or one of each of several critics."""
    known = registry.get()
    try:
        terms: Sequence[Any] = [recipe.generator] if what == "generator" else known.terms("critic", recipe.critic)
        # Of several: critics+mine. What cannot be a plugin's name must not get into a message.
        said = about[what]["plugin"].split("+")
        plugins = [name if re.fullmatch(r"[\w.-]+", name) else None for name in said]
        if len(plugins) != len(terms):
            plugins = [None] * len(terms)
        parts = [known.part(what, term, plugin) for term, plugin in zip(terms, plugins, strict=True)]
        for part in parts:
            _ = part.values
    except UsageError as error:
        raise _needs(path, about, recipe, what, error) from None
    return parts


def _needs(path: Path, about: About, recipe: Recipe, what: str, error: ZooError) -> ZooError:
    component, text = about[what], getattr(recipe, what)
    asked = quoted(text)
    # The error repeats what the file says: that must be harmless.
    reason = str(error) if asked == text else f"it cannot be made as {asked}"
    return ZooError(
        f"{path} needs the {what} {quoted(component['name'])} of the plugin {quoted(component['plugin'])}"
        f": {how_to_install(component['distribution'], component['version'])} ({reason})"
    )


@contextmanager
def _at_most(parameters: int) -> Iterator[None]:
    """Make no networks with more parameters than that. They are counted when they have a place and no numbers yet.

    Raises:
        _TooLargeError: one had more.
    """
    thread, left = threading.get_ident(), parameters

    def count(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        if threading.get_ident() == thread and parameter is not None:
            left -= parameter.numel()
            if left < 0:
                raise _TooLargeError("it has too many parameters")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _check_fits(path: Path, about: About, parts: Sequence[Part], state: Mapping[str, Tensor], shapes: Shapes) -> None:
    wrong = [name for name, tensor in state.items() if shapes.get(name) != tuple(tensor.shape)]
    wrong += [name for name in shapes if name not in state]
    if wrong:
        known = len(state.keys() | shapes.keys())
        raise _misfit(path, about, parts, f"{len(wrong)} of {known} tensors, the first is {quoted(wrong[0])}")


def _misfit(path: Path, about: About, parts: Sequence[Part], how: str) -> ZooError:
    what = parts[0].component.kind
    component = about[what]
    installed = " and ".join(dict.fromkeys(f"{part.component.distribution} {part.component.version}" for part in parts))
    return ZooError(
        f"the weights in {path} do not fit {quoted(about['recipe'][what])} ({how}); they were saved with "
        f"{quoted(component['distribution'])} {quoted(component['version'])}, installed is {installed}"
    )


def check_numbers(path: Path, generator: nn.Module) -> None:
    """See that a generator's weights are numbers.

    Raises:
        ZooError: some are not.
    """
    state = generator.state_dict()
    wrong = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if wrong:
        raise ZooError(
            f"{path} cannot colour anything: its weights are not numbers ({len(wrong)} of {len(state)} tensors, the "
            f"first is {quoted(wrong[0])}); use a model that was saved before its training failed"
        )
