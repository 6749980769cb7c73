"""``dragoman serve`` that tells, whenever it gets SIGUSR2, how many tasks and open files it has.

The gateway is unchanged: this only adds a signal handler to its process, before it starts.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from dragoman.cli import main


def tell(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's shape
    """Write the counts; the file appears whole."""
    told = Path(os.environ["DRILL_PROBE"])
    draft = told.with_suffix(".draft")
    files = len(list(Path("/proc/self/fd").iterdir())) - 1  # one is the listing's own
    draft.write_text(json.dumps({"tasks": len(asyncio.all_tasks()), "files": files}))
    draft.rename(told)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, tell)
    sys.exit(main(sys.argv[1:]))
