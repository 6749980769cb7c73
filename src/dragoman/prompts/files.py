"""The files of templates: the only module here that touches a disk.

A file is recognised by its stamp (when it was written, how long it is, and which it is): who saves it again,
or puts another in its place, changes that.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from dragoman.core.failure import Failure, Kind
from dragoman.prompts.reading import MOST_BYTES

SHIPPED = "prompt_templates.json"


class Stamp(NamedTuple):
    """What tells one state of a file from another."""

    written_ns: int
    size: int
    inode: int
    regular: bool


def stamp(path: Path) -> Stamp | None:
    """Return the stamp of the file at `path`; None: there is none, or nobody may see it."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino, S_ISREG(found.st_mode))


def content(path: Path, seen: Stamp) -> bytes:
    """Return what is in the file at `path`, one byte more than it may have at most.

    Raises:
        Failure: It is no file, or cannot be read.
    """
    if not seen.regular:  # a pipe would keep the reader waiting
        raise Failure(Kind.INVALID, f"{path}: this is not a file")
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Failure(Kind.INVALID, f"{path}: {error.strerror}") from error


def shipped() -> bytes:
    """Return the templates that come with Dragoman."""
    return resources.files(__package__).joinpath(SHIPPED).read_bytes()
