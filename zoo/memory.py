"""When memory runs out: how the libraries say so, and what to tell people instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zoo.errors import ZooError

_WORDS = (
    "can't allocate memory",  # torch's allocator for the CPU
    "Cannot allocate memory",  # the system
    "could not create a primitive",  # oneDNN, which computes convolutions on a CPU
    "CUDA error: out of memory",  # CUDA's runtime
    "_STATUS_ALLOC_FAILED",  # cuDNN and cuBLAS
    "out of memory error",  # Pillow's decoders
    "failed to map segment",  # a library that is loaded
)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, says that memory ran out."""
    # torch is not imported for its class, which others look up that have not imported it either.
    has_class = any(kind.__name__ in ("MemoryError", "OutOfMemoryError") for kind in type(error).__mro__)
    cause = error.__cause__
    return has_class or any(words in str(error) for words in _WORDS) or (cause is not None and out_of_memory(cause))


@contextmanager
def memory_for(what: str, advice: str) -> Iterator[None]:
    """Say what was under way if memory runs out, and what to do.

    Args:
        what: what the memory is for, to stand after "not enough memory ", such as "to load a.safetensors".
        advice: what to do instead.

    Raises:
        ZooError: memory ran out.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ZooError) or not out_of_memory(error):
            raise
        raise ZooError(f"not enough memory {what}: {advice}") from error
