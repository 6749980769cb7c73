"""Files that others write to as well: one at a time, whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from dragoman.sinks.disk import alone, sync_folder, take_back, write_whole


def test_nobody_else_is_there(tmp_path: Path) -> None:
    """While one has the lock no other gets it; afterwards it is free, also after a fault."""
    lock = tmp_path / "new" / "lock"
    others: list[int] = []

    def breaking() -> None:
        with alone(lock):
            others.append(os.open(lock, os.O_RDWR))
            with pytest.raises(BlockingIOError):
                fcntl.flock(others[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaking()
    fcntl.flock(others[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(others[0])
    assert lock.stat().st_mode & 0o077 == lock.parent.stat().st_mode & 0o077 == 0


def test_who_never_lets_go_is_not_waited_for(tmp_path: Path) -> None:
    """A process may be stopped while it holds the lock; the fault names the file."""
    lock = tmp_path / "lock"
    refused = pytest.raises(OSError, match="another process holds this lock")
    with alone(lock), refused as caught, alone(lock, patience_s=0.01):
        raise AssertionError
    assert caught.value.filename == str(lock)
    with alone(lock, patience_s=0.0):
        assert lock.exists()


def test_half_a_write_is_a_fault() -> None:
    """What takes only a part counts as full."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        write_whole(writing, bytes(10_000_000))
    os.close(reading)
    os.close(writing)


def test_a_write_can_be_taken_back(tmp_path: Path) -> None:
    """The file is as it was; where that is impossible nothing is raised."""
    path = tmp_path / "file"
    path.write_bytes(b"whole\nhal")
    descriptor = os.open(path, os.O_RDWR)
    take_back(descriptor, 6)
    os.close(descriptor)
    assert path.read_bytes() == b"whole\n"
    take_back(descriptor, 0)
    sync_folder(tmp_path)
