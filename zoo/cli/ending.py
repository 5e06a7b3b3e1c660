"""The end of the command's process."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn

from zoo.events import LISTENER


def end(code: object) -> NoReturn:
    """End this process, whatever a listener that nobody waits for is doing.

    Up to 3.13, Python ends the threads that are left by unwinding them. One that computes in C++, such as one that
    draws curves, takes the whole process with it, after a run that went well.

    Args:
        code: of `SystemExit`.
    """
    if any(thread.name.startswith(LISTENER) for thread in threading.enumerate()):
        # What Python would do first, and multiprocessing does for its processes.
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
    sys.exit(code)  # type: ignore[arg-type]
