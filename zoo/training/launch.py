"""`zoo run --devices N`: the same command line again, once per device, through torchrun."""

from __future__ import annotations

import logging
import os
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from zoo.device import count_cores
from zoo.errors import INTERRUPTED


def launch(devices: int) -> int:
    """Run this process's own command line in several processes on this machine; return their exit code."""
    arguments = ["--standalone", f"--nproc-per-node={devices}", "-m", "zoo", *_without_devices(sys.argv[1:])]
    # torchrun would give each process one thread, and say so.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, count_cores() // devices)))
    # What it says of signals is what zoo says, too; errors are said.
    for part in ("agent.server.api", "multiprocessing.api"):
        logging.getLogger(f"torch.distributed.elastic.{part}").setLevel(logging.ERROR)
    try:
        run(parse_args(arguments))  # type: ignore[no-untyped-call]
    except SignalException:
        # It has passed the signal on, and waited for them to finish their step and save.
        return INTERRUPTED
    except ChildFailedError as error:
        return max(1, error.get_first_failure()[1].exitcode)
    return 0


def _without_devices(arguments: list[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--devices":
            skip = True
        elif not argument.startswith("--devices="):
            kept.append(argument)
    return kept
