"""A provider's usage export as lines of one form: who was charged for what, by day and model.

    bytes --lines--> rows of a CSV, results of JSON pages --Cells--> Form.read --> Line

A form is one shape of export, and known by the columns it has to have: neither a file's name nor who sent it
matters. Columns nobody asked for are passed over, and one that is wanted and missing, or holds no number, is
a fault told with its place. CSV, and JSON Lines of pages, are read as they come and never held as a whole; a
JSON document is at most :data:`LARGEST` bytes.

The names of nested fields are joined: ``amount.value`` is ``amount_value`` in both JSON and CSV.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO, Final, Literal, get_args

import msgspec

from dragoman.accounts.times import instant
from dragoman.core.failure import Failure, invalid

DAY: Final = 86_400

LARGEST: Final = 64 << 20
"""Bytes a JSON document, or one line of JSON Lines, may have."""

MOST_LINES: Final = 100_000
"""Days and models of an export together; more are no export of usage by model."""

MOST: Final = 10**15
"""The largest count or amount that is taken for one."""

Measure = Literal["requests", "input", "cache_read", "cache_write", "output", "cost"]
"""What may be compared. ``input``: all tokens read; ``cost``: US dollars."""

MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)

Known = dict[Measure, int | Decimal]
"""What an export says of a day and model: those figures that it knows."""

ALL: Final = ""
"""Stands for a model where an export does not tell models apart."""


class Line(msgspec.Struct, frozen=True):
    """What an export says of one day and model.

    Attributes:
        day: The Unix second the day begins at, UTC.
        model: As the provider calls it; :data:`ALL`: all of them together.
        known: What it says of them.
    """

    day: int
    model: str
    known: Known


class Export(msgspec.Struct, frozen=True):
    """What one file, or several, say.

    Attributes:
        kinds: What they are, in words.
        tasks: Which tasks their usage is of; None: that is not said, or they are not of usage.
        costs: Whether any of them is of costs, which are of every task.
        since: When what they tell of begins, in Unix seconds.
        until: When it ends.
        lines: By day and model.
        more: Whether the provider said that there is another page, which is in none of them.
        twice: Days that more than one file tells of the same kind, as Unix seconds they begin at.
        shifted: Whether days of theirs begin at another hour than those of UTC.
    """

    kinds: tuple[str, ...]
    tasks: frozenset[str] | None
    costs: bool
    since: float
    until: float
    lines: tuple[Line, ...]
    more: bool = False
    twice: tuple[int, ...] = ()
    shifted: bool = False


class Cells:
    """One row of an export: values by column, and where it stands.

    Args:
        values: Text of a CSV; text and numbers of JSON.
        place: The file and line, or path.
    """

    __slots__ = ("_values", "place")

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self._values = values
        self.place = place

    def has(self, name: str) -> bool:
        """Say whether a column is there and holds anything."""
        return self._values.get(name) not in (None, "")

    def text(self, name: str) -> str:
        """Return what a column holds, as text; "": nothing."""
        found = self._values.get(name)
        return "" if found is None else str(found).strip()

    def count(self, name: str) -> int:
        """Return a column's whole number, 0 or more; nothing counts as 0.

        Raises:
            Failure: INVALID, it holds something else.
        """
        found = self._number(name)
        if found is None:
            return 0
        if found < 0 or found != int(found):
            raise self.fault(name, "is no whole number of 0 or more")
        return int(found)

    def amount(self, name: str) -> Decimal:
        """Return a column's amount of money, which may be negative: a credit.

        Raises:
            Failure: INVALID, it holds none.
        """
        found = self._number(name)
        if found is None:
            raise self.fault(name, "is missing")
        return found

    def time(self, *names: str) -> float | None:
        """Return the time in the first of several columns that holds anything; None: none does.

        Raises:
            Failure: INVALID, it holds something else.
        """
        name = next(filter(self.has, names), None)
        if name is None:
            return None
        found = instant(self.text(name))
        if found is None:
            raise self.fault(name, "is no date, instant or Unix seconds")
        return found

    def fault(self, name: str, why: str) -> Failure:
        """Return the failure that a column is: where it stands, what it holds, and why that will not do."""
        shown = self.text(name)
        what = f"{shown[:60]!r} {why}" if shown else f"it {why}"
        return invalid(f"{self.place}, column {name}: {what}", f"{self.place}, {name}")

    def _number(self, name: str) -> Decimal | None:
        words = self.text(name).replace(",", "")
        if not words:
            return None
        try:
            found = Decimal(words)
        except InvalidOperation:
            raise self.fault(name, "is no number") from None
        if not found.is_finite() or not -MOST <= found <= MOST:
            raise self.fault(name, "is no number anybody was charged for")
        return found


class Form(msgspec.Struct, frozen=True):
    """One shape of export.

    Attributes:
        name: What it is, in words.
        needs: The columns it is known by.
        begins: Columns a row's time stands in: the first that is there.
        ends: Columns its end may stand in; where none does, a row is of a day.
        read: Returns a row's model and what it says, or None of a time nobody asked in; None: there are only
            such.
        tasks: Which tasks its usage is of, by one of its rows; None: it is of costs.
    """

    name: str
    needs: frozenset[str]
    begins: tuple[str, ...]
    ends: tuple[str, ...]
    read: Callable[[Cells], tuple[str, Known] | None] | None
    tasks: Callable[[Cells], frozenset[str]] | None = None


class Reading:
    """What is read so far, of one file after another."""

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = forms
        self._kinds: dict[str, None] = {}
        self._tasks: set[str] = set()
        self._costs = False
        self._sums: dict[tuple[int, str], Known] = {}
        self._since: float | None = None
        self._until: float | None = None
        self._more: dict[str, bool] = {}
        self._files = 0
        self._told: dict[tuple[str, frozenset[str], int], int] = {}
        self._twice: set[int] = set()
        self._shifted = False

    def add(self, file: BinaryIO, name: str) -> None:
        """Read one file.

        Args:
            file: What is in it.
            name: How it is called in what is said of it.

        Raises:
            Failure: INVALID, with the place of what is wrong.
        """
        self._files += 1
        for page in _pages(file, name):
            kind = ""
            for cells in page.rows:
                kind = self._take(cells, page.columns)
            self._more[kind] = page.more

    def done(self) -> Export:
        """Return all that was read.

        Raises:
            Failure: INVALID, it tells of no time.
        """
        if self._since is None or self._until is None:
            raise invalid("the export is empty: it tells of no day", "$")
        lines = (Line(day, model, known) for (day, model), known in sorted(self._sums.items()))
        return Export(
            tuple(self._kinds),
            frozenset(self._tasks) or None,
            self._costs,
            self._since,
            self._until,
            tuple(lines),
            any(self._more.values()),  # of each kind, the page that was read last says it
            tuple(sorted(self._twice)),
            self._shifted,
        )

    def _take(self, cells: Cells, columns: frozenset[str]) -> str:
        """Add a row; return what kind of export it is of."""
        form = self._form(columns, cells.place)
        begin = cells.time(*form.begins)
        if begin is None:
            raise cells.fault(form.begins[0], "is missing")
        end = cells.time(*form.ends)
        self._cover(begin, end if end is not None and end > begin else (begin // DAY + 1) * DAY)
        if form.read is None:
            return ""
        self._kinds.setdefault(form.name)
        said = form.read(cells)
        if said is None:
            return form.name
        tasks: frozenset[str] = frozenset()
        if form.tasks is None:
            self._costs = True
        else:
            tasks = form.tasks(cells)
            self._tasks |= tasks
        model, known = said
        day = int(begin // DAY * DAY)
        if self._told.setdefault((form.name, tasks, day), self._files) != self._files:
            self._twice.add(day)
        self._shifted = self._shifted or (begin % DAY != 0 and end is not None and end - begin >= DAY)
        sums = self._sums.setdefault((day, model), {})
        if len(self._sums) > MOST_LINES:
            raise invalid(f"{cells.place}: more than {MOST_LINES:,} days and models", cells.place)
        for measure, number in known.items():
            sums[measure] = sums.get(measure, 0) + number
        return form.name

    def _form(self, columns: frozenset[str], place: str) -> Form:
        for form in self._forms:
            if form.needs <= columns:
                return form
        wanted = "; or ".join(f"{', '.join(sorted(form.needs))} ({form.name})" for form in self._forms)
        raise invalid(
            f"{place}: this is no export that is known. There have to be the columns {wanted}", place
        )

    def _cover(self, begin: float, end: float) -> None:
        self._since = begin if self._since is None else min(self._since, begin)
        self._until = end if self._until is None else max(self._until, end)


class _Page(msgspec.Struct):
    """Some rows that have the same columns. ``more``: the provider said there is another page."""

    columns: frozenset[str]
    rows: Iterable[Cells]
    more: bool = False


def _pages(file: BinaryIO, name: str) -> Iterator[_Page]:
    """Return what is in a file: a CSV is one page."""
    lines = iter(_lines(file, name))
    first = next((line for line in lines if line.strip()), b"")
    opening = first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if opening in (b"{", b"["):
        yield from _json_pages(first, lines, name)
    elif opening:
        yield _csv_page(itertools.chain([first], lines), name)
    else:
        raise invalid(f"{name}: the file is empty", "$")


def _lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    while line := file.readline(LARGEST + 1):
        if len(line) > LARGEST:
            raise invalid(f"{name}: a line is larger than {LARGEST >> 20} MB; ask for smaller pages", name)
        yield line


def _csv_page(lines: Iterable[bytes], name: str) -> _Page:
    """Return the rows of a CSV, read as they are asked for."""

    def told() -> Iterator[str]:
        for number, line in enumerate(lines, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise invalid(f"{name}:{number}: this is no UTF-8", f"{name}:{number}") from None

    rows = csv.reader(told(), strict=True)
    head = [cell.strip().lower().replace(" ", "_") for cell in _row(rows, name) or ()]
    twice = next((cell for cell, count in Counter(head).items() if cell and count > 1), None)
    if twice is not None:
        raise invalid(f"{name}:1, column {twice}: it is there twice", f"{name}:1, {twice}")
    if len(head) == 1 and (other := re.search(r"[;\t|]", head[0])):
        raise invalid(f"{name}:1: cells are separated by {other[0]!r}; let it be a comma", f"{name}:1")
    times = sum(1 for _ in itertools.takewhile(lambda cell: cell.startswith(("start", "end")), head))

    def cells() -> Iterator[Cells]:
        while (row := _row(rows, name)) is not None:
            place = f"{name}:{rows.line_num}"
            if len(row) > len(head) and any(row[len(head) :]):
                raise invalid(f"{place}: {len(row)} cells under {len(head)} columns", place)
            if not any(row):
                continue
            if len(row) < len(head) and len(row) != times:
                message = f"{len(row)} cells under {len(head)} columns; is the file whole?"
                raise invalid(f"{place}: {message}", place)
            yield Cells(dict(zip(head, row, strict=False)), place)

    return _Page(frozenset(head), cells())


def _row(rows: Any, name: str) -> list[str] | None:
    """Return the next row of a CSV; None: there is none."""
    try:
        found: list[str] | None = next(rows, None)
    except csv.Error as error:
        place = f"{name}:{rows.line_num}"
        raise invalid(f"{place}: this is no CSV: {error}", place) from None
    return found


def _json_pages(first: bytes, lines: Iterator[bytes], name: str) -> Iterator[_Page]:
    """Return pages of a JSON document, an array of them, or one in each line."""
    second = next(lines, None)
    rest = itertools.chain([] if second is None else [second], lines)
    alone = _maybe(first)
    if alone is not None and (second is None or second.lstrip()[:1] in (b"{", b"[")):
        yield from _listed(alone, f"{name}:1")
        for number, line in enumerate(rest, 2):
            if line.strip():
                yield from _listed(_parsed(line, f"{name}:{number}"), f"{name}:{number}")
        return
    whole = bytearray(first)
    for line in rest:
        whole += line
        if len(whole) > LARGEST:
            message = f"the document is larger than {LARGEST >> 20} MB; write one page a line instead"
            raise invalid(f"{name}: {message}", name)
    yield from _listed(_parsed(bytes(whole), name), name)


def _maybe(line: bytes) -> Any:
    """Return the JSON value that a line is; None: it is not one by itself."""
    try:
        return _parsed(line, "")
    except Failure:
        return None


def _parsed(data: bytes, place: str) -> Any:
    try:
        return _DECODER.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, ValueError, RecursionError, InvalidOperation) as error:
        raise invalid(f"{place}: this is no JSON: {error}", place) from None


_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)  # money is no float


def _listed(value: Any, place: str) -> Iterator[_Page]:
    """Return the pages that a JSON value is: one, or several in an array."""
    if isinstance(value, list) and value and not _is_bucket(value[0]):
        for number, page in enumerate(value):
            yield from _page(page, f"{place}: $[{number}]")
        return
    yield from _page({"data": value} if isinstance(value, list) else value, f"{place}: $")


def _is_bucket(value: Any) -> bool:
    return isinstance(value, dict) and "results" in value


def _page(page: Any, place: str) -> Iterator[_Page]:
    """Return a page's rows: the results of its buckets, each with its bucket's own fields."""
    buckets = page.get("data") if isinstance(page, dict) else None
    if not isinstance(buckets, list):
        raise invalid(f"{place}: a page has its buckets in data", f"{place}.data")
    more = page.get("has_more") is True
    for number, bucket in enumerate(buckets):
        at = f"{place}.data[{number}]"
        if not isinstance(bucket, dict) or not isinstance(bucket.get("results"), list):
            raise invalid(f"{at}: a bucket has its results in results", f"{at}.results")
        own = {name: value for name, value in bucket.items() if name not in ("results", "object")}
        results = bucket["results"]
        if not results:
            yield _Page(frozenset(own), [Cells(own, at)], more)
        for order, result in enumerate(results):
            where = f"{at}.results[{order}]"
            if not isinstance(result, dict):
                raise invalid(f"{where}: a result is an object", where)
            values = {**own, **_flat(result)}
            yield _Page(frozenset(values), [Cells(values, where)], more)
    if not buckets:
        yield _Page(frozenset(), (), more)


def _flat(result: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return an object's fields, those of objects in it by joined names; lists are left out."""
    found: dict[str, Any] = {}
    for name, value in result.items():
        if isinstance(value, dict):
            if not before:
                found |= _flat(value, f"{name}_")
        elif not isinstance(value, list):
            found[before + name] = value
    return found


def model_of(words: str) -> str:
    """Return a model's name out of a line of a bill: ``gpt-4o-2024-08-06, cached input``."""
    return re.split(r",\s", words, maxsplit=1)[0].strip()
