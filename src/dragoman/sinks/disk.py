"""Files that others write to as well: one at a time, and whole or not at all. Everything here blocks."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

PATIENCE_S = 1.0
"""Seconds that are waited for others: who holds a lock longer may be stopped, and never let go."""
AGAIN_S = 0.005
"""Seconds between two tries to take a lock."""


@contextmanager
def alone(lock: Path, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Keep other processes, and other threads, that use the same lock file from what is done meanwhile.

    Its folder is made if need be, for nobody but who runs this process.

    Raises:
        OSError: The folder cannot be written, or somebody else does not let go of the lock.
    """
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, lock, patience_s)
        yield
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, data: bytes) -> None:
    """Write `data` in one go.

    Raises:
        OSError: It was not written, or not all of it: see :func:`take_back`.
    """
    if os.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def take_back(descriptor: int, size: int) -> None:
    """Make a file as long as it was before a write that failed, as far as that is possible."""
    with suppress(OSError):
        os.ftruncate(descriptor, size)


def sync_folder(folder: Path) -> None:
    """Have the names of new files in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int, lock: Path, patience_s: float) -> None:
    """Take a lock; a thread that waited for it without an end would keep the process from ending."""
    for tries_left in range(round(patience_s / AGAIN_S), -1, -1):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        Event().wait(AGAIN_S if tries_left else 0)
    raise OSError(errno.EBUSY, "another process holds this lock", str(lock))
