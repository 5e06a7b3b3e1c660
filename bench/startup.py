"""Start-up: how long zoo takes to answer, against a bare interpreter and an import of torch in the same run.

python bench/startup.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from common import machine, median_seconds

TINY = ["--gen", "unet-shallow:base=4", "--critic", "patch:base=4,layers=1", "--data", "scenes:side=48"]


def main() -> None:
    def call(*arguments: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            return median_seconds(
                lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=folder)
            )

    bare = call("-c", "")
    torch = call("-c", "import torch")
    print(machine())
    print(f"{'python alone':34} {bare:6.2f} s")
    print(f"{'import torch':34} {torch:6.2f} s")
    rows = {
        "zoo --help": ["-m", "zoo", "--help"],
        "zoo list": ["-m", "zoo", "list"],
        "zoo recipe demo": ["-m", "zoo", "recipe", "demo"],
        "zoo run --dry-run (one step)": ["-m", "zoo", "run", *TINY, "--size", "32", "--batch", "2", "--dry-run"],
    }
    for name, arguments in rows.items():
        seconds = call(*arguments)
        print(f"{name:34} {seconds:6.2f} s   {seconds / torch:5.2f} × import torch")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
