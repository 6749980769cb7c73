"""Archives: what the ledger had, a file a day, written before it is deleted.

    <folder>/manifest.jsonl                       a line for every part: what is in it, and its digests
    <folder>/2026/exchange-2026-01-15.csv.gz      exchanges that began on that day (UTC), in that order
    <folder>/2026/attempt-2026-01-15.csv.gz       their attempts, in the same order
    <folder>/2026/exchange-2026-01-15.2.csv.gz    what turned up later: the day's second part

A file is written beside its name, synced and renamed, and so is the manifest after it. Only what the manifest
vouches for may be deleted. Killed at any point, either there is no line yet, and the files are written once
more (the same rows make the same bytes), or there is one, and what it vouches for is deleted from there on.

The files are CSV as PostgreSQL reads and writes it: text in quotes, numbers without, nothing at all for what
is not known (https://www.postgresql.org/docs/15/sql-copy.html, read 2026-11-21). All methods block.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import IO, BinaryIO, Literal, Self

import msgspec

from dragoman.core.failure import Failure, Kind
from dragoman.store import AttemptRow, ExchangeRow, Meters
from dragoman.store.archive import Kept

Table = Literal["exchange", "attempt"]
TABLES: tuple[Table, ...] = ("exchange", "attempt")

METERS = Meters.__struct_fields__
EXCHANGE = (*ExchangeRow.__struct_fields__[:-1], *METERS)
ATTEMPT = (*AttemptRow.__struct_fields__[:-1], *METERS)
"""Columns of the files."""

READ = ("input", "cache_read", "cache_write", "cache_write_long", "audio_input")
WROTE = ("output", "reasoning", "audio_output")
"""Which meters are tokens that were read, and which are tokens that were written."""

MANIFEST = "manifest.jsonl"


class File(msgspec.Struct, frozen=True):
    """One file of a part. ``file``: its path within the folder; ``rows`` without the line of names."""

    table: Table
    file: str
    rows: int
    bytes: int
    sha256: str


class Part(msgspec.Struct, frozen=True):
    """One line of the manifest: exchanges of a day, with their attempts.

    ``cost_micros`` is that of the exchanges whose cost is known, ``unknown_cost`` how many the others are.
    """

    day: str
    part: int
    input: int
    output: int
    cost_micros: int
    unknown_cost: int
    files: tuple[File, ...]


class Lines(msgspec.Struct, frozen=True):
    """An exchange as it stands in a part: its line, and those of its attempts."""

    id: str
    exchange: bytes
    attempts: tuple[bytes, ...]


class Folder:
    """A folder of archives."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other process out of the folder meanwhile.

        Raises:
            Failure: CONFLICT: somebody is in it.
            OSError: The folder cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = f"another process is writing archives in {self.path}"
                raise Failure(Kind.CONFLICT, message, code="archive_in_use") from error
            yield

    def parts(self, day: str | None = None) -> list[Part]:
        """Return what has been archived, or what of one day.

        Raises:
            Failure: UNAVAILABLE: the manifest is damaged.
        """
        path = self.path / MANIFEST
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        try:
            parts = [msgspec.json.decode(line, type=Part) for line in lines]
        except msgspec.DecodeError as error:
            raise Failure(Kind.UNAVAILABLE, f"{path} is damaged: {error}", code="archive_damaged") from error
        return [part for part in parts if day in (None, part.day)]

    @contextmanager
    def writing(self, day: str) -> Iterator[Writing]:
        """Write one more part of a day; it is there, and vouched for, once the block ends without error."""
        number = len(self.parts(day)) + 1
        with Writing(self.path, day, number) as writing:
            yield writing
            part = writing.finish()
            lines = [*self.parts(), part]
            text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            replace(self.path / MANIFEST, text)

    def check(self, part: Part) -> list[str]:
        """Read a part once more; return what is not as the manifest says, in words."""
        found: list[str] = []
        for file in part.files:
            try:
                found += [f"{file.file}: {wrong}" for wrong in _wrong(self.path / file.file, file)]
            except (OSError, EOFError, gzip.BadGzipFile) as error:
                found.append(f"{file.file}: {error}")
        if not found and (sums := _sums(self.read(part))) != _told(part):
            found.append(f"{part.files[0].file}: sums are {sums}, the manifest says {_told(part)}")
        return found

    def read(self, part: Part) -> Iterator[Lines]:
        """Yield what is in a part, exchange by exchange."""
        exchange, attempt = (self.path / file.file for file in part.files)
        with gzip.open(exchange) as exchanges, gzip.open(attempt) as attempts:
            tries = groupby(_records(attempts), key=_first)
            ahead = next(tries, None)
            for record in _records(exchanges):
                id_, mine = _first(record), tuple[bytes, ...]()
                if ahead is not None and ahead[0] == id_:
                    mine = tuple(ahead[1])
                    ahead = next(tries, None)
                yield Lines(id_, record, mine)


