"""Copies of this process in the place of new ones, each of which would import torch and more for four seconds.

What only a new process shows has tests of its own: what it imports, and where from.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import zoo_unet
from forking import Forking
from torch.distributed import TCPStore

from zoo import registry
from zoo.cli.main import main
from zoo.testing import apart

_FORK = multiprocessing.get_context("fork")
_OWN = Path(zoo_unet.__file__).parents[1]


class Copy:
    """A copy of this process that calls a function, and leads a session of its own.

    Args:
        function: what it does. The copy's exit code is 0 when it returns, that of a SystemExit, or 1 after an error.
        args: what the function is given.
        variables: of its environment, beside those of this process.
    """

    def __init__(self, function: Callable[..., object], *args: Any, **variables: str) -> None:
        # What every run imports, with its first optimizer for one: here, and not in each copy.
        for name in ("torch._dynamo", "zoo.training"):
            importlib.import_module(name)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = _FORK.Process(target=self._begin, args=(function, args, variables))
        self._process.start()
        assert self._process.pid
        self.pid: int = self._process.pid

    def _begin(self, function: Callable[..., object], args: tuple[Any, ...], variables: dict[str, str]) -> None:
        os.setsid()
        os.environ.update({"OMP_NUM_THREADS": "1", **variables})
        torch.set_num_threads(1)
        for number in (1, 2):
            os.dup2(self._output.fileno(), number)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        registry.get.cache_clear()
        apart.multiprocessing = Forking()
        function(*args)

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        return self._process.exitcode

    def said(self) -> str:
        """Return what it has said up to now."""
        # Not by `read`: where the file is read is where the copy writes.
        return os.pread(self._output.fileno(), os.fstat(self._output.fileno()).st_size, 0).decode(errors="replace")

    def wait(self, timeout: float = 300) -> str:
        """Wait for its end, and return what it said. What does not end is killed, and an error."""
        self._process.join(timeout)
        ended = self.poll() is not None
        if not ended:
            self._process.kill()
            self._process.join()
        said = self.said()
        self._output.close()
        assert ended, f"it takes too long\n{said}"
        return said


def zoo_copy(*words: str, **variables: str) -> Copy:
    """Run `zoo` in a copy of this process."""
    return Copy(zoo, *words, **variables)


def zoo(*words: str) -> None:
    """Be the command `zoo`, in a copy."""
    sys.argv = ["zoo", *words]
    main()


def both(function: Callable[..., object], *args: Any) -> tuple[list[int | None], list[str]]:
    """Call a function in two copies that are told of each other as torchrun tells its processes.

    Returns their exit codes, and what each said.
    """
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    meeting = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    copies = [Copy(function, *args, RANK=rank, LOCAL_RANK=rank, WORLD_SIZE="2", **meeting) for rank in ("0", "1")]
    said = [copy.wait() for copy in copies]
    return [copy.poll() for copy in copies], said


def see(site: Path) -> None:
    """Let this process, a copy, see what is installed in a folder as if it had seen that from its beginning."""
    sys.path.insert(1, str(site))
    for name, module in list(sys.modules.items()):
        # Another test may have had another one of this name.
        if name.startswith("zoo_") and not Path(getattr(module, "__file__", None) or "").is_relative_to(_OWN):
            del sys.modules[name]
    registry.get.cache_clear()
