"""`zoo run --devices N`: the same command line again, once per device, through torchrun."""

from __future__ import annotations

import subprocess
import sys


def launch(devices: int) -> int:
    """Run this process's own command line in several processes on this machine; return their exit code."""
    arguments = _without_devices(sys.argv[1:])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
    process = subprocess.Popen([*torchrun, "-m", "zoo", *arguments])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The terminal has told them too; they finish their step and save.
            continue


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
