"""Threads for work that may wait: they give way to requests where there are fewer processors than work.

A report or a page takes a processor for as long as it takes. A thread of it that shares a core with those who
serve requests would get as much of the core as they do, and each request would wait its turn several times.
So such threads are nicer than the others: requests are served first, and reports get what is left, which
mostly is nearly everything. ``bench/beside.py`` measures it.

Linux has a niceness for each thread (https://man7.org/linux/man-pages/man2/setpriority.2.html, "C
library/kernel differences", read 2026-11-21); elsewhere it is the process's, and stays as it is.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

NICER = 10
"""How much nicer: a tenth of the share of a core that one who serves requests has, while he wants it."""

NICEST = 19


def aside(most: int, name: str) -> ThreadPoolExecutor:
    """Return so many threads of work that may wait; `name` is what they are called."""
    return ThreadPoolExecutor(most, name, _give_way)


def _give_way() -> None:
    if sys.platform != "linux":
        return
    this = threading.get_native_id()
    with suppress(OSError):  # forbidden here: then it is as it was
        os.setpriority(os.PRIO_PROCESS, this, min(NICEST, os.getpriority(os.PRIO_PROCESS, this) + NICER))