class Writing:
    """A part that is being written. Files that were not finished are removed."""

    def __init__(self, folder: Path, day: str, number: int) -> None:
        self.rows = 0
        self._folder = folder
        self._day = day
        self._number = number
        tail = f"-{day}.csv.gz" if number == 1 else f"-{day}.{number}.csv.gz"
        self._names = {table: f"{day[:4]}/{table}{tail}" for table in TABLES}
        self._files: dict[Table, _Growing] = {}
        self._sums = [0, 0, 0, 0]

    def __enter__(self) -> Self:
        (self._folder / self._day[:4]).mkdir(exist_ok=True, mode=0o700)
        for table, columns in zip(TABLES, (EXCHANGE, ATTEMPT), strict=True):
            self._files[table] = _Growing(self._folder / self._names[table], columns)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.drop()

    def add(self, rows: Iterable[Kept]) -> None:
        """Write exchanges and their attempts."""
        for exchange, attempts in rows:
            line = render(exchange)
            self._files["exchange"].write(line)
            self._sums = [one + more for one, more in zip(self._sums, _counts(line), strict=True)]
            self.rows += 1
            for attempt in attempts:
                self._files["attempt"].write(render(attempt))

    def finish(self) -> Part:
        """Give the files their names; return what is to be said of them."""
        files = tuple(self._files[table].finish(table, self._names[table]) for table in TABLES)
        read, wrote, cost, unknown = self._sums
        return Part(self._day, self._number, read, wrote, cost, unknown, files)


class _Growing:
    """One file that grows beside its name."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._beside = path.with_name(f".{path.name}.part")
        self._rows = -1  # the line of names is none
        self._file = _private(self._beside)
        # No name and no time: the same rows make the same bytes.
        self._gzip = gzip.GzipFile("", "wb", 6, self._file, mtime=0)
        self.write(",".join(columns).encode() + b"\n")

    def write(self, line: bytes) -> None:
        self._gzip.write(line)
        self._rows += 1

    def finish(self, table: Table, name: str) -> File:
        self._gzip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        size, digest = _digest(self._beside)
        self._beside.rename(self._path)
        _sync(self._path.parent)
        return File(table, name, self._rows, size, digest)

    def drop(self) -> None:
        with suppress(OSError, ValueError):
            self._gzip.close()
        self._file.close()
        self._beside.unlink(missing_ok=True)


def day_of(at: float) -> str:
    """Return the day (UTC) of a Unix second: ``2026-01-15``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def render(row: ExchangeRow | AttemptRow) -> bytes:
    """Return a row's line."""
    *fields, meters = msgspec.structs.astuple(row)
    return ",".join(map(_cell, (*fields, *msgspec.structs.astuple(meters)))).encode() + b"\n"


def matches(lines: Lines, kept: Kept) -> bool:
    """Say whether a part has an exchange, and all its attempts, exactly as they are in the ledger."""
    exchange, attempts = kept
    return lines.exchange == render(exchange) and lines.attempts == tuple(map(render, attempts))


def replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of a file, whole and durable, or leave the file as it was."""
    beside = path.with_name(f".{path.name}.part")
    with _private(beside) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    _sync(path.parent)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case int() | float():
            return repr(value)
        case str():
            text = value
        case _:
            text = msgspec.json.encode(value).decode()
    return '"' + text.replace('"', '""') + '"'


def _records(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """Yield records as they stand there, without that of names. A text may have line breaks in it."""
    record, names = b"", True
    for line in file:
        record += line
        if record.count(b'"') % 2:
            continue
        if not names:
            yield record
        record, names = b"", False


def _first(record: bytes) -> str:
    """Return a record's first cell: the exchange's id."""
    found = re.match(rb'"((?:[^"]|"")*)"', record)
    return "" if found is None else found[1].decode().replace('""', '"')


def _counts(record: bytes) -> tuple[int, int, int, int]:
    """Return what one exchange adds to a part's sums: tokens in and out, its cost, and 1 if that is unknown.

    The meters are a record's last cells, and numbers all of them.
    """
    cells = record.rstrip(b"\n").rsplit(b",", len(METERS))[1:]
    *tokens, _, cost = (int(cell) if cell else None for cell in cells)
    counts = dict(zip(METERS, tokens, strict=False))
    read, wrote = (sum(counts[name] or 0 for name in names) for names in (READ, WROTE))
    return read, wrote, cost or 0, int(cost is None)


def _sums(lines: Iterable[Lines]) -> tuple[int, ...]:
    sums = (0, 0, 0, 0)
    for line in lines:
        one = _counts(line.exchange)
        sums = (sums[0] + one[0], sums[1] + one[1], sums[2] + one[2], sums[3] + one[3])
    return sums


def _told(part: Part) -> tuple[int, ...]:
    return part.input, part.output, part.cost_micros, part.unknown_cost


def _wrong(path: Path, file: File) -> Iterator[str]:
    size, digest = _digest(path)
    if (size, digest) != (file.bytes, file.sha256):
        yield f"{size} bytes with SHA-256 {digest}, the manifest says {file.bytes} with {file.sha256}"
        return
    with gzip.open(path) as opened:
        rows = sum(1 for _ in _records(opened))
    if rows != file.rows:
        yield f"{rows} rows, the manifest says {file.rows}"


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def _private(path: Path) -> BinaryIO:
    """Open a new file that nobody else can read, or an old one to be written anew."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")


def _sync(folder: Path) -> None:
    """Make a rename in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
