"""A plugin-based model zoo for colorization GANs."""

from zoo.hookspecs import Register, hookimpl

__all__ = ["Register", "hookimpl"]
