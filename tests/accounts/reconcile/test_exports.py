"""Exports of any shape: what is read, what is passed over, and how a fault is told."""

from __future__ import annotations

import tracemalloc
from io import BytesIO
from typing import Any

import msgspec
import pytest
from tests.accounts.reconcile.test_openai import FIRST, HEAD, SAMPLES, read

from dragoman.accounts.reconcile import FORMS
from dragoman.accounts.reconcile.exports import MOST_LINES, Reading, model_of
from dragoman.core.failure import Failure, Kind

USAGE = HEAD + b",num_model_requests,input_tokens,output_tokens,model"


CUT = b"""\
start_time,end_time,input_tokens,num_model_requests,output_tokens
1772323200,1772409600,10,1,20
1772323200,1772409600,10,1,20
"""
"""Two rows of a day."""


def row(**more: str) -> bytes:
    """Return a file of usage with one row, of which some cells are others."""
    cells = {"start": "1772323200", "requests": "1", "input": "10", "output": "2", "model": "m", **more}
    start, *others = cells.values()
    return USAGE + b"\n" + ",".join((start, "1772409600", "", "", *others)).encode() + b"\n"


def refusal(content: bytes, name: str = "usage.csv") -> str:
    """Return what is said of a file that cannot be read."""
    with pytest.raises(Failure) as caught:
        read((name, content))
    assert caught.value.kind is Kind.INVALID
    return caught.value.message


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"input": "ten"}, "usage.csv:2, column input_tokens: 'ten' is no number"),
        ({"input": "-1"}, "usage.csv:2, column input_tokens: '-1' is no whole number of 0 or more"),
        ({"output": "1.5"}, "usage.csv:2, column output_tokens: '1.5' is no whole number of 0 or more"),
        (
            {"requests": "nan"},
            "usage.csv:2, column num_model_requests: 'nan' is no number anybody was charged for",
        ),
        (
            {"input": "1e999999999"},
            "usage.csv:2, column input_tokens: '1e999999999' is no number anybody was charged for",
        ),
        (
            {"input": "1e-999999999"},
            "usage.csv:2, column input_tokens: '1e-999999999' is no whole number of 0 or more",
        ),
        ({"input": "1e40"}, "usage.csv:2, column input_tokens: '1e40' is no number anybody was charged for"),
        ({"start": "soon"}, "usage.csv:2, column start_time: 'soon' is no date, instant or Unix seconds"),
        ({"start": ""}, "usage.csv:2, column start_time: it is missing"),
    ],
)
def test_a_fault_is_told_with_file_line_and_column(cells: dict[str, str], said: str) -> None:
    """Whoever mends a file is told where to look, what stands there, and why that will not do."""
    assert refusal(row(**cells)) == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "usage.csv: the file is empty"),
        (b"\n \n", "usage.csv: the file is empty"),
        (b"a,b\n1,2\n", "usage.csv:2: this is no export that is known. There have to be the columns"),
        (b"a,a\n1,2\n", "usage.csv:1, column a: it is there twice"),
        (USAGE + b"\n1,2,3,4,5,6,7,8,9\n", "usage.csv:2: 9 cells under 8 columns"),
        (USAGE + b"\n", "the export is empty: it tells of no day"),
        (USAGE + b'\n"1', "usage.csv:2: this is no CSV: unexpected end of data"),
        (USAGE + b"\n\xff\n", "usage.csv:2: this is no UTF-8"),
        (b'{"data": 1}', "usage.csv:1: $: a page has its buckets in data"),
        (b'{"data": [{}]}', "usage.csv:1: $.data[0]: a bucket has its results in results"),
        (b'{"data": [{"results": [1]}]}', "usage.csv:1: $.data[0].results[0]: a result is an object"),
        (b'{"error": {"message": "no"}}', "usage.csv:1: $: a page has its buckets in data"),
        (b'{"data": [', "usage.csv: this is no JSON: Input data was truncated"),
        (b"[1, 2]", "usage.csv:1: $[0]: a page has its buckets in data"),
    ],
)
def test_what_is_no_export_is_refused(content: bytes, said: str) -> None:
    """An empty file, another table, half a document: each is named for what it is."""
    assert refusal(content).startswith(said)


def test_a_quoted_line_end_does_not_move_places() -> None:
    """A fault behind a cell with a line end is told with the line of the file it stands in."""
    content = USAGE + b'\n1772323200,1772409600,,,1,1,1,"a\nb"\n1772323200,1772409600,,,1,x,1,m\n'
    assert refusal(content).startswith("usage.csv:4, column input_tokens")


def test_other_columns_and_byte_order_marks_do_not_matter() -> None:
    """Columns nobody asked for, capitals, blanks and a mark at the beginning change nothing."""
    plain = read(("a.csv", row()))
    marked = b"\xef\xbb\xbf" + row().replace(b"start_time,", b"Start Time,", 1).replace(b"\n", b"\r\n")
    assert read(("a.csv", marked)) == plain
    wider = b"more," + row().replace(b"\n1772", b"\n?,1772")
    assert read(("a.csv", wider)) == plain


