"""Framing: any cut of the same bytes gives the same frames."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.failure import Failure, Kind
from dragoman.dialects.framing import (
    NDJSON,
    SSE,
    Frame,
    Framing,
    JsonArray,
    JsonArrayDecoder,
    NdjsonDecoder,
    SseDecoder,
)


def frames(framing: Framing, data: bytes, *cuts: int) -> list[Frame]:
    """Decode `data`, cut at these offsets."""
    decoder = framing.decoder()
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = [frame for start, end in pairwise(bounds) for frame in decoder.feed(data[start:end])]
    return found + decoder.close()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"data: a\n\n", [Frame(b"a")]),
        (b"data:a\n\n", [Frame(b"a")]),
        (b"data:  a\n\n", [Frame(b" a")]),
        (b"data: a\r\n\r\n", [Frame(b"a")]),
        (b"data: a\r\r", [Frame(b"a")]),
        (b"data: a\ndata: b\n\n", [Frame(b"a\nb")]),
        (b"data\n\n", [Frame(b"")]),
        (b"event: e\ndata: a\n\ndata: b\n\n", [Frame(b"a", "e"), Frame(b"b")]),
        (b"event: e\n\ndata: b\n\n", [Frame(b"b")]),
        (b": comment\n\n: another\ndata: a\n\n", [Frame(b"a")]),
        (b"id: 1\nretry: 2\nfoo: 3\ndata: a\n\n", [Frame(b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Frame(b"a")]),
        (b"\xef\xbbdata: a\n\n", []),
        (b"\n\n\ndata: a\n\n\n\n", [Frame(b"a")]),
        (b"data: a", [Frame(b"a")]),
        (b"data: a\n", [Frame(b"a")]),
        (b"event: e\ndata: a\r", [Frame(b"a", "e")]),
        ("data: a\u2028b\u0085c\n\n".encode(), [Frame("a\u2028b\u0085c".encode())]),
        (b"event: \xff\ndata: a\n\n", [Frame(b"a", "\ufffd")]),
        (b"", []),
    ],
)
def test_server_sent_events(data: bytes, found: list[Frame]) -> None:
    """Every line ending, comment, BOM and missing end is read as the standard says, or kinder."""
    assert frames(SSE, data) == found
    assert frames(SSE, data, *range(len(data))) == found


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"a":1}\n{"b":2}\n', [Frame(b'{"a":1}'), Frame(b'{"b":2}')]),
        (b'{"a":1}\r\n\r\n{"b":2}', [Frame(b'{"a":1}'), Frame(b'{"b":2}')]),
        (b"\n \n", []),
    ],
)
def test_lines_of_json(data: bytes, found: list[Frame]) -> None:
    """One frame for each line that is not blank, the last one without its end too."""
    assert frames(NDJSON, data) == found
    assert frames(NDJSON, data, *range(len(data))) == found


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'[{"a":1}\n,\r\n{"b":{"c":2}}]', [b'{"a":1}', b'{"b":{"c":2}}']),
        (b'[{"a":"}\\"{"}]', [b'{"a":"}\\"{"}']),
        (b'[{"a":"\\\\"},{"b":1}]', [b'{"a":"\\\\"}', b'{"b":1}']),
        (b'{"error":{"code":429}}', [b'{"error":{"code":429}}']),
        (b"[]", []),
        (b'[{"a":1},{"b"', [b'{"a":1}']),
    ],
)
def test_a_streamed_array(data: bytes, found: list[bytes]) -> None:
    """One frame for each object, whatever its strings hold; a bare object is one too."""
    assert [frame.data for frame in frames(JsonArray(), data)] == found
    assert [frame.data for frame in frames(JsonArray(), data, *range(len(data)))] == found


LINE = st.sampled_from(
    [b"data: x", b"data:", b"event: e", b": c", b"", b"data: \xe2\x80\xa8", b"id: 1", b"y"]
)
ENDING = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(LINE, ENDING)), st.lists(st.integers(0, 200), max_size=12))
def test_any_cut_of_events_gives_the_same_frames(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    """Mixed line endings and cuts between CR and LF included."""
    data = b"".join(line + ending for line, ending in lines)
    assert frames(SSE, data, *cuts) == frames(SSE, data)


OBJECTS = st.lists(
    st.dictionaries(
        st.text(max_size=5), st.text(alphabet='{}[]"\\,aé\u2028', max_size=8) | st.integers(), min_size=1
    ),
    max_size=5,
)


@pytest.mark.parametrize("framing", [SSE, NDJSON])
@given(OBJECTS, st.lists(st.integers(0, 300), max_size=12))
def test_what_is_framed_is_unframed(framing: Framing, objects: list[object], cuts: list[int]) -> None:
    """Frames written one after the other are read again, however they were cut."""
    written = [Frame(json.dumps(value).encode()) for value in objects]
    data = b"".join(framing.encode(frame) for frame in written)
    assert frames(framing, data, *cuts) == written


@given(OBJECTS, st.lists(st.integers(0, 300), max_size=12))
def test_an_array_is_one_json_document(objects: list[object], cuts: list[int]) -> None:
    """With its end it is valid JSON, and each element is a frame, however it was cut."""
    array = JsonArray()
    written = [Frame(json.dumps(value).encode()) for value in objects]
    data = b"".join(array.encode(frame) for frame in written) + array.encode(Frame(b""))
    assert json.loads(data) == objects
    assert frames(array, data, *cuts) == written


def test_a_named_event_has_its_line() -> None:
    """The name comes first, and ``data: `` has exactly one space."""
    assert SSE.encode(Frame(b"x", "e")) == b"event: e\ndata: x\n\n"
    assert SSE.encode(Frame(b"x")) == b"data: x\n\n"


@pytest.mark.parametrize("kind", [SseDecoder, NdjsonDecoder, JsonArrayDecoder])
def test_an_endless_frame_is_a_fault(kind: type[SseDecoder | NdjsonDecoder | JsonArrayDecoder]) -> None:
    """A provider that never ends a frame does not fill the memory."""
    decoder = kind(9)
    decoder.feed(b'{"aaa')
    with pytest.raises(Failure) as caught:
        decoder.feed(b'{"aaa')
    assert caught.value.kind is Kind.UPSTREAM


def test_many_lines_of_one_event_are_one_frame() -> None:
    """The limit is on the frame, not only on its lines."""
    decoder = SSE.decoder(max_frame=8)
    with pytest.raises(Failure):
        decoder.feed(b"data: aaaa\ndata: bbbb\ndata: cccc\n")
