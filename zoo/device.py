"""Which device, and which precision on it."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from pathlib import Path

import torch
from torch import nn

from zoo.errors import UsageError

# From malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_CGROUP = Path("/sys/fs/cgroup")


def pick_device(wanted: str) -> torch.device:
    """Return the device that a recipe names; `auto` takes CUDA before MPS before the CPU.

    Raises:
        UsageError: it is not there.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", wanted):
        raise UsageError(f"--device {wanted}: write auto, cuda, cuda:1, mps or cpu")
    device = torch.device(wanted)
    if device.type == "cuda":
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= there:
            has = f"{there} CUDA device{'s' * (there != 1)}" if there else "no CUDA device"
            raise UsageError(f"--device {wanted}: torch {torch.__version__} sees {has} here; write --device auto")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError(f"--device mps: torch {torch.__version__} sees no Apple GPU here; write --device auto")
    return device


def pick_dtype(wanted: str, device: torch.device, network: nn.Module) -> torch.dtype:
    """Return what networks compute in: bfloat16 where it was asked for, or where the hardware is fast at it.

    `auto` keeps a generator with depthwise convolutions (the mobile encoders) in float32 on a CPU, whose kernels for
    them are two to three times as slow in bfloat16.
    """
    if wanted == "auto":
        slow = device.type == "cpu" and any(_is_depthwise(module) for module in network.modules())
        wanted = "bf16" if _fast_at_bf16(device) and not slow else "float32"
    return torch.bfloat16 if wanted == "bf16" else torch.float32


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1


def pick_memory_format(device: torch.device) -> torch.memory_format:
    """Return the layout that convolutions are fastest in: channels-last, except on MPS, which has one layout."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def keep_freed_memory(device: torch.device) -> None:
    """Keep memory that tensors on the CPU gave back, instead of returning it to the system and asking again.

    A training step frees and takes again about as much as it works on, and glibc returns large blocks to the
    system, which clears each page before it hands it out again. The setting is the whole process's; where the C library
    is another one, nothing happens.
    """
    if device.type == "cpu" and platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)  # the most that it takes
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def count_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pick_workers(wanted: int | None, device: torch.device) -> int:
    """Return the number of loader processes: one beside a CPU that trains, more to feed a GPU.

    Processes that torchrun started on one machine share its cores.
    """
    if wanted is not None:
        return wanted
    cores = count_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device.type == "cpu":
        return max(0, min(1, cores - 1))
    return min(8, max(1, cores - 1))


def describe_device(device: torch.device) -> str:
    """Name a device for people."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} thread{'s' * (threads != 1)})" if device.type == "cpu" else str(device)


def memory_in_use(device: torch.device) -> int:
    """Return the peak of the device's memory in bytes; on a CPU, what the process holds now."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    import psutil

    return int(psutil.Process().memory_info().rss)


def free_memory(device: torch.device) -> int:
    """Return how many bytes of memory are to be had on a device; on a CPU, within the container's limit."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((_CGROUP / name).read_text() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):
        # No container, or one without a limit ("max").
        return free


def compiles(wanted: str, device: torch.device) -> bool:
    """Whether networks go through torch.compile: `auto` does so on CUDA, where it was made for, `max` everywhere."""
    return wanted == "max" or (wanted == "auto" and device.type == "cuda")


def captures(wanted: str, device: torch.device) -> bool:
    """Whether a whole training step becomes a CUDA graph."""
    return wanted == "max" and device.type == "cuda"


def _fast_at_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Without the instructions, bfloat16 is emulated and slower than float32.
        return any(
            getattr(torch.cpu, check, bool)() for check in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        )
    return False
