"""An environment of its own to install packages in, which sees everything that is installed in this one."""

from __future__ import annotations

import os
import shlex
import site
import subprocess
import sysconfig
import venv
from collections.abc import Iterable
from pathlib import Path

import pytest
from copies import Copy, see

from zoo.cli.main import app

# Nothing is fetched: what a package needs to be built and to run is here.
_PIP = "--no-deps --no-build-isolation --no-index --no-cache-dir --disable-pip-version-check --quiet"


class Environment:
    """A virtual environment with the commands that an author uses: pip, zoo and pytest."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.bin = folder / "bin"
        (self.site,) = folder.glob("lib/python*/site-packages")
        shown = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        # Not the folders alone: what is installed there as editable is in .pth files of theirs.
        lines = [f"import site; site.addsitedir({path!r})" for path in sorted(shown)]
        (self.site / "shown.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for name, words in (
            ("pip", f'-m pip "$@" {_PIP}'),
            ("zoo", '-m zoo "$@"'),
            ("pytest", '-m pytest -q -p no:cacheprovider "$@"'),
        ):
            (self.bin / name).write_text(f'#!/bin/sh\nexec "{self.bin}/python" {words}\n', encoding="utf-8")
            (self.bin / name).chmod(0o755)

    def run(self, script: str, folder: Path) -> str:
        """Run lines of shell in a folder; return what they print. The first that fails ends them, with an error."""
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=folder,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run_together(self, lines: Iterable[str], folder: Path) -> str:
        """Do as `run` with lines of `zoo …` and `pytest …`, in one copy of this process, which has imported torch."""

        def run() -> None:
            os.chdir(folder)
            site.addsitedir(str(self.site))
            see(self.site)
            for line in lines:
                command, *words = shlex.split(line)
                if command == "pytest":
                    failed = pytest.main(["-q", "-p", "no:cacheprovider", *words])
                else:
                    failed = app(words, prog_name=command, standalone_mode=False)
                if failed:
                    raise SystemExit(f"{line}: exit code {failed}")

        done = Copy(run)
        said = done.wait()
        assert done.poll() == 0, said
        return said
