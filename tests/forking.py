"""`zoo check` with a copy of its own process in the place of a new one, which would import torch for seconds."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Forking:
    """Stands for `multiprocessing` in zoo.testing.apart."""

    def get_context(self, _: str) -> Forking:
        self._context = multiprocessing.get_context("fork")
        return self

    def Pipe(self) -> tuple[Connection, Connection]:  # noqa: N802
        self._ours, theirs = self._context.Pipe()
        return self._ours, theirs

    def Process(self, target: Callable[..., None], args: tuple[Any, ...]) -> Any:  # noqa: N802
        def run(*args: Any) -> None:
            self._ours.close()  # the copy's, which otherwise would not hear that nobody is there any more
            target(*args)

        return self._context.Process(target=run, args=args)
