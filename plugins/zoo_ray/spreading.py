"""Albums as Ray tasks, a few photographs each. What is done, the ledger among the results knows, and nobody else."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError, ZooError, one_line
from zoo.files import sha256_of

if TYPE_CHECKING:
    from zoo.colorize import Job, Outcome
    from zoo.model import Model
    from zoo.registry.models import ModelSource

TOGETHER = 16
"""Photographs of one task: what is begun anew when a machine is lost, but for those that are done."""
_ATTEMPTS = 5
_STORE = 100 * 2**20  # bytes: nothing but names and outcomes goes through Ray's store


def check_installed() -> None:
    """See that Ray is there.

    Raises:
        UsageError: it is not.
    """
    if find_spec("ray") is None:
        raise UsageError("ray is not installed: pip install ray")


def spread(
    model: ModelSource,
    jobs: Sequence[Job],
    out: Path,
    *,
    overwrite: bool = False,
    size: int | None = None,
    saturation: float = 1.0,
    seed: int = 0,
    address: str | None = None,
    workers: int | None = None,
    together: int = TOGETHER,
) -> Iterator[Outcome]:
    """Colour photographs by Ray; yield what became of each as it comes. One that fails does not stop the others.

    Where a process or a machine is lost, its photographs are given to another, which skips those that are done. All
    machines must see the photographs, the model and the results at the same paths.

    Args:
        model: what gives them their colours.
        jobs: from `zoo.colorize.plan`.
        out: the folder of the results, where the ledgers are.
        overwrite: see `zoo.colorize.colorize_all`.
        size: likewise.
        saturation: likewise.
        seed: likewise.
        address: of a cluster that runs; without it, Ray is started here, and stopped at the end.
        workers: processes, where it is started here; by default one for each core.
        together: photographs of a task.

    Raises:
        ZooError: Ray cannot be started or found.
    """
    from zoo.colorize import Job, Outcome

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    ray: Any = import_module("ray")
    local = {"num_cpus": workers, "object_store_memory": _STORE, "include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error", **({} if address else local))
    except Exception as error:  # whatever Ray raises
        raise ZooError(f"Ray cannot be {'found' if address else 'started'}: {one_line(error)}") from error
    try:
        # Where the driver stands is not where the workers do.
        rooted = [Job(job.source.absolute(), job.target.absolute(), job.page, job.name) for job in jobs]
        settings = {"overwrite": overwrite, "size": size, "saturation": saturation, "seed": seed}
        name = model.text if model.component is not None else str((model.folder or model.file).absolute())
        # A task that is lost with its process is tried again; what it raises itself is its answer.
        task = ray.remote(num_cpus=1, max_retries=_ATTEMPTS)(_colour)
        digest, folder = sha256_of(model.file), out.absolute()
        places = {
            task.remote(name, digest, rooted[first : first + together], folder, settings): first
            for first in range(0, len(jobs), together)
        }
        while places:
            ready, _ = ray.wait(list(places), num_returns=1)
            for reference in ready:
                first = places.pop(reference)
                some = jobs[first : first + together]
                try:
                    found = ray.get(reference)
                except Exception as error:  # of Ray's, or of zoo's in a worker
                    cause = getattr(error, "cause", None) or error
                    why = str(cause) if isinstance(cause, ZooError) else one_line(cause)
                    yield from (Outcome(job, 0.0, error=f"{job.source}: {why}") for job in some)
                    continue
                for job, (seconds, width, height, problem, skipped, pages) in zip(some, found, strict=True):
                    yield Outcome(job, seconds, width, height, problem, skipped, pages)
    finally:
        ray.shutdown()


def _colour(
    name: str, digest: str, jobs: Sequence[Job], out: Path, settings: Mapping[str, Any]
) -> list[tuple[float, int, int, str | None, bool, int]]:
    """Colour some photographs, in a process of Ray's."""
    from zoo.colorize import Ledger, colorize_all

    model = _model(name, digest)
    out.mkdir(parents=True, exist_ok=True)
    # Of a process that is lost, the ledger stays behind, and is read by the one that takes its place.
    ledger = Ledger(out, f"ray-{socket.gethostname()}-{os.getpid()}")
    outcomes = colorize_all(model, jobs, ledger=ledger, **settings)
    return [(one.seconds, one.width, one.height, one.error, one.skipped, one.pages) for one in outcomes]


@lru_cache(maxsize=1)
def _model(name: str, digest: str) -> Model:
    from zoo.model import load_model

    model = load_model(name)
    if model.mark.sha256 != digest:
        raise ZooError(f"the model {name} is another one on {socket.gethostname()}: install or copy the same")
    return model
