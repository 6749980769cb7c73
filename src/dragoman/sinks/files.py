"""Logs to read: every exchange and every rating, a JSON object a line and a row of a table.

    logs/prompts.json    {"timestamp": "...", "prompt": "...", "model": "...", "response": "...", ...}
    logs/prompts.csv     the same as a table, its first row the names

Both have the same columns. Whose words are in them is decided where the record is made; without them there is
everything else. A rating is a line of its own: an append costs the same however long the file is, and
nothing that was written changes.

In the table a cell that a spreadsheet would take for a formula begins with an apostrophe, so that what a
client said is not run by whoever opens it (https://owasp.org/www-community/attacks/CSV_Injection, read
2026-11-21: ``=``, ``+``, ``-``, ``@``, tab, carriage return, line feed). Its rows end in CR LF after RFC
4180, and a line break within a cell is a line feed alone. The JSON lines have every text as it was.

Writing happens in a thread, some lines at once (:mod:`dragoman.sinks.rotated`). While it fails, lines wait in
memory up to a limit, and are written as soon as it works again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from dragoman.sinks import Rated, Record, Telling
from dragoman.sinks.complaints import Complaints
from dragoman.sinks.rotated import Form, Rotated
from dragoman.sinks.telling import dollars, instant, tokens, valid, weight
from dragoman.sinks.waiting import Waiting
from dragoman.store.budgets import Alert

COLUMNS = (
    *("timestamp", "prompt", "model", "response", "latency_ms", "token_count", "prompt_id", "rating"),
    *("feedback", "key", "provider", "status", "cached", "fallback", "cost_usd"),
)
"""What a line has, in this order."""

JSON, CSV = "prompts.json", "prompts.csv"
ROW_END = "\r\n"

LINGER_S = 0.25
"""Seconds a line waits for others, to be written with them."""
AT_ONCE, AT_ONCE_BYTES = 1000, 4 * 1024 * 1024
"""Lines that are written together, and what their words may come to unless it is one line's."""
MOST, MOST_BYTES = 50_000, 64 * 1024 * 1024
"""Lines that may wait, and what their words may come to; those beyond are dropped."""
RETRY_S = 5.0
"""Seconds after which a folder that could not be written is tried again."""

