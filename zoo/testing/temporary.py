"""Components and hooks that zoo knows for the length of a test, without a package that is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Protocol

from zoo import registry
from zoo.registry.contracts import Kind
from zoo.registry.hookspecs import Register, hookimpl
from zoo.registry.plugins import ADDED

parked = SimpleNamespace()
"""Factories that have no place of their own to be imported from, such as a function within a test."""


class Add(Protocol):
    """Has zoo know one more component."""

    def __call__(self, kind: Kind, name: str, target: str | Callable[..., Any], /, **about: Any) -> None:
        """Register a component.

        Args:
            kind: its kind.
            name: what to type for it.
            target: its factory, or as `package.module:attribute` where that is; of a model, where its file is.
            about: what the method of `zoo.Register` for this kind takes beside them. A summary may be left out.
        """


@contextmanager
def registered(**hooks: object) -> Iterator[Add]:
    """Have zoo know components and hooks for as long as the block lasts, in this process and in those forked from it.

        with registered() as add:
            add("loss", "blur", Blur, weight=50)
            dry_run(find_recipe("demo", loss="l1+adv+blur"))

    Args:
        hooks: by the names of the plugins that they shall be: modules, or objects with methods, that implement hooks,
            each marked `@hookimpl`.

    Raises:
        ValueError: a plugin of such a name is registered already.
    """
    offers = _Offers()
    own = "test" if "test" not in ADDED else f"test-{len(ADDED)}"
    if twice := sorted({own, *hooks} & ADDED.keys()) or [own] * (own in hooks):
        raise ValueError(f"a plugin {twice[0]!r} is registered already")
    ADDED.update({own: offers, **hooks})
    registry.get.cache_clear()
    try:
        yield offers.add
    finally:
        for name in (own, *hooks):
            del ADDED[name]
        offers.forget()
        registry.get.cache_clear()


class _Offers:
    """The hooks of a plugin that offers what it was told to."""

    def __init__(self) -> None:
        self._offers: list[tuple[Kind, str, str, dict[str, Any]]] = []
        self._parked: list[str] = []

    def add(self, kind: Kind, name: str, target: str | Callable[..., Any], /, **about: Any) -> None:
        place = target if isinstance(target, str) else self._place(target)
        self._offers.append((kind, name, place, {"summary": f"The {kind} of a test", **about}))
        registry.get.cache_clear()

    @hookimpl
    def zoo_components(self, register: Register) -> None:
        for kind, name, target, about in self._offers:
            getattr(register, kind)(name, target, **about)

    def forget(self) -> None:
        for name in self._parked:
            delattr(parked, name)

    def _place(self, factory: Callable[..., Any]) -> str:
        place = import_string(factory)
        if place:
            return place
        name = f"factory_{id(factory)}"
        setattr(parked, name, factory)
        self._parked.append(name)
        return f"{__name__}:parked.{name}"


def import_string(factory: Callable[..., Any]) -> str:
    """Return from where a factory can be imported, `package.module:attribute`; "" where it cannot."""
    from pkgutil import resolve_name

    place = f"{getattr(factory, '__module__', '')}:{getattr(factory, '__qualname__', '')}"
    try:
        return place if resolve_name(place) is factory else ""
    except (ImportError, AttributeError, ValueError):
        return ""
