"""Errors of a run in words: what torch and the system say in tracebacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zoo.data.feed import loader_died
from zoo.device import describe_device
from zoo.errors import BrokenContractError, UsageError, ZooError, one_line
from zoo.files import explain_os_error
from zoo.memory import out_of_memory
from zoo.training.assembly import Assembly
from zoo.training.distributed import peer_died


def reason_of(error: BaseException) -> str:
    """Say an error in one line."""
    if isinstance(error, OSError):
        return explain_os_error(error)
    return str(error) if isinstance(error, ZooError) else one_line(error)


@contextmanager
def explained(assembly: Assembly) -> Iterator[None]:
    """Raise errors of zoo's own in place of those that a person can do something about.

    Raises:
        UsageError: the recipe asks for something impossible.
        ZooError: memory or the disk ran out, or another process ended.
    """
    recipe = assembly.recipe
    try:
        yield
    except BrokenContractError as error:
        raise assembly.plan.generator.component.broken(str(error)) from error
    except (RuntimeError, MemoryError) as error:
        if peer_died(error):
            raise ZooError("another of the run's processes ended, and this one cannot go on without it") from error
        if loader_died(error):
            raise ZooError(
                "a process that loads photographs was killed, as happens where memory runs out: write workers = 0 into "
                "the run's recipe.toml, and resume it"
            ) from error
        if not out_of_memory(error):
            raise
        raise ZooError(
            f"{describe_device(assembly.device)} has not enough memory for a step with one image of "
            f"{recipe.size}×{recipe.size} pixels: use a smaller --size, a smaller generator, or --memory low"
        ) from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error) or isinstance(error, ZooError):
            raise
        raise UsageError(
            f"batch norm cannot learn from one value per channel: --batch {recipe.batch} at --size {recipe.size} "
            "leaves no more in the innermost level; use a larger one"
        ) from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ZooError(f"{place}{explain_os_error(error)}") from error
