"""Albums as Ray tasks, a few photographs each. What is done, the ledger among the results knows, and nobody else."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    from zoo_ray.addresses import Far

    _Told = tuple[float, int, int, str | None, bool, int]

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
    out: Path | str,
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
    machines must see the model at the same path, and photographs and results at the same paths or addresses.

    Args:
        model: what gives them their colours.
        jobs: from `zoo.colorize.plan`; or from `zoo_ray.addresses.plan_far`, all of them.
        out: the folder of the results, where the ledgers are; with `plan_far`, its address or path as text.
        overwrite: see `zoo.colorize.colorize_all`.
        size: likewise.
        saturation: likewise.
        seed: likewise.
        address: of a cluster that runs; without it, Ray is started here, and stopped at the end.
        workers: processes, where it is started here; by default one for each core.
        together: photographs of a task.

    Raises:
        UsageError: an address is in the memory of one process.
        ZooError: Ray cannot be started or found, or the ledgers at an address cannot be read.
    """
    from zoo.colorize import Job, Outcome
    from zoo_ray.addresses import Far, is_address, known_lines

    places_named = [out, *(job.address for job in jobs if isinstance(job, Far))]
    if near := next((place for place in places_named if str(place).startswith("memory:")), None):
        raise UsageError(f"{near} is in the memory of one process, and Ray has several")

    session = f"ray-{secrets.token_hex(6)}"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    os.environ.setdefault("RAY_DISABLE_DOCKER_CPU_WARNING", "1")
    ray: Any = import_module("ray")
    local = {"num_cpus": workers, "object_store_memory": _STORE, "include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error", **({} if address else local))
    except Exception as error:  # whatever Ray raises
        raise ZooError(f"Ray cannot be {'found' if address else 'started'}: {one_line(error)}") from error
    try:
        settings = {"overwrite": overwrite, "size": size, "saturation": saturation, "seed": seed}
        name = model.text if model.component is not None else str((model.folder or model.file).absolute())
        digest, parts = sha256_of(model.file), range(0, len(jobs), together)
        if isinstance(out, Path):
            # Where the driver stands is not where the workers do.
            rooted = [Job(job.source.absolute(), job.target.absolute(), job.page, job.name) for job in jobs]
            colour: Any = _colour
            given: list[tuple[Any, ...]] = [(rooted[at : at + together], out.absolute(), settings) for at in parts]
        else:
            out = out if is_address(out) else str(Path(out).absolute())
            known, colour = known_lines(out), _colour_far
            given = list[tuple[Any, ...]]()
            for at in parts:
                some = jobs[at : at + together]
                lines = [line for job in some for line in known.get(job.target.as_posix(), ())]
                given.append((some, out, settings, lines, f"{session}-{at}"))
        # A task that is lost with its process is tried again, here, for it has to know that it is; what it raises
        # itself is its answer.
        task = ray.remote(num_cpus=1, max_retries=0)(colour)

        places = dict[Any, tuple[int, int]]()

        def begin(part: int, attempt: int = 0) -> None:
            places[task.remote(name, digest, *given[part], attempt)] = part, attempt

        for part in range(len(given)):
            begin(part)
        while places:
            ready, _ = ray.wait(list(places), num_returns=1)
            for reference in ready:
                part, attempt = places.pop(reference)
                some = jobs[parts[part] : parts[part] + together]
                try:
                    found = ray.get(reference)
                except Exception as error:  # of Ray's, or of zoo's in a worker
                    if isinstance(error, _lost(ray)) and attempt < _ATTEMPTS:
                        begin(part, attempt + 1)
                        continue
                    cause = getattr(error, "cause", None) or error
                    why = str(cause) if isinstance(cause, ZooError) else one_line(cause)
                    yield from (Outcome(job, 0.0, error=f"{job.source}: {why}") for job in some)
                    continue
                for job, (seconds, width, height, problem, skipped, pages) in zip(some, found, strict=True):
                    yield Outcome(job, seconds, width, height, problem, skipped, pages)
    finally:
        ray.shutdown()
        for left in Path(tempfile.gettempdir()).glob(f"zoo-{session}-*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)


def _colour(
    name: str, digest: str, jobs: Sequence[Job], out: Path, settings: Mapping[str, Any], _attempt: int
) -> list[_Told]:
    """Colour some photographs, in a process of Ray's."""
    from zoo.colorize import Ledger, colorize_all

    model = _model(name, digest)
    out.mkdir(parents=True, exist_ok=True)
    # Of a process that is lost, the ledger stays behind, and is read by the one that takes its place.
    ledger = Ledger(out, f"ray-{socket.gethostname()}-{os.getpid()}")
    return _told(colorize_all(model, jobs, ledger=ledger, **settings))


def _colour_far(
    name: str, digest: str, jobs: Sequence[Far], out: str, settings: Mapping[str, Any], lines: Sequence[bytes],
    part: str, attempt: int,
) -> list[_Told]:  # fmt: skip
    """Likewise, of photographs that have addresses."""
    from zoo_ray.addresses import colorize_far

    return _told(colorize_far(_model(name, digest), jobs, out, settings, lines, part, attempt))


def _told(outcomes: Iterable[Outcome]) -> list[_Told]:
    return [(one.seconds, one.width, one.height, one.error, one.skipped, one.pages) for one in outcomes]


def _lost(ray: Any) -> tuple[type[Exception], ...]:
    """What is raised where a process or a machine went away."""
    errors = ray.exceptions
    return (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.LocalRayletDiedError)


@lru_cache(maxsize=1)
def _model(name: str, digest: str) -> Model:
    from zoo.model import load_model

    model = load_model(name)
    if model.mark.sha256 != digest:
        raise ZooError(f"the model {name} is another one on {socket.gethostname()}: install or copy the same")
    return model
