"""The files of templates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dragoman.core.failure import Failure
from dragoman.prompts.files import SHIPPED, content, shipped, stamp
from dragoman.prompts.reading import MOST_BYTES, read


def test_a_stamp_tells_one_state_of_a_file_from_another(tmp_path: Path) -> None:
    """Another length, another time of writing, another file in its place."""
    path = tmp_path / "t.json"
    path.write_text("[]")
    os.utime(path, ns=(1, 1))
    first = stamp(path)
    assert first == stamp(path)
    path.write_text("[ ]")
    os.utime(path, ns=(1, 1))
    longer = stamp(path)
    os.utime(path, ns=(1, 2))
    later = stamp(path)
    other = tmp_path / "other.json"
    other.write_text("[ ]")
    os.utime(other, ns=(1, 2))
    other.replace(path)
    assert len({first, longer, later, stamp(path)}) == 4


def test_what_nobody_can_see_has_no_stamp(tmp_path: Path) -> None:
    """A name that is none is like a file that is not there."""
    (tmp_path / "file").touch()
    assert [stamp(tmp_path / name) for name in ("none", "file/below", "n\0l", "x" * 300)] == [None] * 4


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    """One byte more shows that it is too long; the rest is not read."""
    path = tmp_path / "t.json"
    path.write_bytes(b"x" * (MOST_BYTES + 100))
    seen = stamp(path)
    assert seen is not None
    assert len(content(path, seen)) == MOST_BYTES + 1


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe would keep the reader waiting for ever; a folder cannot be read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        seen = stamp(path)
        assert seen is not None
        with pytest.raises(Failure, match="not a file"):
            content(path, seen)


def test_a_file_that_is_gone_meanwhile_is_a_failure(tmp_path: Path) -> None:
    """Between the look and the reading."""
    path = tmp_path / "t.json"
    path.write_text("[]")
    seen = stamp(path)
    assert seen is not None
    path.unlink()
    with pytest.raises(Failure, match=r"t\.json: No such file"):
        content(path, seen)


def test_the_shipped_file_is_there() -> None:
    """And it can be read."""
    assert read(shipped(), SHIPPED)
