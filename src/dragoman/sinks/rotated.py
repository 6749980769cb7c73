"""Files that several processes append to and that never grow beyond a size.

    <folder>/prompts.csv       what is written now
    <folder>/prompts.1.csv     what was written before, the newest first; prompts.2.csv, ...
    <folder>/.lock             held while anything is written or renamed

Whoever writes holds the lock, from looking at the size to the last byte. So a rotation never takes a file
away from under somebody's line, a write that fails can be taken back to where it began, and what is at the
end of a file was written whole, or by a process that died in the middle. A file that does not end, or begin,
as it should is put aside like a full one: nothing is ever cut, and no line is glued to half of another.

All methods block.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from dragoman.sinks.disk import alone, take_back, write_whole


class Form(msgspec.Struct, frozen=True):
    """What a file looks like: its first line if it has one of its own, and how every line ends."""

    ending: bytes
    header: bytes = b""


class Rotated:
    """Files of one folder that are appended to together.

    Args:
        folder: Where they are; made when it is needed.
        forms: What each looks like, by its name.
        rotate_bytes: A file that would grow beyond this is put aside.
        keep: Files of a name that are kept aside.
    """

    def __init__(self, folder: Path, forms: Mapping[str, Form], *, rotate_bytes: int, keep: int) -> None:
        self._folder = folder
        self._forms = forms
        self._rotate_bytes = rotate_bytes
        self._keep = keep

    def append(self, texts: Mapping[str, bytes]) -> None:
        """Append whole lines to each file by its name: to all of them, or to none.

        Raises:
            OSError: It cannot be written; nothing of it was.
        """
        with alone(self._folder / ".lock"):
            opened: list[tuple[int, int]] = []
            try:
                for name, text in texts.items():
                    descriptor, size = self._opened(name, len(text))
                    opened.append((descriptor, size))
                    data = text if size else self._forms[name].header + text
                    write_whole(descriptor, data)
            except BaseException:
                for descriptor, size in opened:
                    take_back(descriptor, size)
                raise
            finally:
                for descriptor, _ in opened:
                    os.close(descriptor)

    def _opened(self, name: str, more: int) -> tuple[int, int]:
        """Return the descriptor of the file that so many bytes go to, and its size."""
        path = self._folder / name
        descriptor = _open(path)
        size = os.fstat(descriptor).st_size
        if size and (size + more > self._rotate_bytes or not _is_whole(descriptor, size, self._forms[name])):
            os.close(descriptor)
            self._put_aside(path)
            return _open(path), 0
        return descriptor, size

    def _put_aside(self, path: Path) -> None:
        """Make room for a new file of this name."""
        extra = self._keep + 1
        while (old := _aside(path, extra)).exists():
            old.unlink()
            extra += 1
        for number in range(self._keep, 0, -1):
            with suppress(FileNotFoundError):
                _aside(path, number).rename(_aside(path, number + 1))
        path.rename(_aside(path, 1))
        _aside(path, self._keep + 1).unlink(missing_ok=True)


def _open(path: Path) -> int:
    # What was asked and answered is for nobody but who runs the gateway.
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        # Nothing that was written can be taken back from it, and who does not read would be waited for.
        os.close(descriptor)
        raise OSError(errno.ESPIPE, "this is a pipe, and no file", str(path))
    return descriptor


def _is_whole(descriptor: int, size: int, form: Form) -> bool:
    """Say whether a file begins and ends as its form wants."""
    begins = os.pread(descriptor, len(form.header), 0)
    ends = os.pread(descriptor, len(form.ending), max(0, size - len(form.ending)))
    return begins == form.header and ends == form.ending


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")
