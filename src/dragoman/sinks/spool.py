"""Lines that wait on disk until somebody takes them, whatever happens to the process meanwhile.

    <folder>/01764000000123-<owner>-000001.lines       a piece: whole lines, appended to while it is the last
    <folder>/rejected/...                              pieces nobody wanted, the last of them
    <folder>/lock                                      held while pieces of the dead are taken over

A line is safe once :meth:`Spool.append` returns: it was written and synced, so neither ``kill -9`` nor a
power cut takes it. What is read is one piece, whole; it is removed when it was taken, and not before. So a
line is handed over at least once, and again only where the process dies between the two.

Each process writes pieces of its own and never touches those of another that lives. Pieces of the dead are
taken over by whoever looks first. Who is dead is known from elsewhere and passed in.

Where the pieces together grow beyond a size the oldest go, and are counted. All methods block; they may be
called from any thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock

from dragoman.sinks.disk import alone, sync_folder, take_back, write_whole

MOST_REJECTED = 100
"""Pieces that nobody wanted and that are kept to be looked at."""

NAME = re.compile(r"(?P<stamp>\d{14})-(?P<owner>[^-/]+)-(?P<number>\d{6,})\.lines")


class Piece:
    """Lines that are handed over together. ``size``: bytes; ``count``: lines."""

    __slots__ = ("count", "path", "size")

    def __init__(self, path: Path, size: int = 0, count: int = 0) -> None:
        self.path = path
        self.size = size
        self.count = count


class Spool:
    """One process's view of the folder.

    Args:
        folder: Where the pieces are; made when it is needed.
        owner: This process's name; no other that lives has it.
        dead: Returns those of some names whose process is gone.
        now: Wall clock, Unix seconds.
        most_bytes: What this process's pieces may have together.
        piece_bytes: What a piece has, about.
    """

    def __init__(
        self,
        folder: Path,
        owner: str,
        *,
        dead: Callable[[Iterable[str]], list[str]],
        now: Callable[[], float],
        most_bytes: int,
        piece_bytes: int,
    ) -> None:
        self._folder = folder
        self._owner = owner
        self._dead = dead
        self._now = now
        self._most_bytes = most_bytes
        self._piece_bytes = min(piece_bytes, most_bytes // 4)
        self._lock = Lock()
        self._pieces: list[Piece] = []
        self._in_hand: Piece | None = None
        self._descriptor: int | None = None
        self._number = 0
        self.lost = 0
        """Lines that were dropped because there was no room, or that were cut in half by a death."""

    @property
    def waiting(self) -> int:
        """Lines that are there."""
        return sum(piece.count for piece in list(self._pieces))

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines, each with its line break; when this returns they are safe.

        Raises:
            OSError: They cannot be written; none was.
        """
        data = b"".join(lines)
        with self._lock:
            last = self._pieces[-1] if self._descriptor is not None else None
            if last is None or last.size + len(data) > self._piece_bytes:
                last = self._begin()
            assert self._descriptor is not None
            try:
                write_whole(self._descriptor, data)
                os.fsync(self._descriptor)
            except OSError:
                take_back(self._descriptor, last.size)
                raise
            last.size += len(data)
            last.count += len(lines)
            self._make_room()

    def oldest(self) -> tuple[Piece, bytes] | None:
        """Return the oldest piece and its lines; it stays until :meth:`done` or :meth:`reject`."""
        with self._lock:
            while self._pieces:
                piece = self._pieces[0]
                if len(self._pieces) == 1:
                    self._seal()
                try:
                    data = piece.path.read_bytes()
                except FileNotFoundError:
                    data = b""
                if data:
                    self._in_hand = piece
                    return piece, data
                self._drop(piece)
            return None

    def done(self, piece: Piece) -> None:
        """Remove a piece: it was taken."""
        with self._lock:
            self._in_hand = None
            self._pieces.remove(piece)
            piece.path.unlink(missing_ok=True)

    def reject(self, piece: Piece) -> Path:
        """Put a piece aside: nobody will ever want it; return where it is."""
        rejected = self._folder / "rejected"
        with self._lock:
            self._in_hand = None
            self._pieces.remove(piece)
            rejected.mkdir(exist_ok=True, mode=0o700)
            aside = rejected / piece.path.name
            piece.path.rename(aside)
            for old in sorted(rejected.glob("*.lines"))[:-MOST_REJECTED]:
                old.unlink(missing_ok=True)
            return aside

    def adopt(self) -> int:
        """Take over the pieces of processes that are gone; return how many lines they have."""
        with alone(self._folder / "lock"), self._lock:
            names = sorted(path.name for path in self._folder.glob("*.lines") if path.is_file())
            found = [match for name in names if (match := NAME.fullmatch(name))]
            dead = {*self._dead({match["owner"] for match in found} - {self._owner})}
            taken = [self._take_over(match) for match in found if match["owner"] in dead]
            # The one that is written stays the last, whatever the clock said when it was begun.
            writing = self._pieces[-1:] if self._descriptor is not None else []
            others = self._pieces[: len(self._pieces) - len(writing)]
            self._pieces = [*sorted([*others, *taken], key=lambda piece: piece.path.name), *writing]
            self._make_room()
            return sum(piece.count for piece in taken)

    def close(self) -> None:
        """Let go of everything; what is there stays."""
        with self._lock:
            self._seal()

    def _begin(self) -> Piece:
        """Begin a new piece, which is the last from now on."""
        self._seal()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._number += 1
        path = self._folder / f"{int(self._now() * 1000):014d}-{self._owner}-{self._number:06d}.lines"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._pieces.append(Piece(path))
        sync_folder(self._folder)
        return self._pieces[-1]

    def _seal(self) -> None:
        """Write no more to the last piece."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _make_room(self) -> None:
        """Drop the oldest pieces until all fit; not the one that is being written, nor the one in hand."""
        keep = (self._in_hand, self._pieces[-1] if self._pieces else None)
        excess = sum(piece.size for piece in self._pieces) - self._most_bytes
        for piece in [piece for piece in self._pieces if piece not in keep]:
            if excess <= 0:
                return
            excess -= piece.size
            self._drop(piece)

    def _drop(self, piece: Piece) -> None:
        self.lost += piece.count
        self._pieces.remove(piece)
        piece.path.unlink(missing_ok=True)

    def _take_over(self, match: re.Match[str]) -> Piece:
        """Make a piece of somebody else's one's own; half a line at its end is cut off."""
        self._number += 1
        path = self._folder / f"{match['stamp']}-{self._owner}-{self._number:06d}.lines"
        (self._folder / match.string).rename(path)
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
            self.lost += 1
        return Piece(path, whole, data.count(b"\n"))
