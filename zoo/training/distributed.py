"""Several processes that train one model together: one per GPU, on one machine or many.

Started by torchrun (which `zoo run --devices N` calls) or by SLURM; both say in the environment who is who. Without
either there is one process, and everything here does nothing.
"""

from __future__ import annotations

import inspect
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from zoo.errors import UsageError

T = TypeVar("T")
_meetings = itertools.count()


@dataclass(frozen=True)
class Distributed:
    """This process's place among all."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """Its number on this machine."""

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    @property
    def gpu(self) -> int:
        """The number of its GPU among those that it sees; SLURM may show each process nothing but its own."""
        return 0 if torch.cuda.device_count() == 1 else self.local_rank

    def device(self, wanted: str) -> str:
        """Return the device of this process: each has a GPU of its own.

        Raises:
            UsageError: one GPU by name, for several processes.
        """
        if self.world_size == 1:
            return wanted
        if wanted.startswith("cuda:"):
            raise UsageError(f"--device {wanted}: {self.world_size} processes have a GPU each; write --device cuda")
        there = torch.cuda.is_available()
        return f"cuda:{self.gpu}" if wanted == "cuda" or (wanted == "auto" and there) else wanted

    def batch_per_process(self, batch: int) -> int:
        """Return how many images of a batch are this process's.

        Raises:
            UsageError: it cannot be divided.
        """
        if batch % self.world_size:
            raise UsageError(f"--batch {batch} cannot be divided by {self.world_size} processes")
        return batch // self.world_size

    def sync_batch_norm(self, network: nn.Module) -> nn.Module:
        """Make batch norm see the whole batch instead of this process's share of it.

        Raises:
            UsageError: the processes have no GPUs; torch's SyncBatchNorm runs on nothing else.
        """
        if self.world_size == 1:
            return network
        if not torch.cuda.is_available():
            raise UsageError("sync_batch_norm=true: torch has it on CUDA only; leave it out, or use norm=instance")
        synchronized: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return synchronized

    def average_buffers(self, network: nn.Module) -> None:
        """Give all processes the same buffers, such as batch norm's running statistics: the mean of theirs."""
        if self.world_size == 1:
            return
        self.average(buffer for buffer in network.buffers() if buffer.is_floating_point())

    def wrap(self, network: nn.Module) -> nn.Module:
        """Make backward passes average the gradients over all processes."""
        if self.world_size == 1:
            return network
        # Buffers: the critic is called twice before its backward pass, which sending them at each call would break.
        # torch 2.15 has another name for them.
        known = inspect.signature(DistributedDataParallel).parameters
        buffers: Any = {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}
        return DistributedDataParallel(network, gradient_as_bucket_view=True, **buffers)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def average(self, values: Iterable[Tensor]) -> None:
        """Replace values by their means over all processes."""
        for value in values:
            # In this order, as DistributedDataParallel does.
            self.sum(value.div_(self.world_size))

    def smallest(self, number: int, device: torch.device) -> int:
        """Return the smallest of all processes' numbers."""
        if self.world_size == 1:
            return number
        box = torch.tensor(number, device=device)
        dist.all_reduce(box, dist.ReduceOp.MIN)
        return int(box)

    def agree(self, stop: bool, progress: float, device: torch.device) -> tuple[bool, float]:
        """Settle whether to stop (if anybody was asked to) and how far the run is (by the first one's clock)."""
        if self.world_size == 1:
            return stop, progress
        # On the device that the backend sends from.
        both = self.sum(
            torch.tensor([float(stop), progress if self.is_main else 0.0], dtype=torch.float64, device=device)
        )
        stopping, progress = both.tolist()
        return stopping > 0, progress

    def from_main(self, value: T) -> T:
        """Return what the first process has here."""
        if self.world_size == 1:
            return value
        box: list[Any] = [value]
        dist.broadcast_object_list(box)
        result: T = box[0]
        return result


@contextmanager
def unsynchronized(*networks: nn.Module | None) -> Iterator[None]:
    """Add gradients up without averaging them yet."""
    with ExitStack() as stack:
        for network in networks:
            if isinstance(network, DistributedDataParallel):
                stack.enter_context(network.no_sync())
        yield


def peer_died(error: BaseException) -> bool:
    """Whether it says that another process of the run cannot be reached any more; gloo has no class of its own."""
    return isinstance(error, dist.DistError) or "/gloo/" in str(error)


@contextmanager
def joined(device: str) -> Iterator[Distributed]:
    """Meet the other processes, if the environment speaks of any, and part from them at the end.

    Args:
        device: as in a recipe.
    """
    place = _place()
    if place.world_size == 1:
        yield place
        return
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        torch.cuda.set_device(place.gpu)
    store, _, _ = next(rendezvous("env://", place.rank, place.world_size))
    # What they told each other for a run before, in the same processes, must not be taken for this one's.
    store = dist.PrefixStore(f"zoo-{next(_meetings)}", store)  # type: ignore[attr-defined]
    backend = "nccl" if on_gpu else "gloo"
    dist.init_process_group(backend, store=store, rank=place.rank, world_size=place.world_size)
    try:
        yield place
    finally:
        dist.destroy_process_group()


def _place() -> Distributed:
    environment = os.environ
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return Distributed(
            int(environment["RANK"]), int(environment["WORLD_SIZE"]), int(environment.get("LOCAL_RANK", "0"))
        )
    # Of the step, not of the job: in a batch script outside of srun there is one process.
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        environment.setdefault("MASTER_ADDR", _first_host(environment.get("SLURM_STEP_NODELIST", "localhost")))
        # The same for every process of a job, and another for another job on the same machines.
        environment.setdefault("MASTER_PORT", str(20000 + int(environment.get("SLURM_JOB_ID", "0")) % 20000))
        return Distributed(
            int(environment["SLURM_PROCID"]),
            int(environment["SLURM_STEP_NUM_TASKS"]),
            int(environment["SLURM_LOCALID"]),
        )
    return Distributed()


def _first_host(nodes: str) -> str:
    """Return the first of SLURM's list: gpu[03-05,7],other -> gpu03."""
    match = re.match(r"([^,\[]+)(?:\[(\w+))?", nodes)
    return (match[1] + (match[2] or "")) if match else "localhost"