def test_pages_may_be_one_document_an_array_or_lines() -> None:
    """However pages were put into a file, they say the same; so do the buckets without their page."""
    whole = (SAMPLES / "openai-usage.json").read_bytes()
    page: dict[str, Any] = msgspec.json.decode(whole)
    one = read(("a.json", whole))
    halves = [{**page, "data": [bucket]} for bucket in page["data"]]
    lines = b"\n".join(map(msgspec.json.encode, halves))
    for content in (msgspec.json.encode(halves), lines, msgspec.json.encode(page["data"])):
        assert read(("a.json", content)) == one


def test_a_page_that_is_missing_is_noticed() -> None:
    """The provider said that there is more; once the last page is there, there is not."""
    page: dict[str, Any] = msgspec.json.decode((SAMPLES / "openai-usage.json").read_bytes())
    first = msgspec.json.encode({**page, "data": page["data"][:1], "has_more": True})
    assert read(("1.json", first)).more
    costs = (SAMPLES / "openai-costs.json").read_bytes()
    assert read(("1.json", first), ("c.json", costs)).more
    last = msgspec.json.encode({**page, "data": page["data"][:1]})
    assert not read(("1.json", first), ("2.json", last)).more


def test_amounts_are_exact() -> None:
    """A tenth is added up ten times to one: an amount of JSON is never a float."""
    result = b'{"amount":{"value":0.1,"currency":"usd"},"line_item":"m"}'
    page = b'{"data":[{"start_time":1772323200,"end_time":1772409600,"results":[%b]}]}'
    [line] = read(("c.json", page % b",".join([result] * 10))).lines
    assert line.known == {"cost": 1}


def test_a_long_file_is_never_held() -> None:
    """Of a CSV of many lines only its sums are in memory, and its lines as they come."""
    line = b"1772323200,1772409600,,,1,10,2,m\n"
    file = BytesIO(USAGE + b"\n" + line * 40_000)
    tracemalloc.start()
    reading = Reading(FORMS)
    reading.add(file, "long.csv")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reading.done().lines[0].known["input"] == 400_000
    assert most < 1_000_000


def test_what_has_too_many_models_is_no_export() -> None:
    """A file with a model of its own in each line does not fill the memory."""
    lines = (b"1772323200,1772409600,,,1,1,1,m%d\n" % number for number in range(MOST_LINES + 1))
    assert "more than 100,000 days and models" in refusal(USAGE + b"\n" + b"".join(lines))


def test_an_export_tells_its_time() -> None:
    """A row without an end is of its whole day; one of an hour is of that hour."""
    head = b"usage_date_utc,model_version,usage_input_tokens_no_cache,usage_output_tokens\n"
    assert read(("a.csv", head + b"2026-03-01T05:00:00Z,m,1,1\n")).until == FIRST + 86_400
    minute = USAGE + b"\n1772323200,1772323260,,,1,1,1,m\n"
    assert read(("a.csv", minute)).until == FIRST + 60


def test_a_line_of_a_bill_names_its_model() -> None:
    """What stands in front of the comma."""
    assert model_of("gpt-4o-2024-08-06, cached input") == "gpt-4o-2024-08-06"
    assert model_of("web search tool calls") == "web search tool calls"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CUT[:-4], ":3: 4 cells under 5 columns; is the file whole?"),
        (CUT + b"17", ":4: 1 cells under 5 columns"),
        (CUT.replace(b",", b";"), "separated by ';'"),
        (CUT.replace(b",", b"\t"), "separated by '\\t'"),
    ],
)
def test_half_a_row_is_no_row(content: bytes, said: str) -> None:
    """What was cut off is not nothing; one with times alone is of a time in which nobody asked."""
    assert said in refusal(content)
    assert len(read(("a.csv", CUT + b"1772409600,1772496000\n")).lines) == 1


def test_what_two_files_tell_of_is_known() -> None:
    """Of the same day and kind it may be in both; usage and costs, and embeddings, are other things."""
    costs = b"start_time,end_time,amount_value\n1772323200,1772409600,1\n"
    embeddings = CUT.replace(b"output_tokens", b"other_tokens")
    assert read(("a", CUT), ("b", costs), ("c", embeddings)).twice == ()
    assert read(("a", CUT), ("b", CUT)).twice == (FIRST,)


@pytest.mark.parametrize(("begin", "end", "shifted"), [(0, 24, False), (8, 32, True), (8, 9, False)])
def test_days_of_another_zone_are_known(begin: int, end: int, *, shifted: bool) -> None:
    """A day that begins at another hour than ours is two halves of ours; an hour is of its day."""
    times = b"%d,%d" % (1772323200 + begin * 3600, 1772323200 + end * 3600)
    file = CUT.replace(b"1772323200,1772409600", times)
    assert read(("a", file)).shifted is shifted