FORMULA = re.compile(r"[\s\x00-\x1f]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet may run: also behind blanks, which some cut off, and in full width."""

BREAKS = (("\u0085".encode(), b"\\u0085"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
"""What some readers take for the end of a line, and how JSON may write it instead."""

SPECIAL = re.compile(r"[\",\n]")
"""What a cell is quoted for."""

Cell = str | int | float | bool | None


class FilesSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged to `prompts.json` and `prompts.csv`.

    Attributes:
        enabled: Whether anything is.
        folder: Where the files are.
        text: Whose prompts and answers are in them: "prompt", those of the prompt surface; "all"; "none".
        rotate_bytes: Size at which a file is put aside and a new one begun.
        keep: Files of each kind that are kept aside.
    """

    enabled: bool = True
    folder: str = "logs"
    text: Literal["prompt", "all", "none"] = "prompt"
    rotate_bytes: Annotated[int, msgspec.Meta(ge=4096)] = 67_108_864
    keep: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 10


class Files:
    """Appends to the two files.

    Args:
        spec: What is logged, and where.
        tick: Monotonic clock, seconds.
        complain: Told of faults, now and then.
        pause: Waits so many seconds.
    """

    name = "files"

    def __init__(
        self,
        spec: FilesSpec,
        *,
        tick: Callable[[], float],
        complain: Callable[[str, BaseException], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        forms = {JSON: Form(b"\n"), CSV: Form(ROW_END.encode(), table([COLUMNS]))}
        self._files = Rotated(Path(spec.folder), forms, rotate_bytes=spec.rotate_bytes, keep=spec.keep)
        self._waiting: Waiting[Record | Rated] = Waiting(MOST, MOST_BYTES, weight)
        self._complaints = Complaints(complain, tick)
        self._pause = pause
        self._writing: asyncio.Future[bool] | None = None

    def emit(self, record: Telling) -> None:
        """Take one record; never waits, never raises. An alert is no line of a log of prompts."""
        if not isinstance(record, Alert):
            self._waiting.put(record)

    async def run(self) -> None:
        """Deliver what was taken, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._waiting.some()
            if len(self._waiting) < AT_ONCE:
                await self._pause(LINGER_S)
            # A cancellation ends the waiting for it, not the writing itself: see close.
            self._writing = loop.create_task(self._write())
            if not await asyncio.shield(self._writing):
                await self._pause(RETRY_S)

    async def close(self) -> None:
        """Write what is left; what cannot be written is lost."""
        if self._writing is not None:
            await self._writing
        while self._waiting and await self._write():
            pass
        self._waiting.dropped(self._waiting.take(MOST))

    def counts(self) -> Mapping[str, int]:
        """Return how many records were taken, delivered, dropped, and are waiting."""
        return self._waiting.counts()

    async def _write(self) -> bool:
        """Write the records that wait longest; return whether the files could be written."""
        records = self._waiting.take(AT_ONCE, AT_ONCE_BYTES)
        try:
            await asyncio.to_thread(self.append, records)
        except OSError as error:
            self._waiting.back(records)
            self._complaints.tell("disk", "the log of prompts cannot be written", error)
            return False
        except Exception as error:  # noqa: BLE001  a bug in one line must not be the end of all
            self._waiting.dropped(records)
            self._complaints.tell("bug", f"{len(records)} line(s) of the log are lost to a bug", error)
            return True
        self._waiting.delivered(records)
        self._complaints.over("disk")
        return True

    def append(self, records: Sequence[Record | Rated]) -> None:
        """Write the lines of some records; blocks.

        Raises:
            OSError: They cannot be written; none was.
        """
        rows = [cells(record) for record in records]
        self._files.append({JSON: b"".join(map(json_line, rows)), CSV: table(rows)})


def cells(record: Record | Rated) -> list[Cell]:
    """Return what a record's line says, in the order of :data:`COLUMNS`; None: nothing."""
    if isinstance(record, Rated):
        known: dict[str, Cell] = {
            "timestamp": instant(record.rated_at),
            "model": record.model,
            "prompt_id": record.exchange_id,
            "rating": record.rating,
            "feedback": record.feedback,
            "key": record.key,
        }
        return [known.get(name) for name in COLUMNS]
    row = record.row
    counted = tokens(row.meters)
    known = {
        "timestamp": instant(row.opened_at),
        "prompt": record.prompt,
        "model": row.answered_model or row.model,
        "response": record.response,
        "latency_ms": None if row.latency_ms is None else round(row.latency_ms, 3),
        "token_count": counted.read + counted.wrote,
        "prompt_id": row.id,
        "key": row.key,
        "provider": row.provider,
        "status": row.status,
        "cached": row.cached,
        "fallback": row.fallback,
        "cost_usd": dollars(row.meters),
    }
    return [known.get(name) for name in COLUMNS]


def json_line(row: Sequence[Cell]) -> bytes:
    """Return a line of the JSON file."""
    texts = [valid(cell) if isinstance(cell, str) else cell for cell in row]
    whole = dict(zip(COLUMNS, texts, strict=True))
    line = msgspec.json.encode(whole) + b"\n"
    for mark, written in BREAKS:
        line = line.replace(mark, written)
    return line


def table(rows: Sequence[Sequence[Cell]]) -> bytes:
    """Return rows of the table."""
    # By hand: the csv module looks at each character, and a prompt may have a million.
    return "".join([",".join(map(_quoted, row)) + ROW_END for row in rows]).encode()


def _quoted(cell: Cell) -> str:
    text = _tame(cell)
    return '"' + text.replace('"', '""') + '"' if SPECIAL.search(text) else text


def _tame(cell: Cell) -> str:
    """Return a cell that is text and nothing else, whoever opens it."""
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            return f"{cell:.6f}".rstrip("0").rstrip(".")
        case int():
            return str(cell)
    text = valid(cell).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return f"'{text}" if FORMULA.match(text) else text
